//! Text that may hold a password.
//!
//! This room must never let its text into a log, a listing or an error.

use std::fmt;

use zeroize::Zeroizing;

/// Text that prints as nothing and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that needs it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = SecretText::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "SecretText");
        assert_eq!(secret.expose(), "hunter2");
    }
}
