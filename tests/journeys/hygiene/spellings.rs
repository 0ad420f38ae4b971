//! How a secret could be written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use serde_json::json;
use std::fmt::Write as _;

const PASSWORD: &str = "Zanzibar-marmalade-4711";

/// The ways in which a secret could be written: as it is, in hexadecimal, as a list of numbers and
/// in base64, where what stands before it moves it against the groups of three bytes. A JSON Web Key spells
/// its `d` in base64url.
pub(super) fn spellings(bytes: &[u8]) -> Vec<String> {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    let numbers: Vec<String> = bytes.iter().take(12).map(u8::to_string).collect();
    let mut spellings = vec![
        hex.to_uppercase(),
        hex,
        numbers.join(", "),
        numbers.join(","),
    ];
    // Bytes that are no text can't stand in one as they are.
    spellings.extend(str::from_utf8(bytes).ok().map(str::to_owned));
    for skip in 0..3 {
        let whole = &bytes[skip..];
        let whole = &whole[..whole.len() / 3 * 3];
        spellings.push(STANDARD_NO_PAD.encode(whole));
        spellings.push(URL_SAFE_NO_PAD.encode(whole));
    }
    spellings
}

#[test]
fn every_spelling_is_found() {
    let found = |text: &str| {
        spellings(PASSWORD.as_bytes())
            .iter()
            .any(|s| text.contains(s))
    };
    assert!(!found("nothing here"));
    assert!(found(&format!("password={PASSWORD}")));
    for before in ["", "a", "ab", "abc:"] {
        let inside = format!("{before}{PASSWORD}!");
        assert!(found(&STANDARD_NO_PAD.encode(&inside)), "{before}");
        assert!(found(&format!("{:?}", inside.as_bytes())), "{before}");
        assert!(found(&json!(inside.as_bytes()).to_string()), "{before}");
    }
}

/// A number of 32 bytes, as in a private JSON Web Key.
#[test]
fn the_private_half_of_a_json_web_key_is_found() {
    let jwk = Jwk::generate_ec_key(EcCurve::P256).unwrap();
    let text = jwk.parameter("d").unwrap().as_str().unwrap();
    let scalar = URL_SAFE_NO_PAD.decode(text).unwrap();
    assert!(
        spellings(&scalar)
            .iter()
            .any(|s| jwk.to_string().contains(s))
    );
}
