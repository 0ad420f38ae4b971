//! What is wrong with the form of a token that was refused, as a sentence for an operator.
//!
//! The checks themselves stop at the first fault and say no more than a code; this looks at a text
//! that they have refused already, and finds the place.
//!
//! This room must never say that a token is good, and never quote what stands in it.

use super::agreement::ENCRYPTED_KEY_LENGTH;
use super::content::{BLOCK, TAG_LENGTH};
use super::profile::{ALG, ENC};
use super::{MAX_TOKEN_LENGTH, base64url, json};
use serde_json::Value;

/// What each segment is, and how many bytes the profile fixes for it.
const SEGMENTS: [(&str, Option<usize>); 5] = [
    ("the protected header", None),
    ("the encrypted key", Some(ENCRYPTED_KEY_LENGTH)),
    ("the initialisation vector", Some(BLOCK)),
    ("the ciphertext", None),
    ("the authentication tag", Some(TAG_LENGTH)),
];

/// The members that the protected header must have, and what each must be where that is fixed.
const MEMBERS: [(&str, Option<&str>); 6] = [
    ("alg", Some(ALG)),
    ("enc", Some(ENC)),
    ("typ", Some("JWE")),
    ("cty", Some("JWT")),
    ("kid", None),
    ("epk", None),
];

/// Says where the form of this text departs from that of a token; `None` where it doesn't.
#[must_use]
pub fn diagnose(text: &[u8]) -> Option<String> {
    if text.is_empty() {
        return Some("there is no token: nothing came in".to_owned());
    }
    if text.len() > MAX_TOKEN_LENGTH {
        let length = text.len();
        return Some(format!(
            "it has {length} characters, and a token {MAX_TOKEN_LENGTH} at most"
        ));
    }
    if text
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "))
    {
        return Some("it begins with `Bearer `: the token is what follows".to_owned());
    }
    if let Some(at) = text.iter().position(|byte| !is_ours(*byte)) {
        let what = match text[at] {
            b'"' | b'\'' => "a quotation mark",
            byte if byte.is_ascii_whitespace() => "a space or a line's end",
            b'=' | b'+' | b'/' => "a character of base64, and no one of base64url without padding",
            _ => "a character that no token has",
        };
        return Some(format!("character {} is {what}", at + 1));
    }
    let segments: Vec<_> = text.split(|byte| *byte == b'.').collect();
    match segments.len() {
        5 => segment(&segments),
        3 => Some(
            "it has three segments, as a signed JWT has: no session's token, but perhaps one of an \
             outside issuer"
                .to_owned(),
        ),
        count => Some(format!(
            "it has {count} segments between its dots, and a token 5: it was cut off, or is something else"
        )),
    }
}

fn is_ours(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn segment(segments: &[&[u8]]) -> Option<String> {
    for (number, (text, (name, bytes))) in segments.iter().zip(SEGMENTS).enumerate() {
        let number = number + 1;
        let Some(decoded) = base64url::decode(text) else {
            return Some(format!(
                "segment {number}, {name}, is no base64url: a character is missing or too many, or \
                 its last one was changed"
            ));
        };
        if let Some(bytes) = bytes.filter(|bytes| *bytes != decoded.len()) {
            return Some(format!(
                "segment {number}, {name}, has {} bytes, and should have {bytes}",
                decoded.len()
            ));
        }
        if name == "the ciphertext" && (decoded.is_empty() || !decoded.len().is_multiple_of(BLOCK))
        {
            return Some(format!(
                "segment {number}, {name}, has {} bytes, which are no whole blocks of 16",
                decoded.len()
            ));
        }
    }
    header(&base64url::decode(segments.first()?)?)
}

fn header(text: &[u8]) -> Option<String> {
    let Some(members) = json::object(text) else {
        return Some(
            "the protected header is not one JSON object without duplicate members".to_owned(),
        );
    };
    for (name, value) in MEMBERS {
        match (members.get(name), value) {
            (None, _) => return Some(format!("the protected header has no `{name}`")),
            (Some(Value::String(found)), Some(value)) if found == value => {}
            (Some(_), Some(value)) => {
                return Some(format!("`{name}` of the protected header is not {value}"));
            }
            (Some(_), None) => {}
        }
    }
    let known = |name: &str| MEMBERS.iter().any(|(member, _)| *member == name);
    if members.keys().any(|name| !known(name)) {
        return Some("the protected header has a member that no token of ours has".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::seal::tests::sealed as token;

    fn said(text: &str) -> String {
        diagnose(text.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn a_token_of_ours_has_nothing_wrong_with_its_form() {
        assert_eq!(diagnose(token().as_bytes()), None);
    }

    #[test]
    fn the_place_is_named() {
        let good = token();
        let segments: Vec<&str> = good.split('.').collect();
        let with = |number: usize, text: &str| {
            let mut changed = segments.clone();
            changed[number] = text;
            changed.join(".")
        };
        let header = |json: &str| with(0, &base64url::encode(json));
        for (text, place) in [
            (String::new(), "nothing came in"),
            (format!("Bearer {good}"), "begins with `Bearer `"),
            (format!("\"{good}\""), "character 1 is a quotation mark"),
            (format!("{good}\n"), "a space or a line's end"),
            (format!("{good}="), "base64url without padding"),
            (good[..good.len() - 60].to_owned(), "has 4 segments"),
            (segments[..3].join("."), "a signed JWT"),
            (
                with(1, "AAAA"),
                "segment 2, the encrypted key, has 3 bytes, and should have 72",
            ),
            (
                with(2, &segments[2][1..]),
                "segment 3, the initialisation vector",
            ),
            (with(3, "AAAA"), "no whole blocks of 16"),
            (
                good[..good.len() - 1].to_owned(),
                "segment 5, the authentication tag",
            ),
            (header("{}"), "has no `alg`"),
            (header("[]"), "not one JSON object"),
            (
                header(r#"{"alg":"none"}"#),
                "`alg` of the protected header is not ECDH-ES+A256KW",
            ),
            ("x".repeat(MAX_TOKEN_LENGTH + 1), "a token 8192 at most"),
        ] {
            let said = said(&text);
            assert!(said.contains(place), "{place}: {said}");
        }
    }
}
