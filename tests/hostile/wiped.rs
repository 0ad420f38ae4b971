//! Key material is wiped when it is dropped: this process's memory is searched for it, while it is
//! in use and afterwards.
//!
//! All randomness is a stream that can be made again from nothing secret, so each secret is known
//! without being kept. The work is done on threads of its own, deep enough on their stacks that the
//! kernel takes those pages back when they end: what a move has left on a stack is overwritten by
//! the next call there, and isn't what is asked here.

use crate::support::memory::{MASK, Needle};
use actix_web::FromRequest as _;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use lacre::clock::SystemClock;
use lacre::internals::accounts::{
    Accounts, Email, HashingSettings, LoginName, NewAccount, Password, PresentedPassword,
};
use lacre::internals::entropy::Entropy;
use lacre::internals::http::body::{JsonOrForm, Members};
use lacre::internals::sessions::grant::Grant;
use lacre::internals::sessions::keyring::Keyring;
use lacre::internals::token::TokenKind;
use lacre::internals::token::curve::Engine;
use lacre::{Lacre, Rules, Subject};
use lacre_keystore::{Keystore, LocalStore, MasterKey, MasterKeyRing, MemoryEngine};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rand::{TryCryptoRng, TryRng};
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The bytes of what was drawn in one call, without their being kept: the place in the stream.
#[derive(Clone, Default)]
struct Drawn(Arc<Mutex<Vec<Needle>>>);

impl Drawn {
    fn generator(&self) -> Stream {
        Stream(self.clone())
    }

    fn entropy(&self) -> Entropy {
        let drawn = self.clone();
        Arc::new(move || Box::new(drawn.generator()))
    }

    /// What was drawn since the last question, of this length.
    fn take(&self, length: usize) -> Vec<Needle> {
        let mut drawn = std::mem::take(&mut *self.0.lock().unwrap());
        drawn.retain(|needle| needle.len() == length);
        drawn
    }
}

/// The stream: a masked hash of how many draws there were before.
struct Stream(Drawn);

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, room: &mut [u8]) -> Result<(), Infallible> {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let mut masked = Vec::new();
        while masked.len() < room.len() {
            let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            masked.extend(openssl::sha::sha256(&count.to_be_bytes()));
        }
        let needle = Needle::masked(&masked[..room.len()]);
        needle.unmask(room);
        self.0.0.lock().unwrap().push(needle);
        Ok(())
    }
}

impl TryCryptoRng for Stream {}

/// Makes many holes of each small size in the heap. Where the allocator keeps lists of them alone, it takes the oldest
/// first, so that what is given back then stays as it was left.
fn holes() -> Vec<Vec<u8>> {
    let sizes = (24..=200).step_by(16);
    let mut pieces: Vec<Vec<u8>> = sizes
        .flat_map(|size| (0..256).map(move |_| Vec::with_capacity(size)))
        .collect();
    for piece in pieces.iter_mut().step_by(2) {
        *piece = Vec::new();
    }
    pieces
}

