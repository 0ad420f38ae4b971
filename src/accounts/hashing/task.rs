//! One password to be hashed or compared.
//!
//! This room must never let the number of runs tell more than the settings and the stored hash do.

use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::accounts::argon::{Argon, Memory, RawSalt, Verification};
use crate::accounts::imported::Foreign;

/// What a thread found.
pub(in crate::accounts) struct Answer {
    /// Whether the password matched; a new password matches itself.
    pub(in crate::accounts) matches: bool,
    /// The hash to store from now on, where there is a new one.
    pub(in crate::accounts) renewed: Option<String>,
}

/// A password, and what is to be done with it.
pub(super) struct Task {
    pub(super) password: Zeroizing<String>,
    /// Of a new hash.
    pub(super) salt: RawSalt,
    pub(super) work: Work,
}

pub(super) enum Work {
    Hash,
    Verify {
        stored: String,
        /// The password as it was typed, where that isn't what is hashed today.
        typed: Option<Zeroizing<String>>,
        renew: bool,
    },
}

/// What does it, and counts.
pub(super) struct Hasher {
    argon: Argon,
    runs: AtomicU64,
}

impl Hasher {
    pub(super) fn new(argon: Argon) -> Self {
        Self {
            argon,
            runs: AtomicU64::new(0),
        }
    }

    pub(super) fn argon(&self) -> &Argon {
        &self.argon
    }

    /// How many hashes were computed.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Does it; nothing where argon2 failed.
    pub(super) fn answer(&self, memory: &mut Memory, task: &Task) -> Option<Answer> {
        let Task {
            password,
            salt,
            work,
        } = task;
        match work {
            Work::Hash => self.fresh(memory, password, salt).map(|hash| Answer {
                matches: true,
                renewed: Some(hash),
            }),
            Work::Verify {
                stored,
                typed,
                renew,
            } => {
                let mut found = self.compare(memory, password, stored);
                // Where a match isn't to show, there are as many runs as without one.
                if let Some(typed) = typed
                    && !(found.matches && *renew)
                {
                    let unprepared = self.compare(memory, typed, stored);
                    if unprepared.matches {
                        found.matches = true;
                        found.outdated = may_be_replaced(stored, typed);
                    }
                }
                let renewed = if found.matches && found.outdated && *renew {
                    self.fresh(memory, password, salt)
                } else {
                    None
                };
                Some(Answer {
                    matches: found.matches,
                    renewed,
                })
            }
        }
    }

    /// Compares with a hash of argon2 or with one that another system made.
    fn compare(&self, memory: &mut Memory, password: &str, stored: &str) -> Verification {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let password = password.as_bytes();
        match Foreign::parse(stored) {
            Some(foreign) => Verification {
                matches: foreign.matches(password),
                outdated: foreign.sees_all_of(password),
            },
            None => self.argon.verify(memory, password, stored),
        }
    }

    fn fresh(&self, memory: &mut Memory, password: &str, salt: &RawSalt) -> Option<String> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.argon
            .hash(memory, password.as_bytes(), salt)
            .inspect_err(|error| log::error!("argon2 failed: {error}"))
            .ok()
    }
}

/// Whether a hash that a password matches unprepared says of all of it that it is right.
fn may_be_replaced(stored: &str, typed: &str) -> bool {
    Foreign::parse(stored).is_none_or(|foreign| foreign.sees_all_of(typed.as_bytes()))
}
