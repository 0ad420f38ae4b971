//! What is inside: one line of JSON an entry.
//!
//! This room must never print a key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The version of what is inside.
pub const VERSION: u32 = 1;

/// What a backup has of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Keys, accounts, clients, links, the outbox, and the sessions.
    Everything,
    /// The sessions, and the master keys that open their records.
    Sessions,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The first: what this is.
    Backup(About),
    /// The file of the master keys.
    MasterKeys(SecretText),
    /// The keyring, unsealed: base64url.
    Keyring(SecretText),
    /// A row of the accounts' database.
    Row {
        /// Its table.
        table: String,
        /// Its columns.
        values: Map<String, Value>,
    },
    /// A session's record, sealed under one of the master keys.
    Session {
        /// The record's name, base64url.
        key: String,
        /// The record, base64url.
        sealed: String,
    },
    /// Where the signed log of ends stood when the sessions were read: what that log makes of it.
    Receipts(Map<String, Value>),
    /// The last: how much there was.
    End(End),
}

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// [`VERSION`].
    pub version: u32,
    /// What it has.
    pub holds: Holds,
    /// The deployment's name.
    pub deployment: String,
    /// When it was begun, in Unix seconds.
    pub made_at: u64,
    /// Whether no server ran while it was made, so that it has all that had happened until its end.
    pub at_rest: bool,
}

/// How much a backup has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Rows of the accounts' database.
    pub rows: u64,
    /// Accounts among them.
    pub accounts: u64,
    /// Sessions.
    pub sessions: u64,
}

/// A key as text. `Debug` shows nothing; wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}
