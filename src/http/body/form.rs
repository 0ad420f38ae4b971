//! `application/x-www-form-urlencoded`, strictly.
//!
//! The usual decoders keep a broken escape as it stands and replace bytes that aren't UTF-8, so a
//! password would silently become another one. Here each is a refusal, like a name that occurs
//! twice.
//!
//! This room must never guess.

use super::scan::MAX_MEMBERS;
use crate::http::problem::Code;
use crate::token::json::WipedUnlessWhole;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Parses one form into text members. [`Code::BodyMalformed`] for anything that isn't well-formed,
/// [`Code::BodyTooManyMembers`] for more than [`MAX_MEMBERS`], of which no more are looked at. An empty
/// text is an empty form.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, Code> {
    // What follows the last pair that is read stays in one piece.
    let too_many = text.splitn(MAX_MEMBERS + 1, '&').count() > MAX_MEMBERS;
    if too_many {
        return Err(Code::BodyTooManyMembers);
    }
    members(text).ok_or(Code::BodyMalformed)
}

fn members(text: &str) -> Option<Map<String, Value>> {
    let mut members = WipedUnlessWhole(Map::new());
    for pair in text.split('&').filter(|_| !text.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let (name, mut value) = (decode(name)?, decode(value)?);
        if name.is_empty() || members.0.contains_key(&*name) {
            return None;
        }
        let value = Value::String(std::mem::take(&mut *value));
        members.0.insert(name.to_string(), value);
    }
    Some(std::mem::take(&mut members.0))
}

/// Undoes percent-encoding, with `+` for a space. `None` for anything that isn't well-formed.
pub(in crate::http) fn decode(text: &str) -> Option<Zeroizing<String>> {
    // As long as the input, so that a secret isn't left behind by a buffer that grew.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        decoded.push(match first {
            b'+' => b' ',
            b'%' => {
                let ([high, low], after) = rest.split_first_chunk()?;
                rest = after;
                hex(*high)? << 4 | hex(*low)?
            }
            // Many clients leave spaces and accents as they are; there is one way to read them.
            plain if !plain.is_ascii_control() => plain,
            _ => return None,
        });
    }
    str::from_utf8(&decoded).ok()?;
    String::from_utf8(std::mem::take(&mut *decoded))
        .ok()
        .map(Zeroizing::new)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn form(text: &str) -> Option<Value> {
        object(text).ok().map(Value::Object)
    }

    #[test]
    fn a_form_becomes_text_members() {
        assert_eq!(
            form("email=a%40b.example&password=p+%2B%26%3D%C3%A9&name="),
            Some(json!({"email": "a@b.example", "password": "p +&=é", "name": ""}))
        );
        assert_eq!(
            form("a=b=c"),
            Some(json!({"a": "b=c"})),
            "the first = splits"
        );
        assert_eq!(
            form("a=b c é"),
            Some(json!({"a": "b c é"})),
            "as many clients write it"
        );
        assert_eq!(form(""), Some(json!({})));
    }

    #[test]
    fn a_name_occurs_once_in_any_spelling() {
        assert_eq!(form("a=1&a=1"), None);
        assert_eq!(form("a=1&%61=2"), None);
    }

    #[test]
    fn of_more_members_than_a_route_can_have_none_is_looked_at() {
        let form_of = |count: usize| {
            (0..count)
                .map(|n| format!("m{n}=1"))
                .collect::<Vec<_>>()
                .join("&")
        };
        assert_eq!(object(&form_of(MAX_MEMBERS)).unwrap().len(), MAX_MEMBERS);
        assert_eq!(
            object(&form_of(MAX_MEMBERS + 1)),
            Err(Code::BodyTooManyMembers)
        );
        // What is malformed isn't seen where there are too many.
        let malformed = format!("%zz=1&{}", form_of(MAX_MEMBERS));
        assert_eq!(object(&malformed), Err(Code::BodyTooManyMembers));
        assert_eq!(object("%zz=1"), Err(Code::BodyMalformed));
    }

    #[test]
    fn nothing_is_guessed() {
        for bad in [
            "a",
            "=b",
            "a=1&",
            "&a=1",
            "a=1&&b=2",
            "a=%",
            "a=%4",
            "a=%zz",
            "a=%+1",
            "a=%ff",
            "a=%C3",
            "a=%ED%A0%80",
            "a=\n",
            "%=1",
            "&",
        ] {
            assert_eq!(form(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_encodes_comes_back(
            pairs in proptest::collection::btree_map("(?s).{1,8}", "(?s).{0,20}", 0..5)
        ) {
            let text = serde_urlencoded::to_string(&pairs).unwrap();
            let expected = pairs.into_iter().map(|(name, value)| (name, Value::String(value)));
            prop_assert_eq!(object(&text), Ok(expected.collect()));
        }

        #[test]
        fn nothing_panics(text in "(?s)[a%+=&0-9é\0]{0,20}") {
            let _ = object(&text);
        }
    }
}
