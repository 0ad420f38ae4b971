//! The outbox: ends of sessions that a change of an account has to bring about.
//!
//! Accounts are in one store and sessions in another, and no transaction reaches both. So a row is
//! written in the transaction that changes the account, and removed once the sessions have ended. A
//! process that dies between the two leaves the row, and the next start delivers it.
//!
//! This room must never remove a row of its own accord: it doesn't know of sessions.

use super::client::ClientId;
use super::identity::UserId;
use crate::clock::UnixSeconds;

/// What ends among the sessions of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every session.
    All,
    /// Every session but this one.
    AllBut(Kept),
    /// The access tokens; the sessions stay.
    Access,
    /// The sessions begun by tokens of this outside issuer.
    Through(String),
}

/// The session that stays, by its handle and its beginning: a handle alone may name another one
/// meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its handle.
    pub handle: String,
    /// When it began.
    pub since: UnixSeconds,
}

/// Which sessions a change of an account has to end, and in which keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The name of the keystore that has the sessions, so that no other deployment delivers the row.
    pub keystore: String,
    /// Which sessions of the account.
    pub reach: Reach,
}

/// A row of the outbox, which is there until [`Accounts::delivered`](super::Accounts::delivered) removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub(super) id: String,
    /// Which sessions.
    pub target: Target,
}

/// Which sessions a row has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Some of a user; the account may be gone.
    User(UserId, Reach),
    /// All that a client asked for, whoever's they are; the client is gone.
    Client(ClientId),
}

/// A row to write, for which keystore, and when.
pub(super) struct NewOutboxRow {
    pub(super) row: OutboxRow,
    pub(super) keystore: String,
    pub(super) created_at: UnixSeconds,
}