/// Does `work` on a thread of its own, 64 KiB down its stack, with holes in its heap.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    #[inline(never)]
    #[allow(clippy::large_stack_arrays)] // that is what it is for
    fn deep<T>(work: impl FnOnce() -> T) -> T {
        let (pad, pieces) = (black_box([0_u8; 1 << 16]), holes());
        let done = work();
        // Given back as well they would be one with the holes, and the kernel's.
        std::mem::forget(pieces);
        black_box(pad);
        done
    }
    std::thread::scope(|threads| threads.spawn(|| deep(work)).join().unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

/// Neither half is there: a piece of memory that was only given back has lost its first bytes to
/// the allocator.
fn gone(needles: &[Needle], what: &str) {
    for (number, needle) in needles.iter().enumerate() {
        let (middle, end) = (needle.len() / 2, needle.len());
        for part in [needle.part(0..middle), needle.part(middle..end)] {
            let places = part.found();
            assert!(
                places.is_empty(),
                "{what} {number} is still in memory: {places:?}"
            );
        }
    }
}

fn there(needles: &[Needle], what: &str) {
    for (number, needle) in needles.iter().enumerate() {
        assert!(
            !needle.found().is_empty(),
            "{what} {number}: the search doesn't find it"
        );
    }
}

#[test]
fn keys_are_gone_from_memory_when_what_they_are_for_has_ended() {
    let _alone = alone();
    let drawn = Drawn::default();
    let master = aside(|| MasterKey::generate(1, &mut drawn.generator()));
    let of_master = drawn.take(32);
    let keyring = aside(|| Keyring::generate(&mut drawn.generator()).unwrap());
    let of_keyring = drawn.take(32);
    assert_eq!((of_master.len(), of_keyring.len()), (1, 2));
    let lacre = aside(|| {
        let ring = MasterKeyRing::new(master);
        let keystore = Keystore::open(
            LocalStore::open(MemoryEngine::default()).unwrap(),
            ring,
            SysRng,
        )
        .unwrap();
        let builder = Lacre::builder(keystore, keyring, Rules::new("https://issuer.test", "api"));
        builder.entropy(drawn.entropy()).build()
    });
    there(&of_master, "the master key");
    there(&of_keyring, "a key of the keyring");

    // A session begins: its key is in a sealed record, the content keys are nowhere.
    drop(drawn.take(0));
    let issued = aside(|| {
        let grant = Grant::log_in(Subject {
            id: "u1".to_owned(),
            ..Subject::default()
        });
        // Pinned here: tokio would put a large future on the heap, with what its calls left in it.
        runtime().block_on(pin!(lacre.issue(&grant))).unwrap()
    });
    let all = std::mem::take(&mut *drawn.0.lock().unwrap());
    let of_length = |length| {
        all.iter()
            .filter(move |needle| needle.len() == length)
            .cloned()
    };
    let (scalars, content_keys): (Vec<_>, Vec<_>) =
        (of_length(32).collect(), of_length(64).collect());
    assert_eq!(
        (scalars.len(), content_keys.len()),
        (3, 2),
        "a session's key and two tokens"
    );
    // Half of what the cipher takes, which stands in its expanded key as well; the other half of a
    // content key is in a MAC's state only.
    let content_keys: Vec<_> = content_keys.iter().map(|key| key.part(32..48)).collect();
    gone(&scalars, "a session's or an ephemeral key");
    gone(&content_keys, "a content key");

    // Its token is in use: both are kept, for the next request.
    let token = issued.access.token.expose().as_bytes();
    aside(|| {
        drop(
            runtime()
                .block_on(lacre.guard(token, TokenKind::Access))
                .unwrap(),
        );
    });
    there(&scalars[..1], "the session's key");
    there(&content_keys[..1], "the content key of the token in use");
    gone(&scalars[1..], "an ephemeral key");
    gone(&content_keys[1..], "the content key of the refresh token");

    // The session ends.
    aside(|| assert!(runtime().block_on(lacre.revoke(&issued.key)).unwrap()));
    gone(&scalars, "the session's key");
    gone(&content_keys, "a content key");
    aside(|| {
        assert!(
            runtime()
                .block_on(lacre.guard(token, TokenKind::Access))
                .is_err()
        );
    });
    gone(&scalars, "the session's key");

    there(&of_master, "the master key");
    aside(|| drop(lacre));
    gone(&of_master, "the master key");
    gone(&of_keyring, "a key of the keyring");
}

/// Held by each of these tests: a search of memory reads all there is into a place of its own, where another would find
/// it.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What these tests are able to find: a piece that is given back as it is.
#[test]
fn what_is_given_back_unwiped_is_found() {
    let _alone = alone();
    let needle = Needle::masked(&openssl::sha::sha256(b"given back"));
    let piece = std::slice::from_ref(&needle);
    gone(piece, "what was never written");
    aside(|| {
        let mut room = vec![1; 64];
        needle.unmask(&mut room[16..48]);
        drop(black_box(room));
    });
    there(piece, "what was given back");
}

/// What an engine has allocated and given back has to be wiped, for it stays until somebody takes it. Each round has
/// scalars of its own, of which nothing is left.
#[test]
fn no_engine_leaves_a_scalar_or_what_was_agreed_on() {
    let _alone = alone();
    for engine in Engine::all() {
        let drawn = Drawn::default();
        for round in 0..4 {
            let (agreed, scalars) = aside(|| {
                let (mut own, mut other) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
                for scalar in [&mut own, &mut other] {
                    let Ok(()) = drawn.generator().try_fill_bytes(scalar.as_mut());
                }
                let scalars = drawn.take(32);
                assert_eq!(scalars.len(), 2);
                there(&scalars, "a scalar in use");
                let point = engine.of_base(&other).unwrap();
                let agreed = engine.of_point(&point, &own).unwrap();
                // Nothing may be allocated any more here: it could be written where a scalar was left.
                (agreed.map(|byte| byte ^ MASK), scalars)
            });
            let agreed = Needle::masked(&agreed);
            let what = format!("{engine:?}, round {round}: a scalar");
            gone(&scalars, &what);
            gone(&[agreed], &format!("{what}'s product"));
        }
    }
}

/// Given back, most pieces of the heap are soon another's, which would hide what was left in them. So all of it once
/// more in processes whose allocator keeps no pieces at hand, and takes the oldest first.
#[test]
fn nothing_is_left_in_pieces_of_the_heap_that_nobody_takes() {
    for test in [
        "what_is_given_back_unwiped_is_found",
        "keys_are_gone_from_memory_when_what_they_are_for_has_ended",
        "no_engine_leaves_a_scalar_or_what_was_agreed_on",
        "a_password_is_gone_from_memory_when_it_was_compared",
    ] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", &format!("hostile::wiped::{test}")]);
        let tunables = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0";
        let done = program.env("GLIBC_TUNABLES", tunables).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        let failed = String::from_utf8_lossy(&done.stderr);
        assert!(said.contains("1 passed"), "{test}: {said}{failed}");
    }
}

