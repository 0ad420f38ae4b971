//! One operation, so many times: what `tests/bench/instructions.py` has counted by callgrind.
//!
//! `instructions NAME TIMES [TOKEN]` does it within [`counted`], and nothing else is counted.
//! Randomness is seeded, time stands still, and the keystore is in memory, so that each run does the
//! same. Signatures alone draw their randomness elsewhere, and what verifying costs depends on
//! them: a token that is opened is given, one that `instructions token_open` or `token_guard` made.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // not a service: it says so and stops

#[path = "../rules.rs"]
mod rules;
#[path = "../sample.rs"]
mod sample;

use futures_util::FutureExt as _;
use lacre::Lacre;
use lacre::clock::FixedClock;
use lacre::internals::sessions::keyring::Keyring;
use lacre::internals::token::{self, Recipient, RecipientKey, TokenKind, UnopenedToken};
use lacre_keystore::{Keystore, LocalStore, MasterKey, MasterKeyRing, MemoryEngine};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rules::{grant, rules};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut next = || arguments.next().unwrap();
    let name = next();
    match name.as_str() {
        "token_open" => println!("{}", sample::sealed(sample::session()).token),
        "token_guard" => println!("{}", begun().1),
        "open" => open(number(&next()), &next()),
        "seal" => seal(number(&next())),
        "guard_first" => guard(number(&next()), &next(), true),
        "guard_warm" => guard(number(&next()), &next(), false),
        "issue" => issue(number(&next())),
        _ => panic!("no operation is called {name}"),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

/// What is counted. It is done once before, for what only the first time costs.
fn count(times: usize, work: &mut dyn FnMut()) {
    work();
    counted(times, work);
}

/// Callgrind finds it by its name.
#[inline(never)]
fn counted(times: usize, work: &mut dyn FnMut()) {
    for _ in 0..times {
        work();
    }
}

/// A deployment in memory that is the same each time.
fn seeded() -> Lacre {
    let mut rng = StdRng::seed_from_u64(1);
    let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
    let nonces = StdRng::seed_from_u64(2);
    let keystore = Keystore::open(
        LocalStore::open(MemoryEngine::new()).unwrap(),
        master,
        nonces,
    )
    .unwrap();
    let keyring = Keyring::generate(&mut rng).unwrap();
    let calls = AtomicU64::new(3);
    let entropy = move || -> Box<dyn rand::CryptoRng> {
        Box::new(StdRng::seed_from_u64(calls.fetch_add(1, Ordering::Relaxed)))
    };
    Lacre::builder(keystore, keyring, rules())
        .clock(Arc::new(FixedClock::at(sample::NOW)))
        .entropy(Arc::new(entropy))
        .build()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// A deployment with one session, and the session's token.
fn begun() -> (Lacre, String) {
    let lacre = seeded();
    let issued = runtime().block_on(lacre.issue(&grant(1))).unwrap();
    (lacre, issued.access.token.expose().to_owned())
}

/// A guarded request: the first of a token, or a further one.
fn guard(times: usize, token: &str, first: bool) {
    let (lacre, _) = begun();
    count(times, &mut || {
        if first {
            lacre.forget_content_keys();
        }
        let session = lacre.guard(black_box(token.as_bytes()), TokenKind::Access);
        black_box(session.now_or_never().unwrap().unwrap());
    });
}

/// A session begun, by the engine in memory.
fn issue(times: usize) {
    let (lacre, runtime, mut user) = (seeded(), runtime(), 0);
    count(times, &mut || {
        user += 1;
        black_box(runtime.block_on(lacre.issue(&grant(user))).unwrap());
    });
}

/// Opening alone: no keystore, nothing remembered.
fn open(times: usize, token: &str) {
    let given = sample::sealed(sample::session());
    let expected = sample::expected();
    count(times, &mut || {
        let unopened = UnopenedToken::parse(black_box(token.as_bytes())).unwrap();
        let opened = unopened.open(&given.session, &given.verifiers).unwrap();
        black_box(opened.check(&expected).unwrap());
    });
}

/// Signing and sealing alone.
fn seal(times: usize) {
    let given = sample::sealed(sample::session());
    let claims = sample::claims();
    let mut rng = StdRng::seed_from_u64(5);
    count(times, &mut || {
        let recipient = Recipient {
            key: RecipientKey::Own(&given.session),
            handle: &claims.session,
        };
        let sealed = token::seal(
            recipient,
            &given.signer,
            TokenKind::Access,
            &claims,
            &mut rng,
        );
        black_box(sealed.unwrap());
    });
}
