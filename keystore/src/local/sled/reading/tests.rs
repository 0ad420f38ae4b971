//! What is read without sled, beside what sled reads of the same files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::mark::Mark;
use super::super::opening::open_sled;
use super::super::trial::Trial;
use super::super::{SledEngine, SledOptions};
use super::*;
use crate::key::KeyBytes;
use crate::local::engine::{Change, Engine as _};
use crate::note::Note;

type Records = BTreeMap<KeyBytes, Vec<u8>>;

/// A place, and how long the record is that it has afterwards; `None` where it goes.
type Step = (u8, u8, Option<usize>);

fn steps(places: u8, count: usize) -> impl Strategy<Value = Vec<Step>> {
    let length = prop::option::weighted(0.6, 0..900_usize);
    prop::collection::vec((0..places, 0..8_u8, length), count / 2..count)
}

fn key(high: u8, low: u8) -> KeyBytes {
    let mut key = [high; 32];
    key[31] = low;
    key
}

/// Does these steps, and makes them durable in groups.
fn work(engine: &SledEngine, records: &mut Records, steps: &[Step]) {
    for (at, (high, low, length)) in steps.iter().enumerate() {
        let key = key(*high, *low);
        let expected = records.get(&key).cloned();
        let new = length.map(|length| vec![u8::try_from(at % 256).unwrap(); length]);
        if let (Some(removed), None) = (&expected, &new) {
            let note = Note::new(at as u64, vec![7; 30]);
            engine.keep_note(&key, &note, removed).unwrap();
        }
        match &new {
            Some(value) => records.insert(key, value.clone()),
            None => records.remove(&key),
        };
        let change = Change { key, expected, new };
        assert_eq!(engine.apply(&[change]), Ok(true));
        if at % 40 == 39 {
            engine.persist().unwrap();
        }
    }
    engine.persist().unwrap();
}

fn read_in(folder: &Path) -> Option<Read> {
    let noted = Mark::noted(folder).unwrap();
    read(folder, &SledOptions::default(), noted)
}

fn tally_of(records: &Records) -> Tally {
    let options = SledOptions::default();
    let mut tally = Tally::default();
    for (name, sealed) in records {
        tally.add(&options.digest_key, name, sealed);
    }
    tally
}

/// What lies in the folder, to the byte.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let named = files.map(|file| {
        let name = file.file_name().into_string().unwrap();
        (name, fs::read(file.path()).unwrap())
    });
    named.collect()
}

/// The files as they are now, as a kill of the process leaves them.
fn as_after_a_kill(folder: &Path) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, bytes) in files(folder) {
        fs::write(home.path().join(name), bytes).unwrap();
    }
    home
}

/// Whether sled, opening these files, comes to what was read of them.
fn sled_agrees(folder: &Path, read: &Read) -> bool {
    let copy = Trial::of(folder).map_err(drop).unwrap();
    let store = open_sled(copy.folder(), &SledOptions::default()).unwrap();
    let agrees = store.tally().unwrap() == read.found.tally && is_of(copy.folder(), &read.pages);
    drop(store);
    copy.wait_until_let_go();
    agrees
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Through openings and kills, with pages that are split, merged, written anew and freed.
    #[test]
    fn what_sled_wrote_is_read_as_sled_reads_it(
        histories in prop::collection::vec((steps(60, 1_200), any::<bool>()), 1..5),
    ) {
        let (mut home, mut records) = (tempfile::tempdir().unwrap(), Records::new());
        for (steps, killed) in histories {
            let engine = SledEngine::open(home.path()).unwrap();
            work(&engine, &mut records, &steps);
            if killed {
                home = as_after_a_kill(home.path());
            } else {
                drop(engine);
            }
            let before = files(home.path());
            let read = read_in(home.path());
            prop_assert!(files(home.path()) == before, "it was changed");
            let read = read.expect("a store that is whole");
            prop_assert!(read.found.tally == tally_of(&records));
            prop_assert!(sled_agrees(home.path(), &read));
        }
    }

    /// Whatever is damaged: either it isn't said to be whole, or sled finds the same in it.
    #[test]
    fn what_is_damaged_is_not_whole(
        steps in steps(40, 500),
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 24),
    ) {
        let (home, mut records) = (tempfile::tempdir().unwrap(), Records::new());
        for steps in steps.chunks(steps.len() / 2) {
            work(&SledEngine::open(home.path()).unwrap(), &mut records, steps);
        }
        let whole = files(home.path());
        let mut refused = 0;
        for (place, kind, byte) in damages {
            let damaged = tempfile::tempdir().unwrap();
            for (name, bytes) in &whole {
                let mut bytes = bytes.clone();
                let is_hit = name == "db" && kind < 3 || name.starts_with("snap.") && kind == 3;
                if is_hit {
                    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
                    let at = place.index(used);
                    match kind {
                        1 => bytes.truncate(at),
                        2 => bytes[at..used.min(at + 512)].fill(0),
                        _ => bytes[at] ^= byte | 1,
                    }
                }
                fs::write(damaged.path().join(name), bytes).unwrap();
            }
            match read_in(damaged.path()) {
                None => refused += 1,
                Some(read) => {
                    prop_assert!(read.found.tally == tally_of(&records));
                    prop_assert!(sled_agrees(damaged.path(), &read), "{place:?} {kind}");
                }
            }
        }
        prop_assert!(refused > 0);
    }
}

