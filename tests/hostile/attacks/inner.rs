//! Attacks: what is under the seal and not signed by us.

use super::List;
use super::edit::{add, after, before, length, only, segment, set, swap, twice, without};
use crate::hostile::builder::{Stage, decode, encode, hmac, jwk, new_key, sign};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;

const DUE: &str = "token_inner_form";

pub(super) fn put(list: &mut List<'_>) {
    unsigned(list);
    other_signers(list);
    signatures(list);
    header(list);
    spellings(list);
    nested(list);
}

fn unsigned(list: &mut List<'_>) {
    let jws = list.forge.jws();
    let parts: Vec<&str> = jws.split('.').collect();
    let claims = parts[1];
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = encode(format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#));
        list.put(
            37,
            format!("inner alg {alg}"),
            DUE,
            Stage::Jws,
            only(format!("{header}.{claims}.")),
        );
        list.put(
            37,
            format!("inner alg {alg} with a signature"),
            DUE,
            Stage::Jws,
            only(format!("{header}.{claims}.{}", parts[2])),
        );
    }
    list.put(
        37,
        "inner signature stripped",
        DUE,
        Stage::Signature,
        only([]),
    );
    list.put(
        37,
        "inner without the third part",
        DUE,
        Stage::Jws,
        only(format!("{}.{claims}", parts[0])),
    );
    list.put(37, "inner of four parts", DUE, Stage::Jws, after(".AA"));
    list.put(
        37,
        "inner of four parts at the front",
        DUE,
        Stage::Jws,
        before("e30."),
    );
    list.put(37, "inner empty", DUE, Stage::Jws, only(""));
    list.put(37, "inner of two dots", DUE, Stage::Jws, only(".."));
    list.put(
        38,
        "bare claims under cty JWT",
        DUE,
        Stage::Jws,
        only(decode(claims)),
    );
    list.put(37, "claims as base64 alone", DUE, Stage::Jws, only(claims));
    list.put(
        12,
        "inner in JSON serialization",
        DUE,
        Stage::Jws,
        only(format!(
            r#"{{"protected":"{}","payload":"{claims}","signature":"{}"}}"#,
            parts[0], parts[2]
        )),
    );
}

