//! Attacks: algorithms that are named, offered or valid, and are not ours.

use super::List;
use super::edit::set;
use crate::hostile::builder::{Stage, encode, hmac, jwk};
use josekit::jwe::{self, JweHeader};
use josekit::jwk::Jwk;
use openssl::hash::MessageDigest;

pub(super) fn put(list: &mut List<'_>) {
    named(list);
    valid_but_others(list);
    signed_only(list);
}

fn named(list: &mut List<'_>) {
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "dir",
        "ECDH-ES",
        "ecdh-es+a256kw",
        "ECDH-ES+A128KW",
        "ECDH-ES+A192KW",
        "ECDH-1PU+A256KW",
        "A256KW",
        "A256GCMKW",
        "RSA-OAEP",
        "RSA-OAEP-256",
        "ES256",
        "HS256",
        "ECDH-ES+A256KW ",
        "ECDH-ES+A256KW\\u0000",
        "HPKE-0",
    ] {
        list.put(
            10,
            format!("alg {alg:?}"),
            "token_header",
            Stage::Header,
            set("alg", &format!("\"{alg}\"")),
        );
    }
    list.put(
        15,
        "alg RSA1_5",
        "token_header",
        Stage::Header,
        set("alg", "\"RSA1_5\""),
    );
    for alg in ["PBES2-HS256+A128KW", "PBES2-HS512+A256KW"] {
        list.put(
            14,
            format!("alg {alg}"),
            "token_header",
            Stage::Header,
            set("alg", &format!("\"{alg}\"")),
        );
    }
    for enc in [
        "none",
        "A128CBC-HS256",
        "A192CBC-HS384",
        "A128GCM",
        "A192GCM",
        "A256GCM",
        "a256cbc-hs512",
        "A256CBC+HS512",
        "A256CBC",
        "XC20P",
    ] {
        list.put(
            10,
            format!("enc {enc:?}"),
            "token_header",
            Stage::Header,
            set("enc", &format!("\"{enc}\"")),
        );
    }
}

/// Sealed rightly for the same key, by another algorithm: one key has one algorithm.
fn valid_but_others(list: &mut List<'_>) {
    use jwe::alg::ecdh_es::EcdhEsJweAlgorithm::{EcdhEs, EcdhEsA128kw, EcdhEsA192kw, EcdhEsA256kw};
    let mut public = jwk(list.forge.session());
    public["kid"] = list.forge.handle().into();
    let public = Jwk::from_map(public.as_object().unwrap().clone()).unwrap();
    let content = list.forge.jws();
    for (name, alg, enc) in [
        ("ECDH-ES, A256CBC-HS512", EcdhEs, "A256CBC-HS512"),
        ("ECDH-ES, A256GCM", EcdhEs, "A256GCM"),
        (
            "ECDH-ES+A128KW, A256CBC-HS512",
            EcdhEsA128kw,
            "A256CBC-HS512",
        ),
        (
            "ECDH-ES+A192KW, A256CBC-HS512",
            EcdhEsA192kw,
            "A256CBC-HS512",
        ),
        ("ECDH-ES+A256KW, A256GCM", EcdhEsA256kw, "A256GCM"),
        (
            "ECDH-ES+A256KW, A128CBC-HS256",
            EcdhEsA256kw,
            "A128CBC-HS256",
        ),
        (
            "ECDH-ES+A256KW, A192CBC-HS384",
            EcdhEsA256kw,
            "A192CBC-HS384",
        ),
    ] {
        let mut header = JweHeader::new();
        header.set_content_encryption(enc);
        header.set_token_type("JWE");
        header.set_content_type("JWT");
        header.set_key_id(list.forge.handle());
        let encrypter = alg.encrypter_from_jwk(&public).unwrap();
        let token = jwe::serialize_compact(content.as_bytes(), &header, &encrypter).unwrap();
        // Some of these have a tag or a key of another length, which is looked at first.
        let due = if token.split('.').nth(1).unwrap().len() == 96 {
            "token_header"
        } else {
            "token_malformed"
        };
        list.whole(11, format!("valid {name}"), due, token);
    }
}

/// The inner token alone, and other signed ones, where an encrypted one is demanded.
fn signed_only(list: &mut List<'_>) {
    let jws = list.forge.jws();
    list.whole(12, "the inner token alone", "token_malformed", jws.clone());
    list.whole(
        12,
        "the inner token filled up to five parts",
        "token_malformed",
        format!("{jws}.."),
    );
    let input = format!(
        "{}.{}",
        encode(r#"{"alg":"none","typ":"at+jwt"}"#),
        jws.split('.').nth(1).unwrap()
    );
    list.whole(
        10,
        "an unsigned token alone",
        "token_malformed",
        format!("{input}."),
    );
    let public = jwk(list.forge.session()).to_string();
    let input = input.replacen(
        &encode(r#"{"alg":"none","typ":"at+jwt"}"#),
        &encode(r#"{"alg":"HS256","typ":"at+jwt"}"#),
        1,
    );
    let mac = hmac(MessageDigest::sha256(), public.as_bytes(), input.as_bytes());
    list.whole(
        13,
        "a token signed with the public key as a secret",
        "token_malformed",
        format!("{input}.{}", encode(mac)),
    );
}
