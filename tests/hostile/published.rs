//! Vectors that others published: their tokens are refused, their numbers come out of our parts.
//!
//! "Valid" in a published file means valid JOSE. No published token is one of ours, so each is a
//! refusal here, before any key is touched. The parts are run row by row: the agreement and the
//! content encryption through [`SessionKey::unwrap`] and [`ContentKey::open`], as the service runs
//! them; a published shared secret or content key is wrapped by other code first.

use super::builder::{self, decode, encode, kdf_input, key_of, new_key, wrap};
use crate::support::vectors;
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use josekit::jwk::Jwk;
use lacre::internals::token::{
    ContentKey, EphemeralPublicKey, SessionKey, TokenError, UnopenedToken, VerifyingKey, jwk,
};
use openssl::ec::EcKey;
use openssl::pkey::Private;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;

fn file(name: &str) -> Option<Value> {
    let path = vectors::folder()?.join("published").join(name);
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// The rows of a Wycheproof file, each with its group.
fn rows(name: &str) -> Vec<(Value, Value)> {
    let Some(file) = file(&format!("wycheproof/{name}.json")) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            rows.push((group.clone(), test.clone()));
        }
    }
    assert_eq!(rows.len() as u64, file["numberOfTests"].as_u64().unwrap());
    rows
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A big-endian number of any length, in 32 bytes.
fn scalar(bytes: &[u8]) -> [u8; 32] {
    let digits = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..];
    let mut scalar = [0; 32];
    scalar[32 - digits.len()..].copy_from_slice(digits);
    scalar
}

fn session_key(key: &EcKey<Private>) -> SessionKey {
    SessionKey::from_scalar(&scalar(&key.private_key().to_vec())).unwrap()
}

fn point(key: &EcKey<Private>) -> EphemeralPublicKey {
    let [x, y] = builder::coordinates(key).map(|bytes| bytes.try_into().unwrap());
    EphemeralPublicKey::from_coordinates(&x, &y).unwrap()
}

/// The key-encryption key of our profile for this shared secret.
fn kek(z: &[u8]) -> [u8; 32] {
    openssl::sha::sha256(&kdf_input(z, "ECDH-ES+A256KW", [b"", b""], 256))
}

/// A published content key, as the service gets one: unwrapped by a session's key.
fn content_key(bytes: &[u8]) -> ContentKey {
    let (session, ephemeral) = (new_key(), new_key());
    let wrapped = wrap(&kek(&builder::agree(&ephemeral, &session)), bytes);
    session_key(&session).unwrap(&point(&ephemeral), &wrapped.try_into().unwrap())
}

fn ran(name: &str, accepted: usize, refused: usize) {
    println!("{name}: {accepted} rows accepted, {refused} refused");
}

#[test]
fn no_published_token_or_text_passes_for_a_token() {
    let Some(folder) = vectors::folder() else {
        return;
    };
    for (path, file) in vectors::files(&folder.join("published")) {
        let mut texts = Vec::new();
        collect(&file, &mut texts);
        let mut tokens = 0;
        for text in &texts {
            let verdict = UnopenedToken::parse(text.as_bytes());
            assert!(verdict.is_err(), "{}: {text}", path.display());
            tokens += usize::from(verdict.unwrap_err() == TokenError::Header);
        }
        let name = PathBuf::from(path.file_name().unwrap());
        println!(
            "{}: {} texts refused, {tokens} of them in our form",
            name.display(),
            texts.len()
        );
    }
}

/// Every string, and every object in its JSON spelling.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => {
            texts.push(value.to_string());
            members.values().for_each(|item| collect(item, texts));
        }
        _ => {}
    }
}

