use super::master::PAUSE;
use super::signers::MARGIN;
use super::*;
use crate::clock::FixedClock;
use crate::lacre::Lacre;
use crate::lacre::testing::{NOW, grant};
use crate::sessions::end::End;
use crate::sessions::grant::{Issued, Occasion};
use crate::sessions::keyring::Keyring;
use crate::telemetry::audit::{Actor, Cause};
use crate::token::TokenKind;
use lacre_keystore::{Keystore, LocalStore, MemoryEngine};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::sync::Mutex as StdMutex;

mod handing_over;

/// What lies on the disk of a deployment, which can be full.
#[derive(Clone, Default)]
struct Shelf(Arc<StdMutex<Lying>>);

#[derive(Default)]
struct Lying {
    masters: Vec<(u32, [u8; 32])>,
    keyring: Vec<u8>,
    /// How many writes succeed before one fails.
    writes: Option<usize>,
    free: Option<u64>,
}

impl Shelf {
    fn write(&self, change: impl FnOnce(&mut Lying)) -> Result<(), StorageError> {
        let mut lying = self.0.lock().unwrap();
        if lying.writes == Some(0) {
            return Err(StorageError {
                kind: StorageErrorKind::Full,
                code: "disk_full",
                message: "no space left".to_owned(),
            });
        }
        lying.writes = lying.writes.map(|left| left - 1);
        change(&mut lying);
        Ok(())
    }

    fn ring(&self) -> MasterKeyRing {
        let lying = self.0.lock().unwrap();
        let mut keys = lying.masters.iter().rev();
        let mut keys = std::iter::from_fn(move || keys.next())
            .map(|(id, bytes)| MasterKey::from_bytes(*id, *bytes));
        let current = MasterKeyRing::new(keys.next().unwrap());
        keys.try_fold(current, MasterKeyRing::with_older).unwrap()
    }
}

impl KeyStorage for Shelf {
    fn write_keyring(&self, sealed: &[u8]) -> Result<(), StorageError> {
        self.write(|lying| lying.keyring = sealed.to_vec())
    }

    fn read_master_keys(&self) -> Result<MasterKeyRing, StorageError> {
        Ok(self.ring())
    }

    fn can_change_master_keys(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn add_master_key(&self, key: &MasterKey) -> Result<(), StorageError> {
        self.write(|lying| lying.masters.push((key.id(), *key.expose())))
    }

    fn remove_master_keys(&self, ids: &[u32]) -> Result<(), StorageError> {
        self.write(|lying| lying.masters.retain(|(id, _)| !ids.contains(id)))
    }

    fn master_keys_lie(&self) -> String {
        "the shelf".to_owned()
    }

    fn free_space(&self) -> Option<u64> {
        self.0.lock().unwrap().free
    }
}

/// A deployment of which one process after another can be had.
struct Home {
    shelf: Shelf,
    store: Arc<LocalStore>,
    clock: Arc<FixedClock>,
    /// Where it keeps receipts, if it does.
    receipts: Option<std::path::PathBuf>,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            shelf: Shelf::default(),
            store: Arc::new(LocalStore::open(MemoryEngine::new()).unwrap()),
            clock: Arc::new(FixedClock::at(NOW)),
            receipts: None,
        };
        home.shelf.0.lock().unwrap().masters.push((1, [7; 32]));
        let mut random = StdRng::seed_from_u64(1);
        let keyring = Keyring::generate(&mut random).unwrap();
        let sealed = keyring.seal(&home.shelf.ring(), &mut random).unwrap();
        home.shelf.0.lock().unwrap().keyring = sealed;
        home
    }

    /// A process that has just started.
    fn process(&self, rules: Rules) -> Lacre {
        let ring = self.shelf.ring();
        let keyring = Keyring::open(&self.shelf.0.lock().unwrap().keyring, &ring).unwrap();
        let store = Arc::clone(&self.store);
        let keystore = Keystore::open(store, ring, rand::rngs::SysRng).unwrap();
        let clock = Arc::clone(&self.clock);
        let mut builder = Lacre::builder(keystore, keyring, rules).clock(clock);
        if let Some(file) = &self.receipts {
            builder = builder.receipts(file.clone());
        }
        builder.keys_in(Box::new(self.shelf.clone())).build()
    }
}

fn rules() -> Rules {
    Rules::new("https://issuer.test", "api")
}

async fn begin(lacre: &Lacre, user: &str) -> Issued {
    lacre.issue(&grant(user, Occasion::LogIn)).await.unwrap()
}

