//! The sled engine and its folder: opened again, held, given away, broken.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use lacre_keystore::{
    Change, Engine, Keystore, KeystoreError, LocalStore, MasterKey, MasterKeyRing, PutOutcome,
    SledEngine,
};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};

use crate::support::{Home, at_once, generation, key, keystore_on, open_by_hand, record, user};

fn open(home: &Home) -> Keystore {
    keystore_on(SledEngine::open(home.path()).unwrap())
}

/// Stores records of user 1, of generations 0 to `count`.
async fn fill(keystore: &Keystore, count: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for session in 0..count {
        let keystore = keystore.clone();
        tasks.spawn(async move { keystore.put_new(&key(1, session), &record(session)).await });
    }
    for outcome in tasks.join_all().await {
        assert_eq!(outcome, Ok(PutOutcome::Stored));
    }
}

/// Each file below the folder, with its contents and the time of its last change.
fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, (Vec<u8>, SystemTime)> {
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen.extend(contents(&path));
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            seen.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
    seen
}

#[tokio::test]
async fn everything_is_there_when_the_folder_is_opened_again() {
    let home = Home::new();
    for round in 0..5 {
        let keystore = open(&home);
        assert_eq!(keystore.stats().await.unwrap().records, round * 100);
        for session in 0..round * 100 {
            assert_eq!(generation(&keystore, &key(1, session)).await, Some(session));
        }
        let mut tasks = tokio::task::JoinSet::new();
        for session in round * 100..(round + 1) * 100 {
            let keystore = keystore.clone();
            tasks.spawn(async move { keystore.put_new(&key(1, session), &record(session)).await });
        }
        for outcome in tasks.join_all().await {
            assert_eq!(outcome, Ok(PutOutcome::Stored));
        }
        if round % 2 == 0 {
            keystore.close().await;
        }
    }
    let keystore = open(&home);
    assert_eq!(keystore.remove_all().await, Ok(500));
    drop(keystore);
    assert_eq!(open(&home).is_empty().await, Ok(true));
}

#[tokio::test]
async fn a_held_folder_is_refused_and_untouched() {
    let home = Home::new();
    let keystore = open(&home);
    fill(&keystore, 10).await;
    let before = contents(home.path());
    for _ in 0..3 {
        let error = SledEngine::open(home.path()).err().unwrap();
        assert_eq!(error.code(), "store_held");
        assert!(error.to_string().contains(home.path().to_str().unwrap()));
    }
    assert_eq!(contents(home.path()), before);
    assert_eq!(generation(&keystore, &key(1, 9)).await, Some(9));
    drop(keystore);
    assert_eq!(open(&home).stats().await.unwrap().records, 10);
}

#[test]
fn a_folder_that_a_foreign_program_holds_is_refused() {
    let home = Home::new();
    let foreign = open_by_hand(&home);
    let error = SledEngine::open(home.path()).err().unwrap();
    assert_eq!(error.code(), "store_held");
    assert!(error.to_string().contains(home.path().to_str().unwrap()));
    drop(foreign);
    SledEngine::open(home.path()).unwrap();
}

#[tokio::test]
async fn a_wrong_master_key_is_noticed_before_anything_is_touched() {
    let home = Home::new();
    fill(&open(&home), 10).await;
    for (id, code) in [(1, "record_damaged"), (2, "record_unknown_key")] {
        let wrong = MasterKeyRing::new(MasterKey::from_bytes(id, [9; 32]));
        let engine = SledEngine::open(home.path()).unwrap();
        let keystore = Keystore::open(LocalStore::open(engine).unwrap(), wrong, SysRng).unwrap();
        assert_eq!(keystore.verify_opens().await.unwrap_err().code(), code);
    }
    let keystore = open(&home);
    assert_eq!(keystore.verify_opens().await, Ok(()));
    assert_eq!(
        keystore
            .list(user(1), None, 100)
            .await
            .unwrap()
            .entries
            .len(),
        10
    );
}

