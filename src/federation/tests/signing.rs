//! Keys of issuers, and what is signed with them, by OpenSSL alone.

use crate::token::base64url;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Value, json};

pub(in crate::federation) struct KeyPair {
    pub(in crate::federation) kid: &'static str,
    key: PKey<Private>,
}

pub(in crate::federation) fn encode(value: &Value) -> String {
    encode_text(&value.to_string())
}

pub(in crate::federation) fn encode_text(text: &str) -> String {
    base64url::encode(text)
}

/// A JWK set of the public halves.
pub(in crate::federation) fn set(keys: &[KeyPair]) -> String {
    let keys: Vec<Value> = keys.iter().map(KeyPair::jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// The signature of HS256.
pub(in crate::federation) fn hmac(secret: &[u8], signed: &str) -> String {
    let key = PKey::hmac(secret).unwrap();
    let mut mac = Signer::new(MessageDigest::sha256(), &key).unwrap();
    base64url::encode(mac.sign_oneshot_to_vec(signed.as_bytes()).unwrap())
}

/// The ASN.1 form of an ES256 signature.
pub(in crate::federation) fn der_of(raw: &[u8]) -> Vec<u8> {
    let number = |bytes| openssl::bn::BigNum::from_slice(bytes).unwrap();
    let signature = EcdsaSig::from_private_components(number(&raw[..32]), number(&raw[32..]));
    signature.unwrap().to_der().unwrap()
}

impl KeyPair {
    pub(in crate::federation) fn rsa(kid: &'static str, bits: u32) -> Self {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        Self { kid, key }
    }

    pub(in crate::federation) fn ec(kid: &'static str) -> Self {
        Self::ec_on(kid, Nid::X9_62_PRIME256V1)
    }

    pub(in crate::federation) fn ec_on(kid: &'static str, curve: Nid) -> Self {
        let group = EcGroup::from_curve_name(curve).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self { kid, key }
    }

    pub(in crate::federation) fn ed(kid: &'static str) -> Self {
        let key = PKey::generate_ed25519().unwrap();
        Self { kid, key }
    }

    /// The public half.
    pub(in crate::federation) fn jwk(&self) -> Value {
        let numbers = if let Ok(rsa) = self.key.rsa() {
            json!({"kty": "RSA", "n": number(rsa.n(), 0), "e": number(rsa.e(), 0)})
        } else if let Ok(ec) = self.key.ec_key() {
            let mut context = BigNumContext::new().unwrap();
            let (mut x, mut y) = (
                openssl::bn::BigNum::new().unwrap(),
                openssl::bn::BigNum::new().unwrap(),
            );
            let point = ec.public_key();
            point
                .affine_coordinates(ec.group(), &mut x, &mut y, &mut context)
                .unwrap();
            let (crv, length) = match ec.group().curve_name() {
                Some(Nid::X9_62_PRIME256V1) => ("P-256", 32),
                _ => ("P-384", 48),
            };
            json!({"kty": "EC", "crv": crv, "x": number(&x, length), "y": number(&y, length)})
        } else {
            let x = base64url::encode(self.key.raw_public_key().unwrap());
            json!({"kty": "OKP", "crv": "Ed25519", "x": x})
        };
        let mut jwk = numbers;
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public half as people keep it in files, each of which was some library's HS256 secret.
    pub(in crate::federation) fn public_forms(&self) -> Vec<Vec<u8>> {
        vec![
            self.key.public_key_to_pem().unwrap(),
            self.key.public_key_to_der().unwrap(),
            self.key.rsa().unwrap().public_key_to_pem_pkcs1().unwrap(),
            self.jwk().to_string().into_bytes(),
            self.jwk()["n"].as_str().unwrap().as_bytes().to_vec(),
        ]
    }

    pub(in crate::federation) fn public_pem(&self) -> Vec<u8> {
        self.key.public_key_to_pem().unwrap()
    }

    pub(in crate::federation) fn private_pems(&self) -> [Vec<u8>; 2] {
        [
            self.key.private_key_to_pem_pkcs8().unwrap(),
            self.key.rsa().unwrap().private_key_to_pem().unwrap(),
        ]
    }

    /// A token; what it is signed by follows the header, or the key where the header names nothing.
    pub(in crate::federation) fn token(&self, header: &Value, claims: &Value) -> String {
        let alg = header["alg"].as_str().unwrap_or("RS256");
        self.sign_parts(alg, &encode(header), &encode(claims))
    }

    pub(in crate::federation) fn sign_parts(
        &self,
        alg: &str,
        header: &str,
        claims: &str,
    ) -> String {
        let signed = format!("{header}.{claims}");
        let signature = self.signature(alg, signed.as_bytes());
        format!("{signed}.{}", base64url::encode(signature))
    }

    fn signature(&self, alg: &str, signed: &[u8]) -> Vec<u8> {
        if self.key.raw_public_key().is_ok() {
            let mut mac = Signer::new_without_digest(&self.key).unwrap();
            return mac.sign_oneshot_to_vec(signed).unwrap();
        }
        let mut mac = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        if alg == "PS256" {
            mac.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            let length = RsaPssSaltlen::DIGEST_LENGTH;
            mac.set_rsa_pss_saltlen(length).unwrap();
            mac.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
        }
        let signature = mac.sign_oneshot_to_vec(signed).unwrap();
        if self.key.ec_key().is_err() {
            return signature;
        }
        let signature = EcdsaSig::from_der(&signature).unwrap();
        let part = |number: &openssl::bn::BigNumRef| number.to_vec_padded(32).unwrap();
        [part(signature.r()), part(signature.s())].concat()
    }
}

fn number(number: &openssl::bn::BigNumRef, length: i32) -> String {
    let bytes = if length == 0 {
        number.to_vec()
    } else {
        number.to_vec_padded(length).unwrap()
    };
    base64url::encode(bytes)
}
