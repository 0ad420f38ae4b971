//! What is asked of a restore, and what it did.
//!
//! This room must never do anything of it.

use crate::accounts::Replaced;
use crate::archive::{About, Holds};
use crate::token::Handle;
use std::path::PathBuf;

/// The most sessions that are named.
const MAX_NAMED: usize = 100_000;

/// What an operator asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Everything, or the sessions alone.
    pub holds: Holds,
    /// Whether what is there may be replaced.
    pub replace: bool,
    /// Whether the operator says that the deployment hasn't run since the backup was taken.
    pub keep_sessions: bool,
}

/// What became of a backup's sessions.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RestoredSessions {
    /// How many the backup has.
    pub in_backup: u64,
    /// How many of them are live here, as they were before.
    pub live: u64,
    /// How many were put back.
    pub kept: u64,
    /// How many are not: they have ended since, or that can't be told.
    pub ended: u64,
    /// Their handles, of the first 100 000.
    pub named: Vec<Handle>,
}

impl RestoredSessions {
    pub(super) fn has_ended(&mut self, handle: Handle) {
        self.ended += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(handle);
        }
    }
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// The backup.
    pub about: About,
    /// Whether the keys and the keystore of the deployment were there and stayed.
    pub living: bool,
    /// What became of the sessions.
    pub sessions: RestoredSessions,
    /// What changed of the accounts; nothing where they weren't asked for.
    pub accounts: Option<Replaced>,
    /// How many sessions there were here, where all had to end: the accounts of before are lost.
    pub ended_all: Option<u64>,
    /// Where what was there before lies now.
    pub aside: Option<PathBuf>,
    /// Where the log of ends goes on; nothing where keys and keystore stayed.
    pub receipts: Option<GoneOn>,
}

/// Where the log of ends goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoneOn {
    /// The number of the line that says so.
    pub seq: u64,
    /// Whether the lines of before are in another file.
    pub new_file: bool,
}

impl Restored {
    pub(super) fn of(about: &About) -> Self {
        Self {
            about: about.clone(),
            living: false,
            sessions: RestoredSessions::default(),
            accounts: None,
            ended_all: None,
            aside: None,
            receipts: None,
        }
    }
}