#[test]
fn a256cbc_hs512_row_by_row() {
    let (mut accepted, mut refused) = (0, 0);
    for (_, row) in rows("a256cbc_hs512_test") {
        let key = content_key(&hex(&row["key"]));
        let iv = hex(&row["iv"]).try_into().unwrap();
        let tag = hex(&row["tag"]).try_into().unwrap();
        let (aad, mut ciphertext) = (hex(&row["aad"]), hex(&row["ct"]));
        let opened = key.open(&iv, &aad, &mut ciphertext, &tag);
        if row["result"] == "valid" {
            assert_eq!(opened, Ok(&hex(&row["msg"])[..]), "{row}");
            let sealed = key.seal(iv, &aad, hex(&row["msg"]).into()).unwrap();
            assert_eq!(sealed, (hex(&row["ct"]), tag), "{row}");
            accepted += 1;
        } else {
            assert_eq!(opened, Err(TokenError::NotAuthentic), "{row}");
            refused += 1;
        }
    }
    ran("a256cbc_hs512_test", accepted, refused);
}

/// Agrees on a key as the service does, and compares with the published shared secret: a content
/// key that was wrapped by that secret must open what it sealed.
fn agrees(private: &[u8], public: &EphemeralPublicKey, shared: &[u8]) -> bool {
    const KEY: [u8; 64] = [7; 64];
    static SEALED: LazyLock<(Vec<u8>, [u8; 32])> = LazyLock::new(|| {
        content_key(&KEY)
            .seal([1; 16], b"aad", b"text".to_vec().into())
            .unwrap()
    });
    let wrapped = wrap(&kek(shared), &KEY).try_into().unwrap();
    let session = SessionKey::from_scalar(&scalar(private)).unwrap();
    let key = session.unwrap(public, &wrapped);
    let (mut ciphertext, tag) = SEALED.clone();
    key.open(&[1; 16], b"aad", &mut ciphertext, &tag) == Ok(&b"text"[..])
}

#[test]
fn ecdh_on_encoded_points_row_by_row() {
    let (mut accepted, mut refused) = (0, 0);
    for (_, row) in rows("ecdh_secp256r1_ecpoint_test") {
        // A token has coordinates and no encoded point: a compressed one can't even be said.
        let public = hex(&row["public"]);
        let public = match <[u8; 65]>::try_from(public) {
            Ok(point) if point[0] == 4 => EphemeralPublicKey::from_coordinates(
                point[1..33].try_into().unwrap(),
                point[33..].try_into().unwrap(),
            ),
            _ => Err(TokenError::EphemeralKey),
        };
        if row["result"] == "valid" {
            let (private, shared) = (hex(&row["private"]), hex(&row["shared"]));
            assert!(agrees(&private, &public.unwrap(), &shared), "{row}");
            accepted += 1;
        } else {
            assert!(public.is_err(), "{row}");
            refused += 1;
        }
    }
    ran("ecdh_secp256r1_ecpoint_test", accepted, refused);
}

#[test]
fn ecdh_on_json_web_keys_row_by_row() {
    let (mut accepted, mut refused) = (0, 0);
    for (_, row) in rows("ecdh_secp256r1_webcrypto_test") {
        let members = row["public"].as_object().unwrap().clone();
        let public = Jwk::from_map(members)
            .ok()
            .and_then(|key| jwk::recipient(&key).ok());
        if row["result"] == "valid" {
            let private = decode(row["private"]["d"].as_str().unwrap());
            let shared = hex(&row["shared"]);
            assert!(agrees(&private, &public.unwrap(), &shared), "{row}");
            accepted += 1;
        } else {
            assert_eq!(public, None, "{row}");
            refused += 1;
        }
    }
    ran("ecdh_secp256r1_webcrypto_test", accepted, refused);
}

/// RFC 3394 by the engine that unwraps our content keys; no row has the one length that a token
/// may have, so that the type of [`SessionKey::unwrap`] would refuse them all.
#[test]
fn aes_key_wrap_row_by_row() {
    let (mut accepted, mut refused, mut skipped) = (0, 0, 0);
    for (group, row) in rows("aes_wrap_test") {
        let algorithm = match group["keySize"].as_u64().unwrap() {
            128 => &AES_128,
            256 => &AES_256,
            _ => {
                skipped += 1;
                continue;
            }
        };
        let wrapped = hex(&row["ct"]);
        let kek = AesKek::new(algorithm, &hex(&row["key"])).unwrap();
        let mut buffer = vec![0; wrapped.len()];
        let key = kek.unwrap(&wrapped, &mut buffer);
        match row["result"].as_str().unwrap() {
            "valid" => {
                assert_eq!(key.unwrap(), &hex(&row["msg"])[..], "{row}");
                accepted += 1;
            }
            // A key of one block: RFC 3394 has none, and neither have we.
            "acceptable" => refused += 1,
            _ => {
                assert!(key.is_err(), "{row}");
                refused += 1;
            }
        }
    }
    ran("aes_wrap_test", accepted, refused);
    println!("aes_wrap_test: {skipped} rows have a key of 192 bits, which we don't use");
}

