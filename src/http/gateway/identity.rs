//! What a service is told of who came, as values of header fields.
//!
//! A value is percent-encoded UTF-8 (RFC 3986 §2.1): every byte that isn't printable ASCII, the `%` itself,
//! the comma that stands between the members of a list, and a space at either end. So it holds no line
//! feed, whatever a name holds, and decoding gives back what was encoded.
//!
//! This room must never leave a field out because there is nothing to say: the client's own would pass.

use crate::config::Identity;
use crate::sessions::guard::LiveSession;
use actix_web::http::header::HeaderValue;
use serde_json::Value;
use std::fmt::{self, Write as _};

/// The most bytes of all fields of an answer that this room and the JWT fill. nginx reads 4096 of all
/// there are; what is left is for those that every answer has.
const MAX_LENGTH: usize = 3400;

/// What a field has around its name and its value: `: ` and the end of the line.
pub(super) const AROUND: usize = 4;

pub(super) const TOO_LONG: &str =
    "What the service would be told of the user is longer than a proxy reads.";

/// What would be told is longer than a proxy reads: nothing is left out, nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the identity of a user has more than {MAX_LENGTH} bytes of header fields"
        )
    }
}

pub(super) fn check_length(bytes: usize) -> Result<(), TooLong> {
    if bytes <= MAX_LENGTH {
        Ok(())
    } else {
        Err(TooLong)
    }
}

/// The value of a field; empty where there is nothing to say.
pub(super) fn told(session: Option<&LiveSession>, tells: Identity) -> HeaderValue {
    let Some(session) = session else {
        return HeaderValue::from_static("");
    };
    let claims = &session.claims;
    let one = |text: Option<&str>| encoded(text.unwrap_or_default());
    let text = match tells {
        Identity::User => one(Some(session.subject())),
        Identity::Email => one(claims.email.as_deref()),
        Identity::Name => one(name(session)),
        Identity::Groups => list(&claims.roles),
        Identity::Permissions => list(&claims.permissions),
        Identity::Session => one(Some(session.handle().as_str())),
        Identity::Client => one(session.client_id()),
    };
    // Nothing but printable ASCII is left.
    HeaderValue::try_from(text).unwrap_or(const { HeaderValue::from_static("") })
}

/// The account's name; of a client's own user the one that the client says. An account that has none may have
/// a claim of that name from the back end that asked for the session.
fn name(session: &LiveSession) -> Option<&str> {
    let claims = &session.claims;
    let said = || claims.additional.get("name").and_then(Value::as_str);
    claims.account_name.as_deref().or_else(said)
}

fn list(names: &[String]) -> String {
    let mut all = String::new();
    for name in names {
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(&encoded(name));
    }
    all
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let plain = match byte {
            b' ' => at != 0 && at != last,
            b'%' | b',' => false,
            _ => byte.is_ascii_graphic(),
        };
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a string doesn't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            bytes.push(if first == b'%' {
                let (hex, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap()
            } else {
                first
            });
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        for text in [
            "",
            "ada@example.com",
            "Ada Lovelace",
            "a:b_c.d-e",
            "\"quoted\"",
        ] {
            assert_eq!(encoded(text), text);
        }
        assert_eq!(encoded("Zoë"), "Zo%C3%AB");
        assert_eq!(encoded(" a "), "%20a%20");
        assert_eq!(
            encoded("100%, a\r\nSet-Cookie: b=c"),
            "100%25%2C a%0D%0ASet-Cookie: b=c"
        );
        assert_eq!(list(&["a".into(), "b,c".into(), String::new()]), "a,b%2Cc,");
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_its_field(text in "(?s).{0,40}") {
            let value = encoded(&text);
            prop_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{value:?}");
            prop_assert_eq!(value.trim(), &value);
            prop_assert!(HeaderValue::try_from(&value).is_ok());
            prop_assert_eq!(decoded(&value), text);
        }
    }

    #[test]
    fn a_visitor_without_a_session_has_empty_fields() {
        for tells in [Identity::User, Identity::Groups, Identity::Client] {
            assert!(told(None, tells).is_empty());
        }
    }

    #[test]
    fn what_is_too_long_is_said_to_be() {
        assert_eq!(check_length(MAX_LENGTH), Ok(()));
        assert_eq!(check_length(MAX_LENGTH + 1), Err(TooLong));
        assert!(TooLong.to_string().contains("3400"));
    }
}
