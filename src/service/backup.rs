//! The audit events of backups.
//!
//! This room must never make or read a backup itself.

use super::{Caller, Service};

impl Service {
    /// Records that an operator takes a backup, or has restored one.
    pub fn acted(&self, caller: &Caller, action: &'static str) {
        caller.acted(action, None);
    }
}
