//! `make bench-oracle`: whether the time of a refusal says why a token was refused (threats: padding-oracle,
//! handle-probing) or a log-in (threat: account-enumeration).
//!
//! After dudect: two classes of tokens in random order, each call timed, the slowest tenth of the
//! samples cut off, Welch's t of the rest. |t| beyond 10 is a leak that this machine shows with so
//! few samples; beyond 4.5 it is worth another run with more. Both tokens of a pair share their
//! ephemeral key and their content key, so that nothing but the fault differs. Each twentieth of the
//! samples is taken by a process of its own, with sessions and tokens of its own: where in memory
//! they and the program happen to lie is worth some ten nanoseconds, and isn't what is asked.
//!
//! An argument is the number of samples a class, 100000 where there is none. Another argument runs
//! only the comparisons that have it in their names. Log-ins with the hash of a service take a
//! fiftieth of the samples unless they are asked for by that name: one takes as long as hundreds of
//! the others.

// A harness says what it measures and ends at what it doesn't expect.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

#[allow(dead_code)] // the hostile tests need more of it
#[path = "../hostile/builder.rs"]
mod builder;
mod log_in;
mod statistics;

use builder::{Forge, Stage, key_of};
use futures_util::FutureExt as _;
use lacre::clock::FixedClock;
use lacre::internals::accounts::HashingSettings;
use lacre::internals::entropy;
use lacre::internals::sessions::grant::{Grant, Issued, Occasion, Origin, Subject};
use lacre::internals::sessions::guard::Refusal;
use lacre::internals::sessions::keyring::Keyring;
use lacre::internals::token::{MAX_TOKEN_LENGTH, TokenKind};
use lacre::{Lacre, Rules};
use lacre_keystore::{Keystore, LocalStore, MasterKey, MasterKeyRing, SledEngine};
use rand::CryptoRng;
use rand::rngs::SysRng;
use serde_json::{Map, json};
use statistics::Pair;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// Pairs of tokens a comparison takes turns with.
const PAIRS: usize = 64;

/// Processes a comparison takes its samples in.
const ROUNDS: usize = 20;

/// Tells a process which comparison it takes samples of.
const ROUND: &str = "LACRE_ORACLE_ROUND";

/// The name of argon2 as lacre has it by default.
const SERVICE: &str = "the hash of a service";