/// As a log-in brings it, in JSON or in a form, and as a sign-up stores it.
#[test]
fn a_password_is_gone_from_memory_when_it_was_compared() {
    const LENGTH: usize = 48;
    let _alone = alone();
    let letters = openssl::sha::sha512(b"a password");
    let letters = letters.iter().map(|byte| b'a' + byte % 16);
    let needle = Needle::of(letters.take(LENGTH));
    let body = |before: &str, after: &str| {
        let mut text = Zeroizing::new(vec![0; before.len() + LENGTH + after.len()]);
        text[..before.len()].copy_from_slice(before.as_bytes());
        text[before.len() + LENGTH..].copy_from_slice(after.as_bytes());
        needle.unmask(&mut text[before.len()..before.len() + LENGTH]);
        text
    };
    let folder = tempfile::TempDir::new().unwrap();
    let runtime = runtime();
    let accounts = aside(|| {
        let url = Accounts::sqlite_url(&folder.path().join("accounts.sqlite"));
        let (clock, random) = (
            Arc::new(SystemClock::default()),
            Box::new(UnwrapErr(SysRng)),
        );
        let settings = HashingSettings::default();
        runtime
            .block_on(Accounts::open(&url, settings, clock, random))
            .unwrap()
    });
    let needle = std::slice::from_ref(&needle);
    for (kind, before, after) in [
        (
            "application/json",
            r#"{"email":"ada@example.com","password":""#,
            r#""}"#,
        ),
        (
            "application/x-www-form-urlencoded",
            "email=ada%40example.com&password=",
            "",
        ),
    ] {
        let read = || {
            let text = Bytes::from_owner(body(before, after));
            let request = TestRequest::post().insert_header(("content-type", kind));
            let (request, mut payload) = request.set_payload(text).to_http_parts();
            let read = runtime.block_on(JsonOrForm::from_request(&request, &mut payload));
            let JsonOrForm(mut members) = read.unwrap();
            there(needle, "the password in a body");
            members.required_secret("password").unwrap()
        };
        gone(needle, "the password before it came");
        if kind == "application/json" {
            aside(|| {
                let new = NewAccount {
                    password: Some(Password::parse(&read()).unwrap()),
                    ..NewAccount::with_email(Email::parse("ada@example.com").unwrap())
                };
                there(needle, "the password of a new account");
                runtime.block_on(accounts.create(new)).unwrap();
            });
            gone(needle, "the password of the new account");
        }
        aside(|| {
            let by = LoginName::parse("ada@example.com");
            let password = PresentedPassword::parse(&read()).unwrap();
            there(needle, "the password of a log-in");
            let named = runtime.block_on(accounts.look_up(&by)).unwrap();
            let proven = accounts.authenticate(named, password);
            runtime.block_on(proven).unwrap();
        });
        gone(needle, "the password of the log-in");
    }
    // Bodies that nobody takes the password out of, and some that are refused after it. Not a text
    // with escapes: serde_json undoes them in a buffer of its own.
    aside(|| {
        for (before, after) in [
            (r#"{"password":""#, r#""}"#),
            (r#"{"password":""#, r#"","#),
            (r#"{"password":""#, r#"","password":1}"#),
            (r#"{"password":""#, r#""}{"#),
            (r#"{"x":[{"password":[""#, r#""]},]}"#),
            (r#"[""#, r#""]"#),
        ] {
            let text = body(before, after);
            drop(lacre::internals::token::json::object(&text).map(Members::from));
        }
    });
    gone(needle, "the password in JSON that nobody asked for");
    // On a thread of its own: unoptimised, the search for the line of an error leaves 32 bytes of a text
    // that isn't JSON on the stack, and a request that is made there next would take them to the heap with
    // a part of itself that has no value yet.
    aside(|| {
        for (before, after) in [
            ("password=", "&password=1"),
            ("password=", "&x"),
            ("x=%ff", ""),
        ] {
            let text = Bytes::from_owner(body(before, after));
            let form = ("content-type", "application/x-www-form-urlencoded");
            let request = TestRequest::post().insert_header(form).set_payload(text);
            let (request, mut payload) = request.to_http_parts();
            let read = JsonOrForm::from_request(&request, &mut payload);
            assert!(runtime.block_on(read).is_err());
        }
    });
    gone(needle, "the password in a form that nobody asked for");
}
