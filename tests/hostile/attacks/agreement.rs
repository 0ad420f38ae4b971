//! Attacks: the ephemeral key, the key agreement and the wrapped key.

use super::List;
use super::edit::{add, flip, length, only, set, swap, twice, without};
use crate::hostile::builder::{Stage, coordinates, encode, jwk, kdf_input, new_key, p256};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use serde_json::{Value, json};

pub(super) fn put(list: &mut List<'_>) {
    points(list);
    spellings(list);
    members(list);
    derivation(list);
    wrapped(list);
}

/// The prime of P-256 and its curve's b.
fn field() -> (BigNum, BigNum) {
    let (mut p, mut a, mut b) = (
        BigNum::new().unwrap(),
        BigNum::new().unwrap(),
        BigNum::new().unwrap(),
    );
    let mut context = BigNumContext::new().unwrap();
    p256()
        .components_gfp(&mut p, &mut a, &mut b, &mut context)
        .unwrap();
    (p, b)
}

fn point(x: &[u8], y: &[u8]) -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
}

fn points(list: &mut List<'_>) {
    let (p, b) = field();
    let p = p.to_vec_padded(32).unwrap();
    let due = "token_epk";
    let [x, y] = coordinates(&new_key());
    let mut off = y.clone();
    off[31] ^= 1;
    for (name, x, y) in [
        ("infinity as zeros", vec![0; 32], vec![0; 32]),
        ("off the curve", x.clone(), off),
        ("coordinates exchanged", y.clone(), x.clone()),
        ("x is p", p.clone(), y.clone()),
        ("y is p", x.clone(), p.clone()),
        ("both are p", p.clone(), p.clone()),
        ("all ones", vec![0xff; 32], vec![0xff; 32]),
        (
            "a point of another curve of order 2",
            vec![1; 32],
            vec![0; 32],
        ),
    ] {
        list.put(
            17,
            format!("epk {name}"),
            due,
            Stage::Epk,
            only(point(&x, &y).to_string()),
        );
    }
    // (0, sqrt b) is on the curve; (p, sqrt b) is the same point for who reduces first.
    let (mut root, mut context) = (BigNum::new().unwrap(), BigNumContext::new().unwrap());
    let (prime, _) = field();
    root.mod_sqrt(&b, &prime, &mut context).unwrap();
    let root = root.to_vec_padded(32).unwrap();
    list.put(
        17,
        "epk x not reduced",
        due,
        Stage::Epk,
        only(point(&p, &root).to_string()),
    );
    for (name, curve, size, threat) in [
        ("P-384", Nid::SECP384R1, 48, 17),
        ("P-521", Nid::SECP521R1, 66, 17),
        ("secp256k1", Nid::SECP256K1, 32, 17),
    ] {
        let key = EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        key.public_key()
            .affine_coordinates(key.group(), &mut x, &mut y, &mut context)
            .unwrap();
        let [x, y] = [x, y].map(|number| number.to_vec_padded(size).unwrap());
        let mut epk = point(&x, &y);
        list.put(
            threat,
            format!("epk of {name} called P-256"),
            due,
            Stage::Epk,
            only(epk.to_string()),
        );
        epk["crv"] = name.into();
        list.put(
            threat,
            format!("epk of {name}"),
            "token_header",
            Stage::Epk,
            only(epk.to_string()),
        );
    }
}

fn spellings(list: &mut List<'_>) {
    let due = "token_epk";
    let [x, y] = coordinates(&new_key());
    let both = [x.clone(), y.clone()].concat();
    for split in [0, 1, 31, 33, 63, 64] {
        let (x, y) = both.split_at(split);
        list.put(
            22,
            format!("epk split at {split}"),
            due,
            Stage::Epk,
            only(point(x, y).to_string()),
        );
    }
    let zero = |bytes: &[u8]| [&[0], bytes].concat();
    for (name, epk) in [
        ("x with a leading zero", point(&zero(&x), &y)),
        ("y with a leading zero", point(&x, &zero(&y))),
        (
            "x with a trailing zero",
            point(&[&x[..], &[0]].concat(), &y),
        ),
        (
            "x as an uncompressed point",
            point(&[&[4], &both[..]].concat(), &y),
        ),
        (
            "x as a compressed point",
            point(&[&[2], &x[..]].concat(), &y),
        ),
    ] {
        list.put(
            22,
            format!("epk {name}"),
            due,
            Stage::Epk,
            only(epk.to_string()),
        );
    }
    for name in ["x", "y"] {
        for (how, more) in [
            ("padded", "="),
            ("with a line feed", "\\n"),
            ("longer", "AA"),
        ] {
            let change = move |epk: Vec<u8>| {
                let value: Value = serde_json::from_slice(&epk).unwrap();
                let text = value[name].as_str().unwrap();
                set(name, &format!("\"{text}{more}\""))(epk)
            };
            list.put(22, format!("epk {name} {how}"), due, Stage::Epk, change);
        }
    }
}