fn main() {
    let (mut samples, mut wanted) = (100_000, String::new());
    for argument in std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
    {
        match argument.parse() {
            Ok(number) => samples = number,
            Err(_) => wanted = argument,
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let comparisons: [(&str, bool, [Class; 2]); 5] = [
        (
            "bad tag, good padding | good tag, bad padding",
            false,
            [BAD_TAG, ("token_padding", bad_padding)],
        ),
        (
            "the same, with header and key of a token in use",
            true,
            [BAD_TAG, ("token_padding", bad_padding)],
        ),
        (
            "known handle | unknown handle",
            false,
            [BAD_TAG, ("session_unknown", unknown_handle)],
        ),
        (
            "bad tag | bad encrypted key",
            false,
            [BAD_TAG, ("token_not_authentic", bad_encrypted_key)],
        ),
        (
            "the harness itself: bad tag | bad tag",
            false,
            [BAD_TAG, BAD_TAG],
        ),
    ];
    let sizes = [("256 bytes of claims", 0), ("claims up to the cap", 3900)];
    let comparisons = sizes.iter().flat_map(|(size, note)| {
        let named = |(what, in_use, classes)| (format!("{what}, {size}"), in_use, *note, classes);
        comparisons.map(named)
    });
    if let Some(round) = std::env::var_os(ROUND) {
        for (name, in_use, note, classes) in comparisons {
            if round == *name {
                let deployment = runtime.block_on(Deployment::open());
                deployment.sample(in_use, samples, note, classes).write();
            }
        }
        return;
    }
    println!("{samples} samples a class; |t| > 4.5 is suspect, |t| > 10 is a leak\n");
    for (name, ..) in comparisons {
        if name.contains(&wanted) {
            let mut times = Pair::default();
            for _ in 0..ROUNDS {
                times.extend(round(&name, samples.div_ceil(ROUNDS)));
            }
            report(times, &name);
        }
    }
    let hashes = [
        ("the cheapest hash", log_in::cheap(), samples),
        (
            SERVICE,
            HashingSettings::default(),
            if SERVICE.contains(&wanted) && !wanted.is_empty() {
                samples
            } else {
                samples.div_ceil(50)
            },
        ),
    ];
    for (hash, settings, samples) in hashes {
        for pair in log_in::PAIRS {
            if log_in::name(pair, hash).contains(&wanted) {
                log_in::compare(&runtime, (pair, hash), settings, samples);
            }
        }
    }
}

/// A reason to refuse, and the maker of a token that is refused for it.
type Class = (&'static str, fn(&Forge) -> Vec<u8>);

const BAD_TAG: Class = ("token_not_authentic", bad_tag);

fn bad_tag(forge: &Forge) -> Vec<u8> {
    forge.with(Stage::Tag, |mut tag| {
        tag[31] ^= 1;
        tag
    })
}

fn bad_padding(forge: &Forge) -> Vec<u8> {
    forge.with(Stage::Padding, |padding| vec![0; padding.len()])
}

fn unknown_handle(forge: &Forge) -> Vec<u8> {
    forge.with(Stage::Header, |header| {
        let known = forge.handle();
        let mut handle = known.as_bytes().to_vec();
        handle[..20].reverse();
        String::from_utf8(header)
            .unwrap()
            .replace(known, std::str::from_utf8(&handle).unwrap())
            .into_bytes()
    })
}

fn bad_encrypted_key(forge: &Forge) -> Vec<u8> {
    forge.with(Stage::EncryptedKey, |mut key| {
        key[40] ^= 1;
        key
    })
}

/// A deployment of which the harness holds every key.
struct Deployment {
    lacre: Lacre,
    signer: [u8; 32],
    issued: Vec<Issued>,
    _folder: TempDir,
}

impl Deployment {
    async fn open() -> Self {
        let mut rng = (entropy::system())();
        let master = || MasterKey::from_bytes(1, [7; 32]);
        let keyring = Keyring::generate(&mut rng).unwrap();
        let masters = MasterKeyRing::new(master());
        let sealed = keyring.seal(&masters, &mut rng).unwrap();
        let keys = masters.open_bytes(b"lacre keyring v2", &sealed).unwrap();
        let folder = TempDir::new().unwrap();
        let engine = SledEngine::open(folder.path()).unwrap();
        let keystore = Keystore::open(
            LocalStore::open(engine).unwrap(),
            MasterKeyRing::new(master()),
            SysRng,
        )
        .unwrap();
        let lacre = Lacre::builder(keystore, keyring, Rules::new("https://issuer.test", "api"))
            .clock(Arc::new(FixedClock::at(builder::NOW)))
            .build();
        let mut issued = Vec::new();
        for number in 0..PAIRS {
            issued.push(lacre.issue(&grant(&user_id(number))).await.unwrap());
        }
        Self {
            signer: keys[33..65].try_into().unwrap(),
            lacre,
            issued,
            _folder: folder,
        }
    }

    fn forge(&self, issued: &Issued, user: usize, note: usize) -> Forge {
        let stored = self.lacre.keystore().get(&issued.key).now_or_never();
        let stored = stored.unwrap().unwrap().unwrap();
        let session = key_of(stored.record.private_scalar.expose());
        let claims = json!({
            "iss": "https://issuer.test", "sub": user_id(user), "aud": "api",
            "iat": builder::NOW, "exp": builder::NOW + 600, "jti": "0123456789abcdef",
            "sid": issued.handle.as_str(), "gen": stored.record.generation,
            "role": "user", "note": "x".repeat(note),
        });
        Forge::of_session(session, key_of(&self.signer), claims).in_lacres_order()
    }

    fn guard(&self, token: &[u8]) -> Result<(), Refusal> {
        let guarded = self.lacre.guard(token, TokenKind::Access);
        guarded.now_or_never().unwrap().map(drop)
    }

    fn sample(&self, in_use: bool, samples: usize, note: usize, classes: [Class; 2]) -> Pair {
        let mut tokens = [Vec::new(), Vec::new()];
        for (user, issued) in self.issued.iter().enumerate() {
            let forge = self.forge(issued, user, note);
            self.guard(forge.token().as_bytes()).unwrap();
            if !in_use {
                // Another token of the session is in use: a stranger has none of its own.
                let other = self.forge(issued, user, note);
                self.guard(other.token().as_bytes()).unwrap();
            }
            for (class, (due, make)) in classes.iter().enumerate() {
                let token = make(&forge);
                assert_eq!(self.guard(&token).unwrap_err().code(), *due);
                tokens[class].push(token);
            }
        }
        let (mut rng, mut times) = ((entropy::system())(), Pair::default());
        // One place for all: where a token lies in memory is told by the time as well.
        let mut token = Vec::with_capacity(MAX_TOKEN_LENGTH);
        for _ in 0..samples * 2 {
            let (class, pair) = draw(&mut rng);
            token.clear();
            token.extend_from_slice(&tokens[class][pair]);
            let begun = Instant::now();
            let verdict = self.guard(black_box(&token));
            let lasted = begun.elapsed();
            black_box(verdict).unwrap_err();
            times.put(class, lasted);
        }
        times
    }
}

/// The samples of a process of its own.
fn round(name: &str, samples: usize) -> Pair {
    let round = Command::new(std::env::current_exe().unwrap())
        .arg(samples.to_string())
        .env(ROUND, name)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(round.status.success(), "a round of {name}");
    let pair = Pair::read(&round.stdout);
    assert_eq!(pair.len(), samples * 2, "a round of {name}");
    pair
}

fn report(times: Pair, name: &str) {
    let [one, two] = times.without_the_slowest();
    println!(
        "t = {:8.2}   mean {:9.0} ns | {:9.0} ns   median {:9.0} ns | {:9.0} ns   {name}",
        statistics::welch_t(&one, &two),
        one.mean(),
        two.mean(),
        one.median(),
        two.median()
    );
}

/// As long as those that lacre gives.
fn user_id(number: usize) -> String {
    format!("u{number:021}")
}

fn draw(rng: &mut impl CryptoRng) -> (usize, usize) {
    let drawn = rng.next_u32() as usize;
    (drawn % 2, drawn / 2 % PAIRS)
}

fn grant(user: &str) -> Grant {
    Grant {
        subject: Subject {
            id: user.to_owned(),
            email: Some(format!("{user}@example.com")),
            roles: vec!["user".to_owned()],
            ..Subject::default()
        },
        occasion: Occasion::LogIn,
        user_session: None,
        origin: Origin {
            address: Some("127.0.0.1".to_owned()),
            user_agent: Some("x".repeat(90)),
            ..Origin::default()
        },
        additional: Map::new(),
    }
}
