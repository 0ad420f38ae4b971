//! Password hashes that other systems made, in the strings that they keep them as.
//!
//! An account that moves here keeps its password: its hash is compared as it is, and replaced by one
//! of argon2id at the first log-in that proves the password.
//!
//! This room must never make a hash, and never take one whose work has no bound.

mod bcrypt;
mod encoding;
mod pbkdf2;
mod scrypt;

use self::bcrypt::Bcrypt;
use self::pbkdf2::Pbkdf2;
use self::scrypt::Scrypt;
use super::argon;
use super::error::{AccountsError, invalid};
use std::fmt;

/// Longer than any of the strings below.
const MAX_LENGTH: usize = 512;
/// A hash that another algorithm than argon2 compares.
pub(super) enum Foreign {
    Bcrypt(Bcrypt),
    Pbkdf2(Pbkdf2),
    Scrypt(Scrypt),
}

impl Foreign {
    /// The hash of this string; nothing where it is one of argon2 or can't be read.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Bcrypt::parse(text)
            .map(Self::Bcrypt)
            .or_else(|| Pbkdf2::parse(text).map(Self::Pbkdf2))
            .or_else(|| Scrypt::parse(text).map(Self::Scrypt))
    }

    /// Whether a password is the one, in a time that doesn't depend on how much of it is right.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Pbkdf2(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password),
        }
    }

    /// Whether the comparison has seen all of a password: only then may another hash of it take the
    /// place of this one.
    pub(super) fn sees_all_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.sees_all_of(password),
            Self::Pbkdf2(_) | Self::Scrypt(_) => true,
        }
    }
}

/// A hash as an account can be given it: of argon2 (a PHC string, also with Django's prefix), bcrypt
/// (also Django's two), PBKDF2 (Django, Werkzeug, passlib) or scrypt (the same). `Debug` shows
/// nothing.
pub struct ImportedHash(String);

impl ImportedHash {
    /// Takes the string that another system kept, if it can be compared here within a bounded time.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        if text.len() > MAX_LENGTH {
            return Err(invalid("hash", "must have at most 512 characters"));
        }
        // Django writes the name of its hasher before the PHC string.
        let text = text
            .strip_prefix("argon2$")
            .map_or_else(|| text.to_owned(), |rest| format!("${rest}"));
        if argon::can_read(&text) || Foreign::parse(&text).is_some() {
            return Ok(Self(text));
        }
        Err(invalid(
            "hash",
            "is none of argon2, bcrypt, PBKDF2 and scrypt as docs/operating.md lists them, or costs too much",
        ))
    }

    pub(super) fn into_stored(self) -> String {
        self.0
    }
}

impl fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImportedHash")
    }
}

#[cfg(test)]
mod tests;
