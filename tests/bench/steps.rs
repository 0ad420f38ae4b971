//! What each step of opening and making a token costs, beside the same step by josekit alone.
//!
//! `cargo bench --bench steps` prints one line a step; a name as argument runs the steps that
//! have it in theirs. The times depend on the machine; the ratios of one run are what counts.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that can't go on says so by panicking

mod deployment;
mod rules;
mod sample;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use aws_lc_rs::{agreement, rand as engine_rand, signature};
use criterion::{
    BatchSize, Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use deployment::Deployment;
use futures_util::FutureExt as _;
use josekit::jwe::ECDH_ES_A256KW;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use lacre::clock::FixedClock;
use lacre::internals::token::{
    Claims, ContentKey, Handle, Recipient, RecipientKey, SessionKey, SigningKey, TokenKind,
    UnopenedToken, base64url, jwk, seal,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rules::grant;
use rustix::time::{ClockId, clock_gettime};
use sample::{NOW, claims, expected, sealed, session};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Sizes of content: a bare claim set, the one that lacre makes, and the most that fits.
const SIZES: [usize; 3] = [256, 1_300, 5_600];

/// How long a claim is added to tokens, to see what a token's length costs.
const NOTES: [usize; 5] = [0, 350, 1_200, 2_400, 3_700];

/// The floor: what no first open can be without, by the fastest engine here.
fn floor(c: &mut Criterion) {
    let mut group = c.benchmark_group("floor");
    let private = agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap();
    let peer = agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap();
    let peer = peer.compute_public_key().unwrap();
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, peer.as_ref().to_vec());
    let ecdh = || agreement::agree(&private, &peer, (), |z| Ok(z[0])).unwrap();
    let pair =
        signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let message = [7; 700];
    let signed = pair
        .sign(&engine_rand::SystemRandom::new(), &message)
        .unwrap();
    let public = signature::KeyPair::public_key(&pair).as_ref().to_vec();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public).unwrap();
    let verify = || public.verify_sig(&message, signed.as_ref()).unwrap();
    group.bench_function("ecdh", |b| b.iter(ecdh));
    group.bench_function("es256_verify", |b| b.iter(verify));
    group.bench_function("ecdh_and_es256_verify", |b| b.iter(|| (ecdh(), verify())));
}

/// Opening, step by step and whole.
fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    let given = sealed(session());
    let text = given.token.as_bytes();
    let parsed = || UnopenedToken::parse(black_box(text)).unwrap();
    group.bench_function("parse_and_header", |b| b.iter(parsed));
    let header = base64url::decode(given.token.split('.').next().unwrap().as_bytes()).unwrap();
    group.bench_function("header_json", |b| {
        b.iter(|| lacre::internals::token::json::object(black_box(&header)).unwrap());
    });
    group.bench_function("ecdh_and_unwrap", |b| {
        b.iter_batched(
            parsed,
            |token| token.content_key(&given.session),
            BatchSize::SmallInput,
        );
    });
    let claims_json = serde_json::to_vec(&claims().to_json()).unwrap();
    group.bench_function("claims", |b| {
        b.iter(|| Claims::parse(black_box(&claims_json)).unwrap());
    });
    group.bench_function("whole", |b| {
        b.iter(|| {
            let opened = parsed().open(&given.session, &given.verifiers).unwrap();
            opened.check(&expected()).unwrap()
        });
    });
    group.finish();
}

/// josekit as its documentation has it, in the same run: the key from its JWK, a decrypter, the
/// content; then the inner signature.
fn josekit_naive(c: &mut Criterion) {
    let mut group = c.benchmark_group("josekit");
    let session_jwk = Jwk::generate_ec_key(EcCurve::P256).unwrap();
    let given = sealed(jwk::session_key(&session_jwk).unwrap());
    let signer = {
        let jwk = Jwk::generate_ec_key(EcCurve::P256).unwrap();
        SigningKey::from_jwk(&jwk).map(|key| (key, jwk)).unwrap()
    };
    let inner = {
        use josekit::jws::{ES256, JwsHeader, serialize_compact};
        let payload = serde_json::to_vec(&claims().to_json()).unwrap();
        serialize_compact(
            &payload,
            &JwsHeader::new(),
            &ES256.signer_from_jwk(&signer.1).unwrap(),
        )
        .unwrap()
    };
    #[allow(clippy::disallowed_methods)] // what it costs is the question; the token is our own
    let decrypt = |decrypter: &dyn josekit::jwe::JweDecrypter| {
        josekit::jwe::deserialize_compact(black_box(&given.token), decrypter).unwrap()
    };
    let ready = ECDH_ES_A256KW.decrypter_from_jwk(&session_jwk).unwrap();
    group.bench_function("open_decrypter_ready", |b| b.iter(|| decrypt(&ready)));
    let verifier_jwk = signer.1.to_public_key().unwrap();
    group.bench_function("whole", |b| {
        b.iter(|| {
            let decrypter = ECDH_ES_A256KW.decrypter_from_jwk(&session_jwk).unwrap();
            let content = decrypt(&decrypter);
            let verifier = josekit::jws::ES256
                .verifier_from_jwk(&verifier_jwk)
                .unwrap();
            let (claims, _) = josekit::jws::deserialize_compact(&inner, &verifier).unwrap();
            let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
            (content, claims)
        });
    });
    group.bench_function("es256_verify", |b| {
        let verifier = josekit::jws::ES256
            .verifier_from_jwk(&verifier_jwk)
            .unwrap();
        b.iter(|| josekit::jws::deserialize_compact(black_box(&inner), &verifier).unwrap());
    });
    group.bench_function("seal", |b| {
        let public = session_jwk.to_public_key().unwrap();
        b.iter(|| {
            use josekit::jws::{ES256, JwsHeader, serialize_compact};
            let payload = serde_json::to_vec(&claims().to_json()).unwrap();
            let jws = serialize_compact(
                &payload,
                &JwsHeader::new(),
                &ES256.signer_from_jwk(&signer.1).unwrap(),
            )
            .unwrap();
            let encrypter = ECDH_ES_A256KW.encrypter_from_jwk(&public).unwrap();
            let mut header = josekit::jwe::JweHeader::new();
            header.set_content_encryption("A256CBC-HS512");
            josekit::jwe::serialize_compact(jws.as_bytes(), &header, &encrypter).unwrap()
        });
    });
    group.finish();
}

