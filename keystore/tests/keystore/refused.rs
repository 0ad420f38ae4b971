//! A store whose files are damaged: a refused start leaves every byte as it was, so that the damage
//! can be undone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lacre_keystore::{KeystoreError, PutOutcome, SledEngine};

use crate::support::{Home, generation, key, keystore_on, record, until_let_go};

const SESSIONS: u64 = 60;

/// The bytes of each file below a folder.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let mut seen = Files::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen.extend(files(&path));
        } else {
            seen.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    seen
}

/// Makes the folder's files these and no others.
fn restore(folder: &Path, to: &Files) {
    until_let_go(folder);
    for path in files(folder).keys().filter(|path| !to.contains_key(*path)) {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in to {
        if fs::read(path).ok().as_ref() != Some(bytes) {
            fs::write(path, bytes).unwrap();
        }
    }
}

/// A closed store with sessions, opened and closed once more, so that it has a snapshot.
async fn filled() -> Home {
    let home = Home::new();
    let keystore = keystore_on(SledEngine::open(home.path()).unwrap());
    for session in 0..SESSIONS {
        let put = keystore.put_new(&key(1, session), &record(session)).await;
        assert_eq!(put, Ok(PutOutcome::Stored));
    }
    keystore.close().await;
    drop(keystore);
    drop(SledEngine::open(home.path()).unwrap());
    home
}

async fn assert_whole(home: &Home, after: &str) {
    let keystore = keystore_on(SledEngine::open(home.path()).unwrap());
    for session in 0..SESSIONS {
        let found = generation(&keystore, &key(1, session)).await;
        assert_eq!(found, Some(session), "session {session} after {after}");
    }
    keystore.close().await;
}

/// The places of a file where bits are flipped: spread over what isn't zero, and over all of it.
fn places(bytes: &[u8], count: usize) -> Vec<usize> {
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    let spread = |over: usize| (0..count).map(move |n| n * over / count);
    let mut places: Vec<_> = spread(end).chain(spread(bytes.len())).collect();
    places.extend([end - 1, bytes.len().saturating_sub(1)]);
    places.retain(|place| *place < bytes.len());
    places.sort_unstable();
    places.dedup();
    places
}

#[tokio::test]
#[allow(clippy::disallowed_methods)] // how many places is asked of whoever runs the tests
async fn a_refused_start_leaves_every_byte_and_the_damage_can_be_undone() {
    let full = std::env::var_os("LACRE_TEST_FULL").is_some();
    let home = filled().await;
    let good = files(home.path());
    let (mut refused, mut flipped) = (BTreeMap::<_, usize>::new(), 0);
    for (path, bytes) in &good {
        for place in places(bytes, if full { 256 } else { 16 }) {
            let mut damaged = good.clone();
            damaged.get_mut(path).unwrap()[place] ^= 1 << (place % 8);
            restore(home.path(), &damaged);
            flipped += 1;
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match SledEngine::open(home.path()) {
                // Taken where the flip reached nothing that counts: nothing may be missing then.
                Ok(engine) => {
                    drop(engine);
                    assert_whole(&home, &format!("a flip in {name}, byte {place}")).await;
                }
                Err(error) => {
                    let text = error.to_string();
                    if let KeystoreError::StoreCorrupt { .. } = error {
                        assert!(text.contains("move its folder away"), "no cure: {text}");
                    }
                    assert!(!text.contains("backtrace"), "{text}");
                    assert!(
                        matches!(
                            error,
                            KeystoreError::StoreCorrupt { .. }
                                | KeystoreError::StoreIncomplete { .. }
                                | KeystoreError::DigestForeign
                                | KeystoreError::StoreUnavailable { .. }
                        ),
                        "{error}"
                    );
                    let what = format!("{name}, byte {place}: {error}");
                    assert!(files(home.path()) == damaged, "changed by a start: {what}");
                    *refused.entry(name).or_default() += 1;
                    restore(home.path(), &good);
                    assert_whole(&home, &what).await;
                }
            }
            restore(home.path(), &good);
        }
    }
    println!("{flipped} flips, refused: {refused:?}");
    assert!(refused["db"] >= 8, "{refused:?}");
    assert!(refused["conf"] >= 1, "{refused:?}");
}

#[tokio::test]
async fn a_missing_or_cut_file_is_refused_without_a_change_or_costs_nothing() {
    let home = filled().await;
    let good = files(home.path());
    let mut refused = 0;
    for (path, bytes) in &good {
        for kept in [
            None,
            Some(0),
            Some(bytes.len() / 3),
            Some(bytes.len() * 9 / 10),
        ] {
            let mut damaged = good.clone();
            match kept {
                None => damaged.remove(path),
                Some(kept) => damaged.insert(path.clone(), bytes[..kept].to_vec()),
            };
            restore(home.path(), &damaged);
            let what = format!("{} cut to {kept:?}", path.display());
            match SledEngine::open(home.path()) {
                Ok(engine) => {
                    drop(engine);
                    // A lost mark costs its warning; whatever else is taken must be whole.
                    assert_whole(&home, &what).await;
                }
                Err(error) => {
                    refused += 1;
                    let mut found = files(home.path());
                    // The lock is ours, holds nothing, and is made where it is missing.
                    found.retain(|path, _| !path.ends_with("lock"));
                    damaged.retain(|path, _| !path.ends_with("lock"));
                    assert!(found == damaged, "changed by a start: {what}: {error}");
                }
            }
            restore(home.path(), &good);
        }
    }
    assert!(refused >= 3, "{refused}");
    assert_whole(&home, "all").await;
}

#[tokio::test]
async fn no_link_in_the_folder_is_followed() {
    let elsewhere = Home::new();
    for name in ["db", "conf", "lock", "mark"] {
        let home = filled().await;
        let (inside, outside) = (home.path().join(name), elsewhere.path().join(name));
        fs::rename(&inside, &outside).unwrap();
        symlink(&outside, &inside).unwrap();
        let before = files(home.path());
        let error = SledEngine::open(home.path()).err().unwrap();
        assert_eq!(error.code(), "store_unavailable", "{name}: {error}");
        assert!(files(home.path()) == before, "{name}");
        fs::remove_file(&inside).unwrap();
        fs::rename(&outside, &inside).unwrap();
        assert_whole(&home, name).await;
    }
}

#[tokio::test]
async fn what_a_killed_start_left_of_its_copy_goes() {
    let home = filled().await;
    let left = home.path().join("trial");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("db"), "half a copy").unwrap();
    assert_whole(&home, "a killed start").await;
    assert!(!left.exists());
}