#[test]
fn es256_row_by_row() {
    let (mut accepted, mut refused) = (0, 0);
    for (group, row) in rows("ecdsa_secp256r1_sha256_p1363_test") {
        let point = hex(&group["publicKey"]["uncompressed"]);
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        let key = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let key = Jwk::from_map(key.as_object().unwrap().clone()).unwrap();
        let key = VerifyingKey::from_jwk(&key).unwrap();
        // A signature of another length never gets as far.
        let verdict = match <[u8; 64]>::try_from(hex(&row["sig"])) {
            Ok(signature) => key.verify(&hex(&row["msg"]), &signature),
            Err(_) => Err(TokenError::InnerForm),
        };
        assert_eq!(verdict.is_ok(), row["result"] == "valid", "{row}");
        if verdict.is_ok() {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    ran("ecdsa_secp256r1_sha256_p1363_test", accepted, refused);
}

/// Tokens of others with our two algorithms: the header is refused, the parts open.
#[test]
fn published_tokens_of_our_algorithms_open_under_our_parts() {
    let Some(messages) = file("go-jose/jose4j_ecdh_messages.json") else {
        return;
    };
    let mut found = Vec::new();
    for message in messages["messages"].as_array().unwrap() {
        found.push((messages["key"].clone(), message["jwe"].clone(), None));
    }
    for (group, row) in rows("json_web_encryption_test") {
        if row["result"] == "valid" {
            found.push((
                group["private"].clone(),
                row["jwe"].clone(),
                Some(hex(&row["pt"])),
            ));
        }
    }
    let mut opened = 0;
    for (key, jwe, plaintext) in found {
        let jwe = jwe.as_str().unwrap();
        let segments: Vec<&str> = jwe.split('.').collect();
        let header: Value = serde_json::from_slice(&decode(segments[0])).unwrap();
        if header["alg"] != "ECDH-ES+A256KW" || header["enc"] != "A256CBC-HS512" {
            continue;
        }
        assert_eq!(
            UnopenedToken::parse(jwe.as_bytes()).unwrap_err(),
            TokenError::Header
        );
        let epk = header["epk"].as_object().unwrap().clone();
        let epk = jwk::recipient(&Jwk::from_map(epk).unwrap()).unwrap();
        let d = decode(key["d"].as_str().unwrap());
        let session = SessionKey::from_scalar(&scalar(&d)).unwrap();
        let part = |number: usize| decode(segments[number]);
        let content_key = session.unwrap(&epk, &part(1).try_into().unwrap());
        let (iv, tag) = (part(2).try_into().unwrap(), part(4).try_into().unwrap());
        let mut ciphertext = part(3);
        let text = content_key.open(&iv, segments[0].as_bytes(), &mut ciphertext, &tag);
        let text = text.unwrap();
        assert!(plaintext.is_none_or(|plaintext| plaintext == text));
        opened += 1;
    }
    println!("{opened} published tokens of our two algorithms");
    assert!(opened >= 2, "only {opened}");
}

/// What these tests derive keys with gives the published one.
#[test]
fn the_derivation_of_rfc_7518_appendix_c() {
    let Some(published) = file("rfc/rfc7518_appendix_C.json") else {
        return;
    };
    let key = |name: &str| key_of(&decode(published[name]["d"].as_str().unwrap()));
    let z = builder::agree(&key("alice_epk"), &key("bob"));
    let input = kdf_input(&z, "A128GCM", [b"Alice", b"Bob"], 128);
    let derived = decode(published["derived_key_b64url"].as_str().unwrap());
    assert_eq!(openssl::sha::sha256(&input)[..16], derived);
}
