//! An outside issuer on loopback: it signs tokens, and publishes its keys as the test tells it to.

use super::server::Setup;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What its tokens say of themselves.
pub(crate) const ISS: &str = "https://corp.example/";

/// A key and its name.
pub(crate) struct SigningKey {
    pub(crate) kid: &'static str,
    key: PKey<Private>,
}

/// An issuer whose keys are fetched over http.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Published>>,
    asked: Arc<AtomicUsize>,
}

/// What is at the address of the keys.
#[derive(Clone)]
pub(crate) enum Published {
    /// This body, with the status 200.
    Body(String),
    /// This head, and nothing behind it.
    Head(&'static str),
    /// Fifty megabytes.
    Endless,
    /// The head, and then a byte now and then.
    Slow,
}

impl SigningKey {
    pub(crate) fn new(kid: &'static str) -> Self {
        Self::with_bits(kid, 2048)
    }

    pub(crate) fn with_bits(kid: &'static str, bits: u32) -> Self {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        Self { kid, key }
    }

    pub(crate) fn jwk(&self) -> Value {
        let rsa = self.key.rsa().unwrap();
        let (n, e) = (rsa.n().to_vec(), rsa.e().to_vec());
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
        })
    }

    pub(crate) fn public_pem(&self) -> Vec<u8> {
        self.key.public_key_to_pem().unwrap()
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(
            &json!({"alg": "RS256", "typ": "JWT", "kid": self.kid}),
            claims,
        )
    }

    /// The same with another header. It is signed by RSA, or as HS256 by the public key.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let key = match header["alg"].as_str() {
            Some("HS256") => &PKey::hmac(&self.public_pem()).unwrap(),
            Some("none") => return format!("{text}."),
            _ => &self.key,
        };
        let mut mac = Signer::new(MessageDigest::sha256(), key).unwrap();
        let signature = mac.sign_oneshot_to_vec(text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Claims of a good token of this subject.
pub(crate) fn claims(subject: &str) -> Value {
    json!({"iss": ISS, "aud": "lacre", "sub": subject, "exp": 4_000_000_000_u64, "iat": 1})
}

/// A set of these keys.
pub(crate) fn set(keys: &[&SigningKey]) -> Published {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    Published::Body(json!({ "keys": keys }).to_string())
}

impl Site {
    pub(crate) fn new(published: Published) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(published)),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&site.answer), Arc::clone(&site.asked));
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                asked.fetch_add(1, Ordering::SeqCst);
                let published = answer.lock().unwrap().clone();
                // Whoever doesn't wait for the end is no failure of the test.
                std::thread::spawn(move || drop(serve(&peer, &published)));
            }
        });
        site
    }

    pub(crate) fn publish(&self, published: Published) {
        *self.answer.lock().unwrap() = published;
    }

    /// How often the keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The lines of the configuration that say where the keys are.
    pub(crate) fn keys(&self) -> String {
        format!(
            "jwks_url = \"http://{}/jwks\"\nnetworks = [\"127.0.0.1\"]\n",
            self.address
        )
    }
}

/// A server that believes the issuer, with these lines in its section.
pub(crate) fn believing(lines: &str) -> Setup {
    let setup = Setup::new();
    configure(&setup, lines);
    setup
}

/// Writes the configuration of a server that believes the issuer.
pub(crate) fn configure(setup: &Setup, lines: &str) {
    let section = format!(
        "[[issuer]]\nname = \"corp\"\nissuer = \"{ISS}\"\naudience = \"lacre\"\n\
         algorithms = [\"RS256\"]\n{lines}\n"
    );
    std::fs::write(setup.home().join("lacre.toml"), section).unwrap();
}

fn serve(mut peer: &TcpStream, published: &Published) -> std::io::Result<()> {
    let mut lines = BufReader::new(peer).lines();
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match published {
        Published::Body(body) => {
            let length = body.len();
            write!(
                peer,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        }
        Published::Head(head) => write!(peer, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n"),
        Published::Endless => {
            peer.write_all(head.as_bytes())?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            for _ in 0..800 {
                peer.write_all(chunk.as_bytes())?;
            }
            peer.write_all(b"0\r\n\r\n")
        }
        Published::Slow => {
            peer.write_all(head.as_bytes())?;
            loop {
                peer.write_all(b"1\r\n \r\n")?;
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }
}