/// MAC and decryption by the size of the content.
fn content(c: &mut Criterion) {
    let mut group = c.benchmark_group("content");
    let key = ContentKey::generate(&mut StdRng::seed_from_u64(1));
    let aad = [b'A'; 360];
    for size in SIZES {
        let plaintext = Zeroizing::new(vec![7; size]);
        let (ciphertext, tag) = key.seal([1; 16], &aad, plaintext).unwrap();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(
            BenchmarkId::new("open", size),
            &ciphertext,
            |b, ciphertext| {
                b.iter_batched_ref(
                    || ciphertext.clone(),
                    |buffer| key.open(&[1; 16], &aad, buffer, &tag).unwrap().len(),
                    BatchSize::SmallInput,
                );
            },
        );
    }
    group.finish();
}

/// The whole guard and the whole issue path, over a keystore on disk.
fn deployed(c: &mut Criterion) {
    let mut group = c.benchmark_group("deployed");
    let deployment = Deployment::new(64 << 20, Arc::new(FixedClock::at(NOW)));
    let tokens: Vec<String> = (0..256).map(|n| deployment.issue(&grant(n))).collect();
    let guard = |token: &str| {
        let guarded = deployment.lacre.guard(token.as_bytes(), TokenKind::Access);
        guarded.now_or_never().unwrap().unwrap()
    };
    group.bench_function("guard_warm", |b| b.iter(|| guard(black_box(&tokens[0]))));
    group.bench_function("guard_warm_of_256", |b| {
        let mut next = tokens.iter().cycle();
        b.iter(|| guard(next.next().unwrap()));
    });
    group.bench_function("guard_cold", |b| {
        b.iter_batched(
            || deployment.lacre.forget_content_keys(),
            |()| guard(&tokens[0]),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("issue_durable", |b| b.iter(|| deployment.issue(&grant(7))));
    group.finish();

    let mut group = c.benchmark_group("length");
    for note in NOTES {
        let mut grant = grant(0);
        grant
            .additional
            .insert("note".to_owned(), json!("n".repeat(note)));
        let token = deployment.issue(&grant);
        group.bench_function(BenchmarkId::new("guard_warm", token.len()), |b| {
            b.iter(|| guard(black_box(&token)));
        });
        group.bench_function(BenchmarkId::new("guard_cold", token.len()), |b| {
            b.iter_batched(
                || deployment.lacre.forget_content_keys(),
                |()| guard(&token),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn make(c: &mut Criterion) {
    let mut group = c.benchmark_group("make");
    let mut rng = StdRng::seed_from_u64(1);
    group.bench_function("key_pair", |b| {
        on_its_clock(b, || {
            black_box(SessionKey::generate(&mut rng).public_key().unwrap());
        });
    });
    let given = sealed(session());
    let claims = claims();
    let handle = Handle::parse("h").unwrap();
    group.bench_function("seal", |b| {
        on_its_clock(b, || {
            let recipient = Recipient {
                key: RecipientKey::Own(&given.session),
                handle: &handle,
            };
            let sealed = seal(
                recipient,
                &given.signer,
                TokenKind::Access,
                &claims,
                &mut rng,
            );
            black_box(sealed.unwrap());
        });
    });
    group.finish();
}

/// Times the work by this thread's clock: what `tests/bench/cost.py` compares it with is by clocks of threads, too.
#[allow(clippy::disallowed_methods)] // the clock of one thread, which tells no time of day
fn on_its_clock(bencher: &mut Bencher, mut work: impl FnMut()) {
    let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    bencher.iter_custom(|times| {
        let before = clock();
        for _ in 0..times {
            work();
        }
        clock().checked_sub(before).unwrap()
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = floor, open, josekit_naive, content, make, deployed
}
criterion_main!(benches);