fn members(list: &mut List<'_>) {
    let due = "token_header";
    let key = new_key();
    let d = key.private_key().to_vec_padded(32).unwrap();
    let mut private = jwk(&key);
    private["d"] = encode(d).into();
    list.put(
        22,
        "epk with its private half",
        due,
        Stage::Epk,
        only(private.to_string()),
    );
    for name in ["kty", "crv", "x", "y"] {
        list.put(
            17,
            format!("epk without {name}"),
            due,
            Stage::Epk,
            without(name),
        );
        list.put(
            6,
            format!("epk with {name} twice"),
            due,
            Stage::Epk,
            twice(name, "\"EC\"", true),
        );
        for wrong in ["null", "1", "[]", "{}", "true"] {
            list.put(
                9,
                format!("epk {name} is {wrong}"),
                due,
                Stage::Epk,
                set(name, wrong),
            );
        }
    }
    for name in ["kid", "alg", "use", "key_ops", "x5c", "k", ""] {
        list.put(
            17,
            format!("epk with {name:?}"),
            due,
            Stage::Epk,
            add(&format!("{name:?}"), "\"x\""),
        );
    }
    for (from, to) in [
        ("\"EC\"", "\"OKP\""),
        ("\"EC\"", "\"ec\""),
        ("\"EC\"", "\"RSA\""),
        ("\"EC\"", "\"oct\""),
        ("\"P-256\"", "\"p-256\""),
        ("\"P-256\"", "\"X25519\""),
        ("\"P-256\"", "\"P-256K\""),
        ("\"P-256\"", "\"secp256r1\""),
        ("\"P-256\"", "\"\""),
    ] {
        list.put(
            17,
            format!("epk {to} for {from}"),
            due,
            Stage::Epk,
            swap(from, to),
        );
    }
}

/// What a reader could derive otherwise: the token is right for somebody else's derivation.
fn derivation(list: &mut List<'_>) {
    let due = "token_not_authentic";
    let other =
        |input: &[u8], algorithm, bits| kdf_input(&input[4..36], algorithm, [b"", b""], bits);
    list.put(
        11,
        "a KDF with enc as its algorithm",
        due,
        Stage::KdfInput,
        move |input| other(&input, "A256CBC-HS512", 512),
    );
    list.put(11, "a KDF for A128KW", due, Stage::KdfInput, move |input| {
        other(&input, "ECDH-ES+A128KW", 128)
    });
    list.put(
        23,
        "a KDF with party information",
        due,
        Stage::KdfInput,
        |input| kdf_input(&input[4..36], "ECDH-ES+A256KW", [b"A", b""], 256),
    );
    list.put(
        17,
        "a KDF of an agreement with zero",
        due,
        Stage::KdfInput,
        |mut input| {
            input[4..36].fill(0);
            input
        },
    );
    list.put(
        24,
        "sealed for another session's key",
        due,
        Stage::KdfInput,
        flip(4),
    );
}

fn wrapped(list: &mut List<'_>) {
    for size in (0..=80).filter(|size| *size != 72).chain([136, 1024]) {
        let threat = if size <= 8 { 18 } else { 19 };
        list.put(
            threat,
            format!("encrypted key of {size} bytes"),
            "token_malformed",
            Stage::EncryptedKey,
            length(size),
        );
    }
    for byte in [0, 7, 8, 35, 63, 71] {
        list.put(
            21,
            format!("encrypted key flipped at {byte}"),
            "token_not_authentic",
            Stage::EncryptedKey,
            flip(byte),
        );
    }
    for fill in [0, 0xff] {
        list.put(
            21,
            format!("encrypted key of all {fill:#x}"),
            "token_not_authentic",
            Stage::EncryptedKey,
            only([fill; 72]),
        );
    }
    for size in [16, 32, 48, 56, 72, 128] {
        list.put(
            20,
            format!("content key of {size} bytes"),
            "token_malformed",
            Stage::ContentKey,
            length(size),
        );
    }
}