/// Without a mark nothing was ever promised: a first start that was killed left it so.
#[tokio::test]
async fn a_store_that_was_never_finished_is_set_aside_and_kept() {
    let home = filled().await;
    until_let_go(home.path());
    let is_snapshot = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .as_encoded_bytes()
            .starts_with(b"snap.")
    };
    let snapshot = files(home.path()).into_keys().find(is_snapshot).unwrap();
    fs::write(&snapshot, "cut off").unwrap();
    let error = SledEngine::open(home.path()).err().unwrap();
    assert_eq!(error.code(), "store_corrupt", "with a mark it is refused");
    let database = fs::read(home.path().join("db")).unwrap();

    fs::remove_file(home.path().join("mark")).unwrap();
    let keystore = keystore_on(SledEngine::open(home.path()).unwrap());
    let found = keystore.get(&key(1, 0)).await;
    assert!(matches!(found, Ok(None)), "another store was made");
    keystore.close().await;
    drop(keystore);
    let aside = home.path().join("unfinished");
    let kept = aside.join(snapshot.file_name().unwrap());
    assert_eq!(fs::read(kept).unwrap(), b"cut off");
    assert!(
        fs::read(aside.join("db")).unwrap() == database,
        "every byte is kept"
    );
    assert!(
        SledEngine::open(home.path()).is_ok(),
        "and the new one is whole"
    );
}
