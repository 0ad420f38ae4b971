//! The account by whose rights others are changed.
//!
//! Between the moment at which somebody's rights are verified and the moment at which a change is made,
//! that account can be disabled, demoted, deleted or given another password (threat: stale-rights).
//!
//! This room must never take an account for the one that was verified after any change of it.

use super::account::Account;
use super::identity::UserId;

/// An account by whose rights changes are made, as it was when they were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub(super) id: UserId,
    pub(super) revision: u64,
}

impl Authority {
    /// The account as it is now, if it may log in and has this role.
    #[must_use]
    pub fn of(account: &Account, role: &str) -> Option<Self> {
        let has_it = account.active && account.roles.iter().any(|one| one == role);
        has_it.then(|| Self {
            id: account.id.clone(),
            revision: account.revision,
        })
    }

    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.id
    }
}