fn other_signers(list: &mut List<'_>) {
    let forge = list.forge;
    let stranger = new_key();
    list.put(
        24,
        "sealed by a stranger who knows the public half",
        "token_signature",
        Stage::Jws,
        only(forge.signed_by(&stranger)),
    );
    list.put(
        37,
        "signed by the session's own key",
        "token_signature",
        Stage::Jws,
        only(forge.signed_by(forge.session())),
    );
    list.put(
        33,
        "the signature of another token",
        "token_signature",
        Stage::Signature,
        |_| sign(forge.signer(), b"another"),
    );
    let own = jwk(&stranger).to_string();
    list.put(
        37,
        "inner header with its own jwk",
        DUE,
        Stage::InnerHeader,
        add("\"jwk\"", &own),
    );
    for id in ["unknown", &"k".repeat(64)] {
        list.put(
            37,
            format!("inner kid {id}"),
            "token_unknown_signer",
            Stage::InnerHeader,
            set("kid", &format!("\"{id}\"")),
        );
    }
    for (name, raw) in [
        ("empty", r#""""#),
        ("traversal", r#""../k""#),
        ("NUL", r#""k\u0000""#),
        ("glob", r#""*""#),
        ("too long", &format!("\"{}\"", "k".repeat(65))),
    ] {
        list.put(
            31,
            format!("inner kid {name}"),
            "token_unknown_signer",
            Stage::InnerHeader,
            set("kid", raw),
        );
    }
    // RFC 8725 §2.1: the public key as the secret of a MAC.
    let public = jwk(forge.signer()).to_string();
    let header = String::from_utf8(forge.inner_header("at+jwt")).unwrap();
    let header = encode(header.replace("ES256", "HS256"));
    let jws = forge.jws();
    let input = format!("{header}.{}", jws.split('.').nth(1).unwrap());
    let mac = |digest| encode(hmac(digest, public.as_bytes(), input.as_bytes()));
    list.put(
        13,
        "inner HS256 by the public key",
        DUE,
        Stage::Jws,
        only(format!("{input}.{}", mac(MessageDigest::sha256()))),
    );
    list.put(
        13,
        "inner HS512 by the public key, as long as ours",
        DUE,
        Stage::Jws,
        only(format!("{input}.{}", mac(MessageDigest::sha512()))),
    );
}

fn signatures(list: &mut List<'_>) {
    let due = "token_signature";
    let mut order = BigNum::new().unwrap();
    let group = crate::hostile::builder::p256();
    group
        .order(&mut order, &mut BigNumContext::new().unwrap())
        .unwrap();
    let n = order.to_vec_padded(32).unwrap();
    let (zero, one, full) = (vec![0; 32], [vec![0; 31], vec![1]].concat(), vec![0xff; 32]);
    for (name, r, s) in [
        ("r = s = 0", &zero, &zero),
        ("r = 0", &zero, &one),
        ("s = 0", &one, &zero),
        ("r = s = 1", &one, &one),
        ("r = n, s = 1", &n, &one),
        ("r = 1, s = n", &one, &n),
        ("r = s = n", &n, &n),
        ("r = s = 2^256 - 1", &full, &full),
    ] {
        list.put(
            16,
            format!("signature of {name}"),
            due,
            Stage::Signature,
            only([&r[..], s].concat()),
        );
    }
    for (name, half) in [("r", 0), ("s", 32)] {
        let (zero, n) = (zero.clone(), n.clone());
        for (what, value) in [("zero", zero), ("n", n)] {
            list.put(
                16,
                format!("signature with {name} {what}"),
                due,
                Stage::Signature,
                move |mut bytes| {
                    bytes[half..half + 32].copy_from_slice(&value);
                    bytes
                },
            );
        }
    }
    list.put(
        16,
        "signature with r and s exchanged",
        due,
        Stage::Signature,
        |mut bytes| {
            bytes.rotate_left(32);
            bytes
        },
    );
    list.put(16, "signature in DER", DUE, Stage::Signature, |bytes| {
        let [r, s] = [&bytes[..32], &bytes[32..]].map(|half| BigNum::from_slice(half).unwrap());
        EcdsaSig::from_private_components(r, s)
            .unwrap()
            .to_der()
            .unwrap()
    });
    for size in [0, 1, 32, 63, 65, 96, 128] {
        list.put(
            16,
            format!("signature of {size} bytes"),
            DUE,
            Stage::Signature,
            length(size),
        );
    }
}

fn header(list: &mut List<'_>) {
    for alg in [
        "es256", "ES384", "ES512", "ES256K", "EdDSA", "RS256", "PS256", "HS256", "ES256 ", "",
    ] {
        list.put(
            10,
            format!("inner alg {alg:?}"),
            DUE,
            Stage::InnerHeader,
            set("alg", &format!("\"{alg}\"")),
        );
    }
    for name in ["alg", "typ", "kid"] {
        list.put(
            37,
            format!("inner header without {name}"),
            DUE,
            Stage::InnerHeader,
            without(name),
        );
        list.put(
            6,
            format!("inner {name} twice"),
            DUE,
            Stage::InnerHeader,
            twice(name, "\"x\"", true),
        );
        for wrong in ["null", "1", "[]", "{}", "true", r#"["ES256"]"#] {
            list.put(
                9,
                format!("inner {name} is {wrong}"),
                DUE,
                Stage::InnerHeader,
                set(name, wrong),
            );
        }
    }
    for (threat, name, raw) in [
        (30, "crit", "[]"),
        (30, "b64", "false"),
        (35, "jku", r#""http://127.0.0.1/""#),
        (35, "x5u", r#""http://127.0.0.1/""#),
        (34, "x5c", "[]"),
        (38, "cty", r#""JWT""#),
        (40, "iss", r#""https://issuer.test""#),
        (9, "x", "1"),
        (28, "zip", r#""DEF""#),
    ] {
        list.put(
            threat,
            format!("inner header with {name}"),
            DUE,
            Stage::InnerHeader,
            add(&format!("{name:?}"), raw),
        );
    }
    for text in ["[]", "null", "{}", "\"ES256\"", ""] {
        list.put(
            9,
            format!("inner header is {text:?}"),
            DUE,
            Stage::InnerHeader,
            only(text),
        );
    }
    list.put(
        8,
        "inner header with a byte order mark",
        DUE,
        Stage::InnerHeader,
        before("\u{feff}"),
    );
    for typ in [
        "JWT",
        "at+JWT",
        "AT+JWT",
        "application/at+jwt",
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "at+jwt ",
        "",
    ] {
        list.put(
            41,
            format!("inner typ {typ:?}"),
            "token_kind",
            Stage::InnerHeader,
            set("typ", &format!("\"{typ}\"")),
        );
    }
    list.put(
        41,
        "a refresh token",
        "token_kind",
        Stage::InnerHeader,
        swap("at+jwt", "rt+jwt"),
    );
}

fn spellings(list: &mut List<'_>) {
    for (number, name) in ["inner header", "claims", "signature"]
        .into_iter()
        .enumerate()
    {
        // The signing input is another text then, so the signature is looked at first.
        let due = ["token_inner_form", "token_signature", "token_inner_form"][number];
        for (how, more) in [
            ("padded", "="),
            ("with a line feed", "\n"),
            ("with a NUL", "\0"),
        ] {
            list.put(
                3,
                format!("{name} {how}"),
                due,
                Stage::Jws,
                segment(number, |old| format!("{old}{more}")),
            );
        }
    }
    let forge = list.forge;
    // Signed as it is spelled: only the form is wrong.
    for (how, more) in [
        ("padded", "="),
        ("with a line feed", "\n"),
        ("with a space", " "),
    ] {
        let input = format!("{}{more}", forge.jws().rsplit_once('.').unwrap().0);
        let jws = format!("{input}.{}", encode(sign(forge.signer(), input.as_bytes())));
        list.put(
            3,
            format!("claims {how} and signed so"),
            DUE,
            Stage::Jws,
            only(jws),
        );
    }
    list.put(
        3,
        "a space after the inner token",
        DUE,
        Stage::Jws,
        after(" "),
    );
    list.put(
        3,
        "a line feed after the inner token",
        DUE,
        Stage::Jws,
        after("\n"),
    );
}

fn nested(list: &mut List<'_>) {
    let token = list.forge.token();
    list.put(39, "a token in a token", DUE, Stage::Jws, only(&token));
    let twice = list.forge.with(Stage::Jws, only(&token));
    list.put(
        39,
        "a token in a token in a token",
        DUE,
        Stage::Jws,
        only(twice),
    );
    let forge = list.forge;
    let input = format!(
        "{}.{}",
        encode(forge.inner_header("at+jwt")),
        encode(&token)
    );
    let jws = format!("{input}.{}", encode(sign(forge.signer(), input.as_bytes())));
    list.put(
        39,
        "a signed token around a token",
        "token_claims",
        Stage::Jws,
        only(jws),
    );
}
