//! A copy of a database of accounts, and what taking it in has changed.
//!
//! This room must never read or write a database.

use crate::clock::UnixSeconds;
use serde_json::{Map, Value};

/// A row: its table, and its columns by name. Bytes are base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedRow {
    /// The table.
    pub table: String,
    /// The columns.
    pub values: Map<String, Value>,
}

/// What a person should hear of: how many, and the names of some.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Some20 {
    /// How many.
    pub count: u64,
    /// The first 20 in the order of their ids: the e-mail addresses of accounts, the ids and names of clients.
    pub names: Vec<String>,
}

/// What taking a copy in has changed of the accounts that were there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replaced {
    /// How many accounts there are now.
    pub accounts: u64,
    /// Those that weren't there: they had been deleted, or never were.
    pub back: Some20,
    /// Those that are gone: they were made after the copy.
    pub gone: Some20,
    /// Those that were disabled, and stay so, although they are active in the copy.
    pub disabled: Some20,
    /// Those whose password is the one of before again.
    pub passwords: Some20,
    /// Those whose roles or permissions are those of before again.
    pub rights: Some20,
    /// Clients that weren't there: they had been deleted, or never were. Their secrets are good again.
    pub clients_back: Some20,
    /// Clients that are gone: they were made after the copy. Their sessions end.
    pub clients_gone: Some20,
    /// Accounts whose links to subjects of outside issuers had been removed, and are there again.
    pub links_back: Some20,
}

/// Whose copy is taken in, and when.
#[derive(Debug, Clone, Copy)]
pub struct TakenIn<'a> {
    /// The deployment's name.
    pub deployment: &'a str,
    /// Whether the accounts that are there are its own, so that they stay its own and other deployments'.
    pub ours: bool,
    /// The time.
    pub now: UnixSeconds,
}
