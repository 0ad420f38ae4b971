//! The faults of the JOSE library under us, seen by running it: what our own code keeps out.
//!
//! Each test shows the fault in josekit itself and the answer of ours to the same token. One that
//! fails after an update says that a fault is mended and that `docs/threats.md` should say so; the
//! cure stays.

// josekit's own decryption is banned everywhere else, for what is shown here.
#![allow(clippy::disallowed_methods)]

use super::attacks::edit::{add, flip, length, twice};
use super::builder::{Forge, Stage, encode, jwk};
use josekit::JoseError;
use josekit::jwe::{self, JweHeader};
use josekit::jwk::Jwk;
use josekit::jwt::{JwtPayload, JwtPayloadValidator};
use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

/// What josekit alone says to a token of this forge's session.
fn josekit(forge: &Forge, token: &[u8]) -> Result<(Vec<u8>, JweHeader), JoseError> {
    let mut private = jwk(forge.session());
    private["d"] = encode(forge.session().private_key().to_vec_padded(32).unwrap()).into();
    let private = Jwk::from_map(private.as_object().unwrap().clone()).unwrap();
    let decrypter = jwe::ECDH_ES_A256KW.decrypter_from_jwk(&private).unwrap();
    jwe::deserialize_compact(str::from_utf8(token).unwrap(), &decrypter)
}

fn refused(forge: &Forge, token: &[u8]) -> &'static str {
    forge.verdict(token).unwrap_err().code()
}

/// The padding is looked at before the tag is compared: a padding oracle.
#[test]
fn josekit_tells_a_bad_padding_under_a_bad_tag_from_a_bad_tag() {
    let forge = Forge::new();
    assert!(josekit(&forge, forge.token().as_bytes()).is_ok());
    // The tag is wrong in both: in the second, what decrypts to the last byte is wrong besides.
    let bad_tag = forge.with(Stage::Tag, flip(0));
    let bad_padding_too = forge.with(Stage::SentCiphertext, flip(-17));
    let told = [&bad_tag, &bad_padding_too].map(|token| josekit(&forge, token).unwrap_err());
    println!("{:?} | {:?}", told[0], told[1]);
    assert_ne!(discriminant(&told[0]), discriminant(&told[1]));
    for token in [&bad_tag, &bad_padding_too] {
        assert_eq!(refused(&forge, token), "token_not_authentic");
    }
}

#[test]
fn josekit_panics_on_an_encrypted_key_of_a_few_bytes() {
    let forge = Forge::new();
    for bytes in 1..8 {
        let token = forge.with(Stage::EncryptedKey, length(bytes));
        let ended = catch_unwind(AssertUnwindSafe(|| josekit(&forge, &token)));
        assert!(ended.is_err(), "{bytes} bytes");
        assert_eq!(refused(&forge, &token), "token_malformed");
    }
}

#[test]
fn josekit_reads_headers_that_it_should_not() {
    let forge = Forge::new();
    for (name, token) in [
        (
            "crit",
            forge.with(Stage::Header, add("\"crit\"", "[\"unheard-of\"]")),
        ),
        (
            "twice",
            forge.with(Stage::Header, twice("cty", "\"x\"", true)),
        ),
        (
            "another typ",
            forge.with(Stage::Header, super::attacks::edit::set("typ", "\"x\"")),
        ),
    ] {
        assert!(josekit(&forge, &token).is_ok(), "{name}");
        assert_eq!(refused(&forge, &token), "token_header", "{name}");
    }
}

/// Thirty bytes become megabytes, whoever sent them.
#[test]
fn josekit_inflates_without_a_limit() {
    let forge = Forge::new();
    let public = Jwk::from_map(jwk(forge.session()).as_object().unwrap().clone()).unwrap();
    let encrypter = jwe::ECDH_ES_A256KW.encrypter_from_jwk(&public).unwrap();
    let mut header = JweHeader::new();
    header.set_content_encryption("A256CBC-HS512");
    header.set_compression("DEF");
    let bomb = vec![b' '; 4 << 20];
    let token = jwe::serialize_compact(&bomb, &header, &encrypter).unwrap();
    assert!(token.len() < 8192, "{}", token.len());
    let (inflated, _) = josekit(&forge, token.as_bytes()).unwrap();
    assert_eq!(inflated.len(), bomb.len());
    assert_eq!(refused(&forge, token.as_bytes()), "token_header");
}

/// Claims that say nothing of their end or their audience pass, and a huge time panics.
#[test]
fn josekit_takes_claims_that_say_too_little_or_too_much() {
    let mut validator = JwtPayloadValidator::new();
    validator.set_base_time(UNIX_EPOCH + Duration::from_hours(500_000));
    validator.set_audience("api");
    assert!(validator.validate(&JwtPayload::new()).is_ok());
    let huge = catch_unwind(|| {
        let mut payload = JwtPayload::new();
        payload
            .set_claim("exp", Some(u64::MAX.into()))
            .map(|()| payload.expires_at())
    });
    println!(
        "exp of 2^64 - 1: {}",
        if huge.is_err() { "a panic" } else { "none" }
    );
}
