//! The kinds of token, each with its own `typ` in the inner header (RFC 8725 §3.11, RFC 9068 §2.1).
//!
//! This room must never treat one kind as another: `typ` is compared exactly.

use std::fmt;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Opens protected resources; short-lived.
    Access,
    /// Buys new tokens and nothing else.
    Refresh,
}

impl TokenKind {
    /// The inner `typ`: `at+jwt` (RFC 9068) or `rt+jwt`.
    #[must_use]
    pub fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }

    /// The kind that has this `typ`, spelled exactly so.
    #[must_use]
    pub fn from_typ(typ: &str) -> Option<Self> {
        [Self::Access, Self::Refresh]
            .into_iter()
            .find(|kind| kind.typ() == typ)
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.typ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typ_is_compared_exactly() {
        assert_eq!(TokenKind::from_typ("at+jwt"), Some(TokenKind::Access));
        assert_eq!(TokenKind::from_typ("rt+jwt"), Some(TokenKind::Refresh));
        assert_eq!(TokenKind::Refresh.to_string(), "rt+jwt");
        for other in [
            "",
            "JWT",
            "AT+JWT",
            "at+JWT",
            "application/at+jwt",
            "at+jwt ",
            "id+jwt",
        ] {
            assert_eq!(TokenKind::from_typ(other), None, "{other:?}");
        }
    }
}