async fn accepts(lacre: &Lacre, issued: &Issued) -> bool {
    let token = issued.access.token.expose().as_bytes();
    lacre.guard(token, TokenKind::Access).await.is_ok()
}

/// The ids of the master keys, each with what is under it.
async fn masters(lacre: &Lacre) -> Vec<(u32, u64, u64)> {
    let now = lacre.rotation().now(|_| ()).await.unwrap();
    let of = |key: &MasterNow| (key.id, key.records, key.notes);
    now.masters.iter().map(of).collect()
}

async fn rotate(lacre: &Lacre) -> Result<Rewrapped, RotationError> {
    let begun = lacre.rotation().begin_master(false).await?;
    lacre.rotation().finish_master(begun, |_, _| ()).await
}

/// Some live sessions, and one that has ended with a note.
async fn some(lacre: &Lacre) -> Vec<Issued> {
    let mut live = Vec::new();
    for number in 0..5 {
        live.push(begin(lacre, &format!("u{number}")).await);
    }
    let ended = begin(lacre, "u9").await;
    let end = End::new(Cause::RevokedByAdmin, Actor::Operator, Some("u9"));
    assert!(lacre.end(&ended.key, &end).await.unwrap());
    live
}

/// Wherever a write fails, the process goes on, or is killed and another one does.
#[tokio::test]
async fn a_rotation_that_fails_at_any_write_goes_on_and_loses_nothing() {
    let mut failed = 0;
    for writes in 0.. {
        let mut done = false;
        for killed in [false, true] {
            let home = Home::new();
            let first = home.process(rules());
            let live = some(&first).await;
            home.shelf.0.lock().unwrap().writes = Some(writes);
            let result = rotate(&first).await;
            let lacre = if killed { home.process(rules()) } else { first };
            done = result.is_ok();
            if let Err(error) = result {
                failed += 1;
                assert_eq!(error.code(), "disk_full");
                for issued in &live {
                    assert!(accepts(&lacre, issued).await, "{writes} {killed}");
                }
                home.shelf.0.lock().unwrap().writes = None;
                if killed {
                    lacre.rotation().go_on().await.unwrap();
                }
                let is_over =
                    home.shelf.ring().keys().count() == 1 && home.shelf.ring().current_id() == 2;
                if !is_over {
                    let rotated = rotate(&lacre).await.unwrap();
                    assert_eq!((rotated.id, &*rotated.removed), (2, &[1][..]));
                }
            }
            assert_eq!(masters(&lacre).await, [(2, 5, 1)], "{writes} {killed}");
            home.shelf.0.lock().unwrap().writes = None;
            let last = home.process(rules());
            for issued in &live {
                assert!(accepts(&last, issued).await);
            }
            assert_eq!(masters(&last).await, [(2, 5, 1)]);
            assert_eq!(last.rotation().go_on().await, Ok(None));
        }
        if done {
            break;
        }
    }
    assert_eq!(failed, 10, "five writes, each failed in two ways");
}

#[tokio::test]
async fn a_second_rotation_is_refused_while_one_is_under_way() {
    let home = Home::new();
    let lacre = home.process(rules());
    some(&lacre).await;
    let begun = lacre.rotation().begin_master(false).await.unwrap();
    assert!(begun.made);
    for refused in [
        rotate(&lacre).await.map(drop),
        lacre.rotation().go_on().await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), "key_rotation_under_way");
    }
    let now = lacre.rotation().now(|_| ()).await.unwrap();
    assert!(now.rewrapping.is_some() && now.masters[1].retiring);
    // A signing key needn't wait.
    lacre.rotation().rotate_signer(false).await.unwrap();
    let mut last = (0, 0);
    let seen = std::cell::Cell::new(last);
    let done = lacre
        .rotation()
        .finish_master(begun, |done, total| seen.set((done, total)));
    assert_eq!(done.await.unwrap().rewrapped, 6);
    last = seen.get();
    assert_eq!(last, (6, 6));
    assert_eq!(masters(&lacre).await, [(2, 5, 1)]);
}

