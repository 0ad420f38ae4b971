//! Any bytes as the protected header of a token that is right in form: what is taken has six
//! members, each as the profile has it, and a point that OpenSSL takes for one of P-256.

use super::builder::{decode, encode, p256};
use lacre::internals::token::UnopenedToken;
use openssl::bn::BigNum;
use openssl::ec::EcKey;
use serde_json::{Value, json};

pub(crate) fn check(text: &[u8]) -> bool {
    let rest = [&[0; 72][..], &[0; 16], &[0; 32], &[0; 32]].map(encode);
    let token = format!("{}.{}", encode(text), rest.join("."));
    let Ok(unopened) = UnopenedToken::parse(token.as_bytes()) else {
        return false;
    };
    let read: Value = serde_json::from_slice(text).unwrap();
    let (x, y) = (&read["epk"]["x"], &read["epk"]["y"]);
    let handle = unopened.handle().as_str();
    assert_eq!(
        read,
        json!({
            "alg": "ECDH-ES+A256KW", "enc": "A256CBC-HS512", "typ": "JWE", "cty": "JWT",
            "kid": handle, "epk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        })
    );
    assert!((1..=128).contains(&handle.len()));
    let [x, y] = [x, y].map(|text| {
        let bytes = decode(text.as_str().unwrap());
        assert_eq!(bytes.len(), 32);
        BigNum::from_slice(&bytes).unwrap()
    });
    let point = EcKey::from_public_key_affine_coordinates(&p256(), &x, &y).unwrap();
    point.check_key().unwrap();
    true
}
