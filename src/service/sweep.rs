//! Expired sessions leave the keystore, and the audit log says so.
//!
//! Nothing but the size of the keystore depends on it: the guard refuses an expired session whether
//! it is swept or not.

use super::{Caller, Service};
use crate::telemetry::audit::Cause;
use lacre_keystore::KeystoreError;

impl Service {
    /// Removes the records of sessions that are over, writes an audit event for each, and returns
    /// how many there were.
    pub async fn sweep(&self) -> Result<usize, KeystoreError> {
        let caller = Caller::lacre();
        let removed = self.lacre.sweep_reporting(|expired| {
            for one in expired {
                caller.ended(&one.user_id, &[one.handle], Cause::Expired);
            }
        });
        removed.await
    }
}
