use super::super::tests::signing::{KeyPair, set};
use super::*;
use serde_json::{Value, json};

fn read(set: &Value) -> Result<KeySet, KeysError> {
    KeySet::from_jwks(set.to_string().as_bytes(), &Algorithm::ALL)
}

fn of(keys: &[Value]) -> Result<KeySet, KeysError> {
    read(&json!({ "keys": keys }))
}

fn changed(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn algorithms(set: &KeySet, kid: &str) -> Vec<&'static str> {
    let all = Algorithm::ALL.into_iter();
    let there = all.filter(|algorithm| set.find(Some(kid), *algorithm).count() == 1);
    there.map(Algorithm::name).collect()
}

#[test]
fn each_type_of_key_is_for_its_own_algorithms() {
    let keys = [KeyPair::rsa("r", 2048), KeyPair::ec("e"), KeyPair::ed("d")];
    let read = KeySet::from_jwks(set(&keys).as_bytes(), &Algorithm::ALL).unwrap();
    assert!(read.is_named());
    assert_eq!(algorithms(&read, "r"), ["RS256", "PS256"]);
    assert_eq!(algorithms(&read, "e"), ["ES256"]);
    assert_eq!(algorithms(&read, "d"), ["EdDSA"]);
    assert!(read.has(Some("r")) && !read.has(Some("x")) && !read.has(None));
    // A key that says which algorithm it is for is for that one.
    let one = changed(keys[0].jwk(), "alg", json!("PS256"));
    assert_eq!(algorithms(&of(&[one]).unwrap(), "r"), ["PS256"]);
    // Not configured, not there.
    let only = [Algorithm::Rs256];
    let read = KeySet::from_jwks(set(&keys).as_bytes(), &only).unwrap();
    assert_eq!(algorithms(&read, "r"), ["RS256"]);
    assert!(!read.has(Some("e")) && !read.has(Some("d")));
}

#[test]
fn a_set_with_a_key_that_nobody_should_publish_is_refused_whole() {
    let good = KeyPair::ec("good").jwk();
    let rsa = KeyPair::rsa("r", 2048);
    let small = KeyPair::rsa("small", 1024).jwk();
    let large = KeyPair::rsa("large", 2048).jwk();
    let mut private = rsa.jwk();
    private["d"] = json!("AQAB");
    let exponent = |e: &str| changed(large.clone(), "e", json!(e));
    for (bad, expected) in [
        (small, KeysError::WeakRsa),
        (exponent("AQ"), KeysError::WeakRsa),
        (exponent("BA"), KeysError::WeakRsa),
        (exponent("AQABAQABAQABAQAB"), KeysError::WeakRsa),
        (exponent("AAEAAQ"), KeysError::BadKey),
        (exponent(""), KeysError::BadKey),
        (exponent("AQAB="), KeysError::BadKey),
        (private, KeysError::Private),
        (
            json!({"kty": "oct", "kid": "s", "k": "AAAA"}),
            KeysError::Symmetric,
        ),
        (
            json!({"kty": "oct", "use": "enc", "k": "AAAA"}),
            KeysError::Symmetric,
        ),
        (
            changed(good.clone(), "kid", json!("good")),
            KeysError::KidTwice,
        ),
        (
            changed(KeyPair::ed("x").jwk(), "x", json!("AAAA")),
            KeysError::BadKey,
        ),
        (
            changed(KeyPair::ec("x").jwk(), "x", json!("AAAA")),
            KeysError::BadKey,
        ),
        (
            changed(
                KeyPair::ec("x").jwk(),
                "x",
                KeyPair::ec("y").jwk()["x"].clone(),
            ),
            KeysError::BadKey,
        ),
    ] {
        let error = of(&[good.clone(), bad.clone()]).unwrap_err();
        assert_eq!(error, expected, "{bad}");
    }
    assert!(of(&[good]).is_ok());
}

#[test]
fn the_least_key_has_2048_bits_and_none_is_so_large_that_it_is_slow() {
    let bits = |n: usize| {
        // Odd numbers of so many bits; nobody has to know their factors.
        let mut bytes = vec![0xff; n.div_ceil(8)];
        bytes[0] >>= (8 - n % 8) % 8;
        let n = crate::token::base64url::encode(bytes);
        of(&[json!({"kty": "RSA", "kid": "r", "n": n, "e": "AQAB"})]).map(drop)
    };
    for weak in [512, 1024, 2040, 2041, 2047, 8193, 16384] {
        assert_eq!(bits(weak), Err(KeysError::WeakRsa), "{weak}");
    }
    for good in [2048, 2049, 3072, 4096, 8192] {
        assert_eq!(bits(good), Ok(()), "{good}");
    }
}

