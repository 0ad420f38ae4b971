//! What a server does besides answering, each for as long as it runs.

use futures_util::{Stream, StreamExt as _};
use lacre::clock::{Clock as _, SystemClock};
use lacre::internals::deployment::Certificate;
use lacre::internals::service::Service;
use lacre::internals::telemetry;
use std::sync::Arc;
use std::time::Duration;

/// How often expired sessions are swept out of the keystore.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// For how long the turn of one node keeps it from the others: somewhat less, so that each minute has one.
const SWEEP_TURN: Duration = Duration::from_secs(50);

/// What SIGHUP is for, each time: the file of the audit is opened anew, and the certificate read anew. The
/// configuration is read at a start alone.
pub(super) async fn reload(
    mut hang_ups: impl Stream<Item = ()> + Unpin,
    certificate: Option<Arc<Certificate>>,
    clock: Arc<SystemClock>,
) {
    while hang_ups.next().await.is_some() {
        let reopened = telemetry::reopen_audit();
        if reopened {
            log::info!("SIGHUP: the file of the audit is opened anew");
        }
        match &certificate {
            Some(certificate) => match certificate.reload(clock.now()) {
                Ok(()) => log::info!("SIGHUP: the certificate was read anew"),
                Err(error) => {
                    let code = error.code();
                    log::error!(code; "SIGHUP: the certificate of before stays in use: {error}");
                }
            },
            None if reopened => {}
            None => log::info!("SIGHUP: nothing to reopen; the configuration is read at a start"),
        }
    }
}

/// Goes on with a rotation of the master key. Where there are several nodes it may be begun by a key that an operator
/// gives them one after the other.
pub(super) async fn rotate(service: Service) {
    let shares = service.lacre().lease().is_some();
    loop {
        let turn = service.lacre().takes_turn("rotate", SWEEP_TURN).await;
        if turn.is_ok_and(|turn| turn) {
            service.go_on_rotating().await;
        }
        if !shares {
            return;
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Removes what has expired, on which nothing depends but the size of the keystore: the guard refuses
/// an expired session whether it is swept or not. And ends what a change of an account has left.
pub(super) async fn sweep(service: Service) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        // Both end sessions, which could not be recorded.
        if !telemetry::has_room() {
            continue;
        }
        service.announce_keys().await;
        // Of several nodes one does it for all.
        match service.lacre().takes_turn("sweep", SWEEP_TURN).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                log::error!(code = error.code(); "sweeping failed: {error}");
                continue;
            }
        }
        match service.sweep().await {
            Ok(0) => {}
            Ok(swept) => log::debug!(swept; "expired sessions were swept"),
            Err(error) => log::error!(code = error.code(); "sweeping failed: {error}"),
        }
        service.drop_signing_keys().await;
        match service.deliver_rest().await {
            Ok(0) => {}
            Ok(delivered) => {
                log::warn!(delivered; "ended sessions that changes of accounts had left");
            }
            Err(error) => log::error!(code = error.code(); "sessions are left to end: {error}"),
        }
    }
}
