//! Whose accounts a database has, as the deployment that is about to open it sees them.
//!
//! This room must never take a database that somebody has emptied for a new one: only the deployment
//! knows whether it is new itself.

/// Whose accounts a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// There are none: no file, an empty one, or a database without the tables.
    NoAccounts,
    /// No deployment has claimed them: they were made by a version that didn't write down whose they are.
    Nobody,
    /// The deployment that asks has claimed them, perhaps among others.
    Ours,
    /// Other deployments have claimed them, and the one that asks hasn't.
    Another,
}