#[test]
fn a_new_folder_is_its_owners_alone() {
    let home = Home::new();
    let folder = home.path().join("deep/keystore");
    drop(SledEngine::open(&folder).unwrap());
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_folder_that_cant_be_made_is_an_error() {
    let home = Home::new();
    let file = home.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let error = SledEngine::open(folder).err().unwrap();
        assert_eq!(error.code(), "store_unavailable");
    }
    assert_eq!(fs::read(&file).unwrap(), b"not a folder");
}

#[test]
fn a_key_of_another_length_is_corruption_and_no_panic() {
    let home = Home::new();
    drop(SledEngine::open(home.path()).unwrap());
    let foreign = open_by_hand(&home);
    let tree = foreign.open_tree("records").unwrap();
    tree.insert([5; 33], &b"value"[..]).unwrap();
    tree.flush().unwrap();
    drop((tree, foreign));
    let engine = SledEngine::open(home.path()).unwrap();
    let error = engine.scan(&lacre_keystore::KeyRange::ALL, 10).unwrap_err();
    assert_eq!(error.code(), "store_corrupt");
}

/// sled keeps what outgrows a page in files of their own and doesn't sync those.
#[test]
fn no_record_is_so_large_that_sled_keeps_it_in_a_file_of_its_own() {
    let home = Home::new();
    let engine = SledEngine::open(home.path()).unwrap();
    let largest = vec![0xa5; lacre_keystore::MAX_SEALED_RECORD];
    for round in 0..4_u8 {
        for place in 0..500_u64 {
            let mut key = [0; 32];
            // Neighbours, so that pages fill and split; then again, so that they are rewritten.
            key[24..].copy_from_slice(&(place * 7 % 500).to_be_bytes());
            let expected = engine.get(&key).unwrap();
            let mut new = largest.clone();
            new[0] = round;
            let change = Change {
                key,
                expected,
                new: Some(new),
            };
            assert_eq!(engine.apply(&[change]), Ok(true));
            assert_eq!(fs::read_dir(home.path().join("blobs")).unwrap().count(), 0);
        }
        engine.persist().unwrap();
    }
}

/// Whatever happens to the database file: an error, or all records as they were; never a panic, never
/// another record, and never fewer: sled passes over a segment whose head it can't read, and the digest
/// misses what was in it.
#[tokio::test]
async fn a_damaged_database_file_never_panics_and_never_shows_another_record() {
    const RECORDS: u64 = 3_000;
    let home = Home::new();
    let keystore = open(&home);
    fill(&keystore, RECORDS).await;
    drop(keystore);
    let whole = fs::read(home.path().join("db")).unwrap();
    let mut random = StdRng::seed_from_u64(7);
    let (mut refused, mut whole_ones, mut missed) = (0, 0, 0);
    for round in 0..60 {
        let mut damaged = whole.clone();
        match round % 4 {
            0 => damaged.truncate(random.random_range(0..whole.len())),
            1 => {
                let place = random.random_range(0..whole.len());
                damaged[place] ^= 1 << random.random_range(0..8);
            }
            2 => {
                let place = random.random_range(0..whole.len() - 4_096);
                damaged[place..place + 4_096].fill(0);
            }
            _ => {
                let place = random.random_range(0..whole.len() - 4_096);
                random.fill(&mut damaged[place..place + 4_096]);
            }
        }
        let copy = copy_with(&home, &damaged);
        match read_all(&copy) {
            Ok(RECORDS) => whole_ones += 1,
            Ok(count) => panic!("round {round}: {count} records pass for all"),
            Err(error) => {
                assert!(
                    [
                        "store_corrupt",
                        "store_unavailable",
                        "store_incomplete",
                        "store_foreign"
                    ]
                    .contains(&error.code()),
                    "{error}"
                );
                missed += u32::from(error.code() == "store_incomplete");
                assert!(read_all(&copy).is_err(), "round {round}: opening mended it");
                refused += 1;
            }
        }
    }
    println!("{whole_ones} whole, {refused} refused, {missed} of them by the digest alone");
    assert!(refused > 0);
}

