//! A store that is compacted holds the same in less room, wherever a crash cuts it off.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lacre_keystore::{Change, Engine, KeyBytes, KeyRange, SledEngine};

use crate::support::{Home, generation, key, keystore_on, record, until_let_go};

type Contents = Vec<(KeyBytes, Vec<u8>)>;

fn contents(engine: &SledEngine) -> Contents {
    engine.scan(&KeyRange::ALL, usize::MAX).unwrap()
}

fn name(place: u64) -> KeyBytes {
    let mut name = [0; 32];
    for (word, factor) in name.as_chunks_mut::<8>().0.iter_mut().zip([
        0x9e37_79b9_7f4a_7c15,
        0x517c_c1b7_2722_0a95,
        0xd134_2543_de82_ef95,
    ]) {
        *word = place.wrapping_mul(factor).to_be_bytes();
    }
    name
}

/// So many records come, each is changed, and all but every fifth go.
fn turn_over(engine: &SledEngine, records: u64) {
    let change = |place, expected: Option<u8>, new: Option<u8>| {
        let value = |byte: u8| vec![byte; 330];
        let change = Change {
            key: name(place),
            expected: expected.map(value),
            new: new.map(value),
        };
        assert_eq!(engine.apply(&[change]), Ok(true));
    };
    for place in 0..records {
        change(place, None, Some(1));
        change(place, Some(1), Some(2));
        if place % 5 != 0 {
            change(place, Some(2), None);
        }
        if place % 64 == 0 {
            engine.persist().unwrap();
        }
    }
    engine.persist().unwrap();
}

fn bytes_on_disk(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files
        .map(|file| {
            let about = file.metadata().unwrap();
            if about.is_dir() {
                bytes_on_disk(&file.path())
            } else {
                about.len()
            }
        })
        .sum()
}