#[test]
fn what_is_there_and_not_known_is_not_read() {
    let (home, mut records) = (tempfile::tempdir().unwrap(), Records::new());
    let engine = SledEngine::open(home.path()).unwrap();
    work(&engine, &mut records, &[(1, 1, Some(9)), (2, 2, Some(9))]);
    drop(engine);
    assert!(read_in(home.path()).is_some());
    let conf = fs::read(home.path().join("conf")).unwrap();
    for (name, bytes) in [
        ("unknown", &[][..]),
        ("blobs/7", b"a long value"),
        ("conf", &conf[1..]),
        ("snap.ffffffffffffffff", b"not one"),
    ] {
        let path = home.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert!(read_in(home.path()).is_none(), "{name}");
        if name == "conf" {
            fs::write(&path, &conf).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        assert!(read_in(home.path()).is_some(), "{name}");
    }
}

#[test]
fn what_a_crash_left_to_do_is_not_read() {
    for left in ["plan", "emptying", "note"] {
        let (home, mut records) = (tempfile::tempdir().unwrap(), Records::new());
        let engine = SledEngine::open(home.path()).unwrap();
        work(&engine, &mut records, &[(1, 1, Some(9)), (2, 2, Some(9))]);
        match left {
            "plan" => engine
                .ask(|store| {
                    store
                        .state
                        .insert("plan\0\0\0\0\0\0\0\0", b"a plan")
                        .map(drop)
                })
                .unwrap(),
            "emptying" => engine.note_emptying(true, None).unwrap(),
            _ => {
                let (key, removed) = records.first_key_value().unwrap();
                let note = Note::new(5, vec![7]);
                engine.keep_note(key, &note, removed).unwrap();
            }
        }
        engine.persist().unwrap();
        drop(engine);
        assert!(read_in(home.path()).is_none(), "{left}");
    }
}

#[test]
fn an_earlier_group_and_a_record_that_is_another_are_not_whole() {
    let (home, mut records) = (tempfile::tempdir().unwrap(), Records::new());
    let engine = SledEngine::open(home.path()).unwrap();
    work(&engine, &mut records, &[(1, 1, Some(9)), (2, 2, Some(9))]);
    drop(engine);
    let noted = Mark::noted(home.path()).unwrap().unwrap();
    let options = SledOptions::default();
    assert!(read(home.path(), &options, Some(noted)).is_some());
    for wrong in [None, Some(noted + 1)] {
        assert!(read(home.path(), &options, wrong).is_none());
    }
    let engine = SledEngine::open(home.path()).unwrap();
    let past = |store: &super::super::Store| store.records.insert(key(1, 1), vec![9; 9]);
    engine.ask(past).unwrap();
    engine.persist().unwrap();
    drop(engine);
    assert!(read_in(home.path()).is_none());
}