/// The end of the log is where the latest removals are.
#[tokio::test]
async fn a_database_whose_end_is_lost_is_refused() {
    let home = Home::new();
    let keystore = open(&home);
    fill(&keystore, 200).await;
    keystore.close().await;
    let before = fs::metadata(home.path().join("db")).unwrap().len();
    assert_eq!(
        keystore.remove(&key(1, 3)).await.unwrap_err().code(),
        "store_unavailable"
    );
    drop(keystore);
    let keystore = open(&home);
    assert_eq!(keystore.remove(&key(1, 3)).await, Ok(true));
    drop(keystore);
    let whole = fs::read(home.path().join("db")).unwrap();
    assert!(u64::try_from(whole.len()).unwrap() > before);
    for cut in [1, 40, 100] {
        let copy = copy_with(&home, &whole[..whole.len() - cut]);
        let outcome = read_all(&copy);
        assert!(
            outcome.is_err() || outcome == Ok(199),
            "cut {cut}: {outcome:?}"
        );
    }
    let copy = copy_with(&home, &whole[..usize::try_from(before).unwrap()]);
    assert_eq!(read_all(&copy).unwrap_err().code(), "store_corrupt");
}

#[tokio::test]
async fn an_older_copy_of_the_database_doesnt_bring_ended_sessions_back() {
    let home = Home::new();
    let keystore = open(&home);
    fill(&keystore, 10).await;
    keystore.close().await;
    drop(keystore);
    let older = fs::read(home.path().join("db")).unwrap();
    let keystore = open(&home);
    assert_eq!(keystore.remove(&key(1, 3)).await, Ok(true));
    drop(keystore);
    assert_eq!(read_all(&home), Ok(9));

    let copy = copy_with(&home, &older);
    let error = SledEngine::open(copy.path()).err().unwrap();
    assert_eq!(error.code(), "store_corrupt");
    assert!(error.to_string().contains("was durable"), "{error}");
    // Without its mark it couldn't be told, so a lost one is no way around it.
    let mark = copy.path().join("mark");
    fs::remove_file(&mark).unwrap();
    let before = fs::read(copy.path().join("db")).unwrap();
    for _ in 0..2 {
        let error = SledEngine::open(copy.path()).err().unwrap();
        assert_eq!(error.code(), "store_corrupt");
        assert!(error.to_string().contains("`mark` is missing"), "{error}");
    }
    assert!(!mark.exists(), "the refusal makes none");
    assert!(fs::read(copy.path().join("db")).unwrap() == before);
}

/// A copy of a store with another database file.
fn copy_with(home: &Home, database: &[u8]) -> Home {
    let copy = Home::new();
    fs::create_dir(copy.path().join("blobs")).unwrap();
    for name in ["conf", "mark"] {
        fs::copy(home.path().join(name), copy.path().join(name)).unwrap();
    }
    fs::write(copy.path().join("db"), database).unwrap();
    copy
}

/// Reads every record of a store whose files were changed, and counts them.
fn read_all(home: &Home) -> Result<u64, KeystoreError> {
    let engine = SledEngine::open(home.path())?;
    let keystore = Keystore::open(LocalStore::open(engine)?, crate::support::ring(), SysRng)?;
    let (mut after, mut count) = (None, 0);
    loop {
        let page = at_once(keystore.list_all(after, 500))?;
        assert!(page.damaged.is_empty(), "the file's own checks come first");
        for (name, found) in page.entries {
            let session = u64::from_be_bytes(name.to_bytes()[24..].try_into().unwrap());
            assert_eq!((name, found), (key(1, session), record(session)));
            count += 1;
        }
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}
