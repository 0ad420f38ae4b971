//! A panic as one event: where it happened, and nothing of what was at hand there.
//!
//! This room must never write the payload of a panic: `unwrap` puts the error into it, and the
//! error may quote a token.

use std::panic::PanicHookInfo;

/// Replaces the panic message of the standard library, which prints the payload.
pub(super) fn install() {
    std::panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let thread = std::thread::current();
    log::error!(
        target: "lacre::panic",
        code = "panic",
        place = place.as_deref().unwrap_or("unknown"),
        thread = thread.name().unwrap_or("unnamed");
        ""
    );
}
