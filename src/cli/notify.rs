//! What a supervisor of the kind of systemd is told (`sd_notify(3)`): that the service answers, and
//! that it stops.
//!
//! Without `NOTIFY_SOCKET` in the environment nobody is told.

use sd_notify::NotifyState;

/// Everything answers. `status` is shown to who asks the supervisor.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The service stops, and needs as long as it needs.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    // The service runs well without. A supervisor that waits for it ends it after its own timeout.
    if let Err(error) = sd_notify::notify(state) {
        log::warn!(code = "supervisor_unreachable"; "the supervisor could not be told: {error}");
    }
}
