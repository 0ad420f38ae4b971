//! A value as somebody wrote it, before anything was read out of it.
//!
//! This room must never print what it holds: it may be a secret.

use std::fmt;

use zeroize::Zeroizing;

use super::setting::Source;

/// A value of a key, and where it was written.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) written: Written,
    pub(super) source: Source,
}

/// The form in which a value was written.
pub(super) enum Written {
    /// Text of any source.
    Text(Zeroizing<String>),
    /// A whole number of the file.
    Number(i64),
    /// `true` or `false` of the file.
    Truth(bool),
    /// An array of texts of the file.
    List(Vec<String>),
    /// Something that no key takes, as text.
    Other(String),
}

impl Written {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text_or_number(&self) -> Option<String> {
        match self {
            Self::Number(number) => Some(number.to_string()),
            _ => self.text().map(str::to_owned),
        }
    }

    /// The words of a list: an array, or text with commas between.
    pub(super) fn items(&self) -> Option<Vec<&str>> {
        match self {
            Self::List(words) => Some(words.iter().map(String::as_str).collect()),
            Self::Text(text) if text.is_empty() => Some(Vec::new()),
            Self::Text(text) => Some(text.split(',').map(str::trim).collect()),
            _ => None,
        }
    }

    /// The value for people to read; a list as the file would write it.
    pub(super) fn shown(&self, as_list: bool) -> String {
        match (self, self.items()) {
            (Self::List(_), Some(words)) => format!("{words:?}"),
            (_, Some(words)) if as_list => format!("{words:?}"),
            (Self::Text(text), _) => text.to_string(),
            (Self::Number(number), _) => number.to_string(),
            (Self::Truth(is), _) => is.to_string(),
            (Self::Other(text), _) => text.clone(),
            (Self::List(_), None) => String::new(),
        }
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}