#[tokio::test]
async fn what_is_sealed_and_not_written_yet_keeps_the_earlier_key() {
    let home = Home::new();
    let lacre = home.process(rules());
    let issued = begin(&lacre, "u1").await;
    // An end is under way: its note is sealed, and nothing is removed yet.
    let late = lacre.keystore().note(NOW, b"late").unwrap();
    let begun = lacre.rotation().begin_master(false).await.unwrap();
    let finish = lacre.rotation().finish_master(begun, |_, _| ());
    let mut finish = std::pin::pin!(finish);
    let soon = tokio::time::timeout(PAUSE * 5, finish.as_mut()).await;
    assert!(soon.is_err(), "the note may still come");
    let noting = lacre.keystore().noting(Some(late));
    assert!(noting.remove(&issued.key).await.unwrap());
    assert_eq!(finish.await.unwrap().removed, [1]);
    assert_eq!(masters(&lacre).await, [(2, 0, 1)]);
    let left = lacre.keystore().left(None, 10).await.unwrap();
    assert_eq!(left[0].content.as_deref(), Ok(&b"late"[..]));
}

/// Whoever keeps the file puts that of before back, such as a tool that manages configurations.
#[tokio::test]
async fn a_file_that_somebody_puts_back_meanwhile_is_left_alone_and_nothing_is_lost() {
    let home = Home::new();
    let lacre = home.process(rules());
    let live = some(&lacre).await;
    let before = home.shelf.0.lock().unwrap().masters.clone();
    let begun = lacre.rotation().begin_master(false).await.unwrap();
    let new = std::mem::replace(&mut home.shelf.0.lock().unwrap().masters, before.clone());
    let refused = lacre.rotation().finish_master(begun, |_, _| ()).await;
    assert_eq!(refused.unwrap_err().code(), "master_key_mismatch");
    assert_eq!(home.shelf.0.lock().unwrap().masters, before);
    for issued in &live {
        assert!(accepts(&lacre, issued).await);
    }
    // Put right, it goes on.
    home.shelf.0.lock().unwrap().masters = new;
    assert_eq!(rotate(&lacre).await.unwrap().removed, [1]);
    assert_eq!(masters(&home.process(rules())).await, [(2, 5, 1)]);
}

#[tokio::test]
async fn an_earlier_key_that_something_needs_is_missed_before_anything_is_sealed_anew() {
    let home = Home::new();
    let live = some(&home.process(rules())).await;
    home.shelf.0.lock().unwrap().masters.push((2, [8; 32]));
    let lacre = home.process(rules());
    // The line of the first key is taken away while records are under it.
    home.shelf.0.lock().unwrap().masters.remove(0);
    assert_eq!(
        rotate(&lacre).await.unwrap_err().code(),
        "master_key_mismatch"
    );
    for issued in &live {
        assert!(accepts(&lacre, issued).await);
    }
    home.shelf.0.lock().unwrap().masters.insert(0, (1, [7; 32]));
    assert_eq!(rotate(&lacre).await.unwrap().removed, [1]);
}

#[tokio::test]
async fn records_in_memory_need_no_room_on_a_disk() {
    let home = Home::new();
    let lacre = home.process(rules());
    home.shelf.0.lock().unwrap().free = Some(1);
    assert_eq!(rotate(&lacre).await.unwrap().removed, [1]);
}

#[tokio::test]
async fn an_earlier_signing_key_is_dropped_when_the_last_that_it_signed_has_expired() {
    let home = Home::new();
    let long = begin(&home.process(rules()), "u1").await;
    // Rules became shorter, and the session of before lasts longer than they say.
    let short = Rules {
        access_ttl: 60,
        refresh_ttl: 600,
        ..rules()
    };
    let lacre = home.process(short);
    let soon = begin(&lacre, "u2").await;
    let rotated = lacre.rotation().rotate_signer(false).await.unwrap();
    assert_eq!(rotated.until, Some(NOW + 600 + MARGIN));
    assert_eq!(rotated.forwards_at, NOW + 3600);
    assert!(accepts(&lacre, &soon).await && accepts(&lacre, &long).await);
    assert!(lacre.rotation().drop_signers().await.unwrap().is_empty());
    home.clock.advance(600 + MARGIN);
    let dropped = lacre.rotation().drop_signers().await.unwrap();
    assert!(dropped.is_empty(), "a session of before is live");
    let expected = NOW + rules().refresh_ttl;
    let until = |now: &KeysNow| now.signers[1].until;
    assert_eq!(
        until(&lacre.rotation().now(|_| ()).await.unwrap()),
        Some(expected)
    );
    home.clock.advance(rules().refresh_ttl);
    let dropped = lacre.rotation().drop_signers().await.unwrap();
    assert_eq!(dropped, rotated.accepted);
    assert_eq!(lacre.rotation().now(|_| ()).await.unwrap().signers.len(), 1);
}