#[test]
fn seven_mebibytes_take_at_most_half_as_much_again_as_what_is_in_it() {
    let home = Home::new();
    let engine = SledEngine::open(home.path()).unwrap();
    turn_over(&engine, 100_000);
    let before = contents(&engine);
    let live: u64 = before
        .iter()
        .map(|(_, value)| 32 + value.len() as u64)
        .sum();
    let grown = bytes_on_disk(home.path());
    let (told, total) = (AtomicU64::new(0), before.len() as u64);
    let compacted = engine.compact(&|done, of| {
        assert!(done <= of && of == total);
        told.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(compacted, Ok(true));
    engine.reopen().unwrap();
    let compacted = bytes_on_disk(home.path());
    println!("{live} live, {grown} grown, {compacted} compacted");
    // Each opening begins another segment of 512 KiB, so a store of a MiB or two takes more than that.
    assert!(
        compacted * 2 <= live * 3,
        "{live} live, {compacted} compacted"
    );
    assert_eq!(told.into_inner(), total / 512);
    assert!(contents(&engine) == before);
    // It goes on as any store.
    turn_over_again(&engine, &before);
    drop(engine);
    assert!(contents(&SledEngine::open(home.path()).unwrap()).len() == before.len() - 1);
}

fn turn_over_again(engine: &SledEngine, records: &Contents) {
    let (key, value) = records[0].clone();
    let change = Change {
        key,
        expected: Some(value),
        new: None,
    };
    assert_eq!(engine.apply(&[change]), Ok(true));
    engine.persist().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_wait_and_what_was_read_before_is_read_again() {
    let home = Home::new();
    let keystore = keystore_on(SledEngine::open(home.path()).unwrap());
    for session in 0..50 {
        let put = keystore.put_new(&key(1, session), &record(session)).await;
        assert!(put.is_ok());
    }
    let seen = keystore.get(&key(1, 3)).await.unwrap().unwrap();
    assert!(keystore.is_current(&key(1, 3), &seen.version));
    let told = Arc::new(AtomicU64::new(0));
    let compaction = {
        let (keystore, told) = (keystore.clone(), Arc::clone(&told));
        tokio::spawn(async move {
            keystore
                .compact(move |done, _| told.store(done, Ordering::Relaxed))
                .await
        })
    };
    assert_eq!(keystore.remove(&key(1, 7)).await, Ok(true));
    assert_eq!(compaction.await.unwrap(), Ok(()));
    assert!(
        !keystore.is_current(&key(1, 3), &seen.version),
        "it is read once more"
    );
    for session in 0..50 {
        let found = generation(&keystore, &key(1, session)).await;
        assert_eq!(found, (session != 7).then_some(session));
    }
    assert_eq!(keystore.health(), Ok(()));
    assert_eq!(keystore.stats().await.unwrap().records, 49);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let (from, to) = (
            file.as_ref().unwrap().path(),
            to.join(file.unwrap().file_name()),
        );
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// The files of sled in a folder: names that are neither ours nor a compaction's.
fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    let ours = ["lock", "mark", "compacting", "compacted", "moving"];
    let mut files: Vec<_> = names
        .filter(|name| !ours.contains(&name.as_str()))
        .collect();
    files.sort();
    files
}

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// Every state that a crash can leave: the copy is not whole, the store's files are being removed, the
/// copy's are moving.
#[test]
fn a_crash_at_any_step_loses_nothing() {
    let home = Home::new();
    let engine = SledEngine::open(home.path()).unwrap();
    turn_over(&engine, 400);
    let whole = contents(&engine);
    drop(engine);
    until_let_go(home.path());
    let compacted = Home::new();
    copy(home.path(), compacted.path());
    let engine = SledEngine::open(compacted.path()).unwrap();
    assert_eq!(engine.compact(&|_, _| ()), Ok(true));
    engine.reopen().unwrap();
    drop(engine);
    until_let_go(compacted.path());
    let (old, new) = (files(home.path()), files(compacted.path()));
    let mut states = 0;
    let mut check = |state: &Home| {
        states += 1;
        for _ in 0..2 {
            let engine = SledEngine::open(state.path()).unwrap();
            assert!(contents(&engine) == whole);
        }
        until_let_go(state.path());
        for left in ["compacting", "compacted", "moving"] {
            assert!(!state.path().join(left).exists(), "{left}");
        }
    };
    let place = |into: &Path| {
        fs::create_dir(into).unwrap();
        for file in &new {
            let (from, to) = (compacted.path().join(file), into.join(file));
            if from.is_dir() {
                copy(&from, &to);
            } else {
                fs::copy(from, to).unwrap();
            }
        }
    };
    let half = Home::new();
    copy(home.path(), half.path());
    fs::create_dir(half.path().join("compacting")).unwrap();
    fs::write(half.path().join("compacting/db"), "half a copy").unwrap();
    check(&half);
    for removed in 0..=old.len() {
        let state = Home::new();
        copy(home.path(), state.path());
        place(&state.path().join("compacted"));
        for file in &old[..removed] {
            remove(&state.path().join(file));
        }
        check(&state);
    }
    for moved in 0..=new.len() {
        let state = Home::new();
        copy(home.path(), state.path());
        for file in &old {
            remove(&state.path().join(file));
        }
        let moving = state.path().join("moving");
        place(&moving);
        for file in &new[..moved] {
            fs::rename(moving.join(file), state.path().join(file)).unwrap();
        }
        check(&state);
    }
    assert_eq!(states, 3 + old.len() + new.len());
}

/// sled writes a snapshot at each opening, and reads what was left of one as if it were whole.
#[test]
fn an_opening_that_was_killed_while_it_wrote_its_snapshot_is_done_again() {
    let home = Home::new();
    let open = || SledEngine::open(home.path()).unwrap();
    let engine = open();
    turn_over(&engine, 200);
    let due = contents(&engine);
    drop(engine);
    until_let_go(home.path());
    // The first opening of what is there writes one.
    drop(open());
    until_let_go(home.path());
    for part in [0, 1, 2, 3] {
        let snapshots = fs::read_dir(home.path()).unwrap().map(|file| file.unwrap());
        let newest = snapshots
            .map(|file| file.path())
            .filter(|path| path.to_string_lossy().contains("/snap."))
            .max()
            .unwrap();
        let whole = fs::read(&newest).unwrap();
        let cut = newest.with_added_extension("generating");
        fs::write(&cut, &whole[..whole.len() * part / 4]).unwrap();
        let engine = open();
        assert!(contents(&engine) == due, "{part}");
        assert!(!cut.exists());
        drop(engine);
        until_let_go(home.path());
    }
}