#[test]
fn keys_that_are_for_something_else_are_passed_over() {
    let good = KeyPair::ec("good").jwk();
    let other = KeyPair::ec("other").jwk();
    for other in [
        changed(other.clone(), "use", json!("enc")),
        changed(other.clone(), "use", json!(["sig"])),
        changed(other.clone(), "key_ops", json!(["encrypt"])),
        changed(other.clone(), "key_ops", json!("verify")),
        changed(other.clone(), "alg", json!("ES384")),
        changed(other.clone(), "alg", json!("ECDH-ES+A256KW")),
        changed(other.clone(), "alg", json!(1)),
        changed(other.clone(), "kty", json!("XYZ")),
        changed(other.clone(), "crv", json!("secp256k1")),
        changed(other.clone(), "kid", json!(7)),
        changed(other.clone(), "kid", json!("")),
        changed(other.clone(), "kid", json!("k".repeat(256))),
        KeyPair::ec_on("other", Nid::SECP384R1).jwk(),
        json!({"kty": "OKP", "crv": "X25519", "kid": "other", "x": "AAAA"}),
        json!({"kty": "OKP", "crv": "Ed448", "kid": "other", "x": "AAAA"}),
    ] {
        let read = of(&[good.clone(), other.clone()]).unwrap();
        assert!(
            read.has(Some("good")) && !read.has(Some("other")),
            "{other}"
        );
        assert_eq!(of(&[other]).unwrap_err(), KeysError::NoKey);
    }
    let mut nameless = KeyPair::ec("other").jwk();
    nameless.as_object_mut().unwrap().remove("kid");
    assert_eq!(of(&[nameless]).unwrap_err(), KeysError::NoKey);
}

#[test]
fn what_is_no_set_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[1]}",
        "{\"keys\":[[]]}",
        "<html>",
        "{\"keys\":[]} x",
        "{\"keys\":[],\"keys\":[]}",
        "\u{feff}{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}",
    ] {
        let error = KeySet::from_jwks(text.as_bytes(), &Algorithm::ALL).unwrap_err();
        assert_eq!(error, KeysError::NoSet, "{text}");
    }
    let error = KeySet::from_jwks(b"\xff\xfe{}", &Algorithm::ALL).unwrap_err();
    assert_eq!(error, KeysError::NoSet);
    assert_eq!(read(&json!({"keys": []})).unwrap_err(), KeysError::NoKey);
    let many: Vec<Value> = (0..65).map(|n| json!({"kid": n.to_string()})).collect();
    assert_eq!(of(&many).unwrap_err(), KeysError::TooManyKeys);
}

fn pem(text: &[u8]) -> Result<KeySet, KeysError> {
    KeySet::from_pem(text, &Algorithm::ALL)
}

#[test]
fn a_pem_has_public_keys_of_every_type() {
    let keys = [KeyPair::rsa("r", 2048), KeyPair::ec("e"), KeyPair::ed("d")];
    let all = keys.map(|key| key.public_pem()).concat();
    let read = pem(&[b"# keys of the issuer\n", all.as_slice()].concat()).unwrap();
    assert!(!read.is_named() && read.has(None) && read.has(Some("any")));
    for algorithm in Algorithm::ALL {
        assert_eq!(read.find(Some("any"), algorithm).count(), 1);
    }
}

#[test]
fn what_ssh_keygen_writes_is_taken_as_pem_and_refused_otherwise() {
    for good in [
        include_str!("made/spki.pem"),
        include_str!("made/pkcs1.pem"),
    ] {
        let read = pem(good.as_bytes()).unwrap();
        assert_eq!(read.find(None, Algorithm::Rs256).count(), 1);
        assert_eq!(read.find(None, Algorithm::Es256).count(), 0);
        let windows = good.replace('\n', "\r\n");
        assert!(pem(windows.as_bytes()).is_ok());
    }
    for bad in [
        include_str!("made/rfc4716.pub"),
        include_str!("made/openssh.pub"),
        include_str!("made/certificate.pem"),
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA",
    ] {
        assert_eq!(pem(bad.as_bytes()).unwrap_err(), KeysError::NoPem, "{bad}");
    }
    let damaged = include_str!("made/spki.pem").replacen("MII", "AAA", 1);
    assert_eq!(pem(damaged.as_bytes()).unwrap_err(), KeysError::BadKey);
    assert_eq!(pem(b"\xff").unwrap_err(), KeysError::NoPem);
}

#[test]
fn a_private_key_is_never_taken_for_a_public_one() {
    let key = KeyPair::rsa("r", 2048);
    for private in key.private_pems() {
        let both = [key.public_pem(), private].concat();
        assert_eq!(pem(&both).unwrap_err(), KeysError::Private);
    }
}

#[test]
fn a_weak_key_in_a_pem_is_refused() {
    let weak = KeyPair::rsa("r", 1024).public_pem();
    assert_eq!(pem(&weak).unwrap_err(), KeysError::WeakRsa);
    let p384 = KeyPair::ec_on("e", Nid::SECP384R1).public_pem();
    assert_eq!(pem(&p384).unwrap_err(), KeysError::NoKey);
}
