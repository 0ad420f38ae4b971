//! A secret on its way between a command and the server.
//!
//! This room must never print what it holds, nor leave it in memory.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A password or a client's secret. `Debug` shows nothing; wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_and_travels_whole() {
        let secret = Secret::new("correct \"horse\"\n".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret");
        let text = serde_json::to_string(&secret).unwrap();
        let back: Secret = serde_json::from_str(&text).unwrap();
        assert_eq!(back.expose(), secret.expose());
    }
}
