//! One operation, so many times: what `tests/bench/instructions.py` has counted by callgrind.
//!
//! `instructions NAME TIMES`. Randomness is seeded and time stands still, so that each run does the
//! same. Who counts a run of 2N and one of N and takes the difference has N operations without the
//! start. The keystore is in memory: sled's own threads would be counted with it.

#![allow(clippy::unwrap_used)] // not a service: it says so and stops

mod rules;
mod sample;

use lacre::Lacre;
use lacre::clock::FixedClock;
use lacre::keyring::Keyring;
use lacre::token::{self, Recipient, RecipientKey, TokenKind, UnopenedToken};
use lacre_keystore::{Keystore, MasterKey, MasterKeyRing, MemoryEngine};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rules::{grant, rules};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let name = arguments.next().unwrap();
    let times: usize = arguments.next().unwrap().parse().unwrap();
    match name.as_str() {
        "open" => open(times),
        "seal" => seal(times),
        "guard_first" => guard(times, true),
        "guard_warm" => guard(times, false),
        "issue" => issue(times),
        _ => panic!("no operation is called {name}"),
    }
}

/// A deployment in memory that is the same each time.
fn seeded() -> Lacre {
    let mut rng = StdRng::seed_from_u64(1);
    let master = MasterKeyRing::new(MasterKey::generate(1, &mut rng));
    let nonces = StdRng::seed_from_u64(2);
    let keystore = Keystore::open(MemoryEngine::new(), master, nonces).unwrap();
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

/// A guarded request: the first of a token, or a further one.
fn guard(times: usize, first: bool) {
    let lacre = seeded();
    let issued = runtime().block_on(lacre.issue(&grant(1))).unwrap();
    let token = issued.access.token.expose().as_bytes();
    for _ in 0..times {
        if first {
            lacre.forget_content_keys();
        }
        let session = lacre.guard(black_box(token), TokenKind::Access).unwrap();
        black_box(session);
    }
}

/// A session begun, by the engine in memory.
fn issue(times: usize) {
    let (lacre, runtime) = (seeded(), runtime());
    for user in 0..times {
        black_box(runtime.block_on(lacre.issue(&grant(user))).unwrap());
    }
}

/// Opening alone: no keystore, nothing remembered.
fn open(times: usize) {
    let given = sample::sealed(sample::session());
    let expected = sample::expected();
    for _ in 0..times {
        let unopened = UnopenedToken::parse(black_box(given.token.as_bytes())).unwrap();
        let opened = unopened.open(&given.session, &given.verifiers).unwrap();
        black_box(opened.check(&expected).unwrap());
    }
}

/// Signing and sealing alone.
fn seal(times: usize) {
    let given = sample::sealed(sample::session());
    let claims = sample::claims();
    let mut rng = StdRng::seed_from_u64(5);
    for _ in 0..times {
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
    }
}
