//! bcrypt, as itself and as Django writes it.
//!
//! This room must never compare more than 72 bytes and say that it saw the rest.

use ::bcrypt::HashParts;
use openssl::sha::sha256;
use zeroize::Zeroizing;

/// `2^15` rounds take some seconds of a core; more than that no log-in can pay.
const COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// What bcrypt sees of a password.
const SEEN: usize = 72;

/// A bcrypt hash: `$2a$`, `$2b$` or `$2y$` with 60 characters, Django's `bcrypt$` before it, or
/// Django's `bcrypt_sha256$` before it.
pub(in super::super) struct Bcrypt {
    hash: String,
    /// Whether bcrypt gets the hexadecimal SHA-256 of the password, as Django has it.
    digested: bool,
}

impl Bcrypt {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (hash, digested) = match text.split_once('$')? {
            ("bcrypt_sha256", hash) => (hash, true),
            ("bcrypt", hash) => (hash, false),
            ("", _) => (text, false),
            _ => return None,
        };
        // `$2x$` marks hashes of an implementation that lost bits of a password.
        if hash.starts_with("$2x$") {
            return None;
        }
        let parts: HashParts = hash.parse().ok()?;
        COSTS.contains(&parts.get_cost()).then(|| Self {
            hash: hash.to_owned(),
            digested,
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        if !self.digested {
            return ::bcrypt::verify(password, &self.hash).unwrap_or(false);
        }
        let digest = Zeroizing::new(sha256(password));
        let mut digits = Zeroizing::new([0; 64]);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(digest.iter()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        ::bcrypt::verify(digits.as_slice(), &self.hash).unwrap_or(false)
    }

    pub(super) fn sees_all_of(&self, password: &[u8]) -> bool {
        self.digested || password.len() <= SEEN
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
