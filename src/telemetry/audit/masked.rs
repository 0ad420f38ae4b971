//! Ids and handles in the form in which they may be logged.
//!
//! This room must never let through what could be a token, or enough of a handle to use it.

use std::fmt;

/// The id of an account, a client or a client's user, at most 280 characters of it; what looks like a
/// token is masked.
#[derive(Clone, Copy)]
pub struct UserId<'a>(&'a str);

/// The first eight characters of a session handle, and never more than half of it: enough to
/// find a session, not enough to name it to the service.
#[derive(Clone, Copy)]
pub struct MaskedHandle {
    characters: [char; 8],
    count: usize,
}

impl<'a> UserId<'a> {
    /// Takes the id of an account.
    #[must_use]
    pub fn new(id: &'a str) -> Self {
        Self(id)
    }
}

impl fmt::Display for UserId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every compact JWS and JWE starts so: `{"` as base64url.
        let (client, id) = match self.0.split_once('/') {
            Some((client, id)) => (client, id),
            None => ("", self.0),
        };
        if client.starts_with("eyJ") || id.starts_with("eyJ") {
            return f.write_str("masked");
        }
        write!(f, "{:.280}", self.0)
    }
}

impl fmt::Debug for UserId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl MaskedHandle {
    /// Keeps what may be logged of `handle`.
    #[must_use]
    pub fn of(handle: &str) -> Self {
        let mut characters = ['…'; 8];
        let count = (handle.chars().count() / 2).min(characters.len());
        for (kept, c) in characters.iter_mut().zip(handle.chars().take(count)) {
            *kept = c;
        }
        Self { characters, count }
    }
}

impl fmt::Display for MaskedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in &self.characters[..self.count] {
            fmt::Write::write_char(f, *c)?;
        }
        f.write_str("…")
    }
}

impl fmt::Debug for MaskedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
