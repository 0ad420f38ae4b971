//! The session handle as it stands in a token: the outer `kid` and the inner `sid`.
//!
//! To this room a handle is opaque text of a fixed alphabet, compared exactly, so nothing that an
//! attacker writes there can be a path, a wildcard or a terminal sequence (RFC 8725 §3.10).
//!
//! This room must never know how a handle finds its record: that is [`crate::handle`].

use super::{TokenError, base64url};
use std::fmt;

/// The most characters that a handle may have.
pub(super) const MAX_HANDLE_LENGTH: usize = 128;

/// An opaque session handle: 1 to 128 characters of `A-Z a-z 0-9 _ -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(Box<str>);

impl Handle {
    /// Takes text of the right form; [`TokenError::Header`] for any other.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if is_name(text, MAX_HANDLE_LENGTH) {
            Ok(Self(text.into()))
        } else {
            Err(TokenError::Header)
        }
    }

    /// The handle that spells these bytes: 43 characters.
    pub(crate) fn of_bytes(bytes: &[u8; 32]) -> Self {
        Self(base64url::encode(bytes).into())
    }

    /// The handle as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.0)
    }
}

/// Whether `text` is 1 to `longest` characters of the base64url alphabet.
pub(crate) fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        // No end before the last byte: so the compiler makes vector instructions of it.
        && text.bytes().fold(true, |good, byte| {
            good & (byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_128_characters_of_the_alphabet() {
        assert!(Handle::parse("a").is_ok());
        assert!(Handle::parse(&"Az09_-".repeat(21)).is_ok());
        assert!(Handle::parse(&"a".repeat(128)).is_ok());
        assert!(Handle::parse(&"a".repeat(129)).is_err());
        assert_eq!(
            format!("{:?}", Handle::parse("a-1").unwrap()),
            "Handle(a-1)"
        );
    }

    #[test]
    fn nothing_that_means_something_elsewhere() {
        let bad = [
            "",
            "a b",
            "../a",
            "a/b",
            "a\0",
            "a\r\n",
            "a*",
            "a:b",
            "a.b",
            "é",
            "a=",
            "\u{1b}[2J",
        ];
        for text in bad {
            assert_eq!(Handle::parse(text), Err(TokenError::Header), "{text:?}");
        }
    }
}
