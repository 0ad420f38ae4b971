//! Tokens that two other libraries seal and open: jwcrypto (Python) and panva/jose (JavaScript).
//!
//! `make interop` installs both under `target/interop` and exchanges a thousand tokens each way with
//! each. Elsewhere fewer are exchanged where the peers are installed, and a loud line says so where
//! they are not; with `LACRE_TEST_ALL=1` their absence is a failure.

mod apache;
mod claims;
mod gateway;
mod hashes;
mod made_keys;
mod openapi;
mod openid;
mod peer;
mod proxies;
mod python;
mod receipts;
mod typescript;

use crate::hostile::builder::{encode, jwk, new_key, thumbprint};
use josekit::jwk::Jwk;
use lacre::internals::entropy;
use lacre::internals::token::{
    Handle, Recipient, RecipientKey, SigningKey, TokenKind, jwk as keys, seal_members,
};
use openssl::ec::EcKey;
use openssl::pkey::Private;
use peer::Peer;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::path::PathBuf;

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "api";
const NOW: u64 = 1_800_000_000;

#[test]
fn jwcrypto_opens_our_tokens_and_we_open_its() {
    exchange(Peer::jwcrypto());
}

#[test]
fn panva_jose_opens_our_tokens_and_we_open_its() {
    exchange(Peer::panva_jose());
}

fn exchange(peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    let count = peer::tokens();
    let seed = (entropy::system())().next_u64();
    println!("{count} tokens each way, seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for kind in [TokenKind::Access, TokenKind::Refresh] {
        let session = Session::new(kind);
        let claims: Vec<Value> = (0..count.div_ceil(2))
            .map(|_| claims::random(&mut rng, &session.handle))
            .collect();
        session.theirs(&peer, &claims, &mut rng, seed);
        session.ours(&peer, &claims, &mut rng, seed);
    }
}

/// The keys of one session, as files for the program and as JWKs for the peer.
struct Session {
    kind: TokenKind,
    handle: String,
    recipient: Value,
    signer: Value,
    files: tempfile::TempDir,
}

impl Session {
    fn new(kind: TokenKind) -> Self {
        let (recipient, signer) = (new_key(), new_key());
        let mut signing = private(&signer);
        signing["kid"] = thumbprint(&signer).into();
        let session = Self {
            kind,
            handle: format!("h-{}", thumbprint(&recipient)),
            recipient: private(&recipient),
            signer: signing,
            files: tempfile::tempdir().unwrap(),
        };
        let mut verifying = jwk(&signer);
        verifying["kid"] = session.signer["kid"].clone();
        std::fs::write(session.file("recipient"), session.recipient.to_string()).unwrap();
        std::fs::write(session.file("signer"), verifying.to_string()).unwrap();
        session
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn setting(&self) -> String {
        json!({
            "recipient": self.recipient, "signer": self.signer, "kid": self.handle,
            "typ": self.kind.typ(),
        })
        .to_string()
    }

    /// The peer seals, `lacre token open` opens; with one character changed it refuses.
    fn theirs(&self, peer: &Peer, claims: &[Value], rng: &mut StdRng, seed: u64) {
        let lines: Vec<String> = claims.iter().map(Value::to_string).collect();
        let tokens = peer.run("seal", &self.setting(), &lines);
        for (verdict, claims) in self.verdicts(&tokens).iter().zip(claims) {
            assert_eq!(
                *verdict,
                json!({"ok": true, "claims": claims}),
                "seed {seed}"
            );
        }
        let mutated: Vec<String> = tokens.iter().map(|token| mutated(token, rng)).collect();
        for (verdict, token) in self.verdicts(&mutated).iter().zip(&mutated) {
            assert_eq!(verdict["ok"], false, "seed {seed}: {token}");
        }
    }

    /// We seal, the peer opens; with one byte of the content changed it refuses as well, so that
    /// its "yes" means something.
    fn ours(&self, peer: &Peer, claims: &[Value], rng: &mut StdRng, seed: u64) {
        let of = |value: &Value| Jwk::from_map(value.as_object().unwrap().clone()).unwrap();
        let key = keys::recipient(&of(&self.recipient)).unwrap();
        let handle = Handle::parse(&self.handle).unwrap();
        let recipient = Recipient {
            key: RecipientKey::Public(&key),
            handle: &handle,
        };
        let signer = SigningKey::from_jwk(&of(&self.signer)).unwrap();
        let tokens: Vec<String> = claims
            .iter()
            .map(|claims| {
                let claims = claims.as_object().unwrap();
                seal_members(recipient, &signer, self.kind, claims, rng).unwrap()
            })
            .collect();
        let opened = peer.run("open", &self.setting(), &tokens);
        for (opened, claims) in opened.iter().zip(claims) {
            let opened: Value = serde_json::from_str(opened).unwrap();
            assert_eq!(opened, *claims, "seed {seed}");
        }
        let broken: Vec<String> = tokens.iter().map(|token| broken(token)).collect();
        let opened = peer.run("open", &self.setting(), &broken);
        assert!(opened.iter().all(|opened| opened == "null"), "seed {seed}");
    }

    /// What one run of `lacre token open` says to these tokens.
    fn verdicts(&self, tokens: &[String]) -> Vec<Value> {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lacre"));
        command
            .args(["token", "open", "--issuer", ISSUER, "--audience", AUDIENCE])
            .args(["--now", &NOW.to_string(), "--typ", self.kind.typ()])
            .arg("--recipient")
            .arg(self.file("recipient"))
            .arg("--signer")
            .arg(self.file("signer"))
            .current_dir(self.files.path());
        let verdicts = peer::batch(&mut command, tokens);
        let parsed = verdicts.iter().map(|line| serde_json::from_str(line));
        parsed.collect::<Result<_, _>>().unwrap()
    }
}

fn private(key: &EcKey<Private>) -> Value {
    let mut jwk = jwk(key);
    jwk["d"] = encode(key.private_key().to_vec_padded(32).unwrap()).into();
    jwk
}

/// Another character of a token's alphabet at one place.
fn mutated(token: &str, rng: &mut StdRng) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    let mut bytes = token.as_bytes().to_vec();
    let place = rng.random_range(0..bytes.len());
    let old = bytes[place];
    while bytes[place] == old {
        bytes[place] = ALPHABET[rng.random_range(0..ALPHABET.len())];
    }
    String::from_utf8(bytes).unwrap()
}

/// One character in the middle of the ciphertext changed.
fn broken(token: &str) -> String {
    let begin = token.match_indices('.').nth(2).unwrap().0;
    let mut bytes = token.as_bytes().to_vec();
    let byte = &mut bytes[begin + 9];
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}
