//! `[errors]`: what error answers look like.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::Choice;
use crate::config::reader::{Noted, Reader};

/// What errors look like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorsConfig {
    /// The form of an error answer.
    pub style: ErrorStyle,
}

/// A form of an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorStyle {
    /// RFC 9457 and RFC 6750 §3.
    Rfc,
}

static STYLE: Key<Choice<ErrorStyle>> = key(
    "errors.style",
    Choice {
        built: &[("rfc", ErrorStyle::Rfc)],
        planned: &["flask-jwt-extended", "auth0", "sub-status"],
    },
    DefaultValue::Value(|| ErrorStyle::Rfc),
    "The form of error answers: `rfc` is RFC 9457 with the `WWW-Authenticate` of RFC 6750 §3.",
);

pub(super) static KEYS: &[&dyn Row] = &[&STYLE];

impl ErrorsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let style = reader.value(&STYLE);
        Ok(Self { style: style? })
    }
}
