//! A store that is put back as a whole is an earlier one than is noted outside of it, and is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lacre_keystore::{
    Change, Engine, Epoch, EpochFile, EpochPlace, KeyBytes, KeyRange, KeystoreError, Note,
    PutOutcome, RecordKey, Sessions, SledEngine, SledOptions,
};
use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::support::{Home, child, key, keystore_on, open_by_hand, record, ring, until_let_go};

/// A store's folder and a file beside it.
struct Place {
    home: Home,
    beside: tempfile::TempDir,
}

fn options(file: &Path) -> SledOptions {
    let mut fresh = [0; 16];
    SysRng.try_fill_bytes(&mut fresh).unwrap();
    SledOptions {
        epoch: Epoch::At {
            place: Arc::new(EpochFile::new(file)),
            fresh,
        },
        ..SledOptions::default()
    }
}

impl Place {
    fn new() -> Self {
        Self {
            home: Home::new(),
            beside: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.beside.path().join("epoch")
    }

    fn open(&self) -> Result<SledEngine, KeystoreError> {
        until_let_go(self.home.path());
        SledEngine::open_with(self.home.path(), &options(&self.file()))
    }

    fn code(&self) -> &'static str {
        self.open().err().unwrap().code()
    }

    /// The records that are there, where it opens.
    fn records(&self) -> Vec<u8> {
        let engine = self.open().unwrap();
        let found = engine.scan(&KeyRange::ALL, usize::MAX).unwrap();
        found.iter().map(|(name, _)| name[0]).collect()
    }

    fn accept(&self, sessions: &Sessions) -> Option<(&'static str, usize)> {
        until_let_go(self.home.path());
        let options = options(&self.file());
        let accepted = SledEngine::accept(self.home.path(), &options, sessions).unwrap();
        accepted.map(|it| (it.refusal.code(), it.records.len()))
    }

    fn keep(&self) -> Copy {
        until_let_go(self.home.path());
        copy(self.home.path())
    }

    fn put_back(&self, copy: &Copy) {
        until_let_go(self.home.path());
        for file in fs::read_dir(self.home.path()).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        for (name, bytes) in copy {
            let to = self.home.path().join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
    }
}

/// All bytes of a folder.
type Copy = BTreeMap<PathBuf, Vec<u8>>;

fn copy(folder: &Path) -> Copy {
    let (mut copy, mut ahead) = (Copy::new(), vec![folder.to_owned()]);
    while let Some(next) = ahead.pop() {
        for file in fs::read_dir(&next).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                copy.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    copy
}

/// Whether rounds are many.
#[allow(clippy::disallowed_methods)] // the tests' own switch, no setting of the program
fn full() -> bool {
    std::env::var_os("LACRE_TEST_FULL").is_some()
}

fn name(place: u8) -> KeyBytes {
    [place; 32]
}

/// Changes one record in a group of its own.
fn change(engine: &SledEngine, place: u8, expected: Option<&[u8]>, new: Option<&[u8]>) {
    let change = Change {
        key: name(place),
        expected: expected.map(<[u8]>::to_vec),
        new: new.map(<[u8]>::to_vec),
    };
    assert_eq!(engine.apply(&[change]), Ok(true));
    engine.persist().unwrap();
}

#[test]
fn every_whole_folder_of_before_is_refused_and_left_as_it_was() {
    let place = Place::new();
    let mut copies = Vec::new();
    let mut empty = 0;
    for step in 0..12 {
        copies.push(place.keep());
        let engine = place.open().unwrap();
        if step % 3 == 2 {
            change(&engine, step - 1, Some(b"one"), None);
        } else {
            change(&engine, step, None, Some(b"one"));
        }
    }
    let now = place.keep();
    assert_eq!(place.records(), [0, 3, 6, 9]);
    for copy in copies.iter().rev() {
        place.put_back(copy);
        match place.open() {
            // Of before the first record.
            Ok(engine) => {
                assert!(engine.scan(&KeyRange::ALL, 1).unwrap().is_empty());
                empty += 1;
                drop(engine);
                // An empty one begins a line of its own, and the others aren't of it any more.
                place.put_back(&now);
                assert_eq!(place.code(), "epoch_foreign");
                assert_eq!(place.accept(&Sessions::Keep), Some(("epoch_foreign", 4)));
                assert_eq!(place.records(), [0, 3, 6, 9]);
            }
            Err(error) => {
                assert_eq!(error.code(), "store_older", "{error}");
                let text = error.to_string();
                assert!(text.contains("lacre keystore accept"), "no cure: {text}");
                assert!(text.contains(place.file().to_str().unwrap()), "{text}");
                let mut after = place.keep();
                after.remove(Path::new("lock"));
                let mut before = copy.clone();
                before.remove(Path::new("lock"));
                assert!(after == before, "a refused store was changed");
            }
        }
    }
    assert_eq!(empty, 1, "the one of before all");
}

#[test]
fn what_was_put_back_is_gone_on_with_when_all_its_sessions_have_ended() {
    let place = Place::new();
    let engine = place.open().unwrap();
    for record in 0..5 {
        change(&engine, record, None, Some(b"one"));
    }
    drop(engine);
    let early = place.keep();
    let engine = place.open().unwrap();
    change(&engine, 2, Some(b"one"), None);
    drop(engine);
    let late = place.keep();

    place.put_back(&early);
    assert_eq!(place.code(), "store_older");
    assert_eq!(place.accept(&Sessions::Look), Some(("store_older", 5)));
    assert_eq!(place.code(), "store_older", "looking changes nothing");
    let left = Note::sealed_under(&Arc::new(ring()), 77, b"why", [3; 12]).unwrap();
    let end = Sessions::End(Some(left));
    assert_eq!(place.accept(&end), Some(("store_older", 5)));
    assert_eq!(place.accept(&end), None, "there is nothing left to accept");
    let engine = place.open().unwrap();
    assert!(engine.scan(&KeyRange::ALL, 1).unwrap().is_empty());
    let notes = engine.notes(None, 10).unwrap();
    let times: Vec<_> = notes.iter().map(|note| note.place.at()).collect();
    assert_eq!(times, [77; 5], "a note of each is left");
    change(&engine, 9, None, Some(b"new"));
    drop(engine);
    // The two of before are of another line now.
    let now = place.keep();
    for before in [&early, &late] {
        place.put_back(before);
        assert_eq!(place.code(), "epoch_foreign");
    }
    place.put_back(&now);
    assert_eq!(place.records(), [9]);
}

#[test]
fn who_knows_that_nothing_has_ended_keeps_the_sessions() {
    let place = Place::new();
    let engine = place.open().unwrap();
    for record in 0..5 {
        change(&engine, record, None, Some(b"one"));
    }
    drop(engine);
    // Moved to a machine that doesn't have the file.
    fs::rename(place.file(), place.beside.path().join("left")).unwrap();
    assert_eq!(place.code(), "epoch_missing");
    assert_eq!(place.accept(&Sessions::Keep), Some(("epoch_missing", 5)));
    assert_eq!(place.records(), [0, 1, 2, 3, 4]);
    // And where it comes back, it isn't this store's any more.
    fs::rename(place.beside.path().join("left"), place.file()).unwrap();
    assert_eq!(place.code(), "epoch_foreign");
    // Not set any more: it doesn't open behind its back.
    until_let_go(place.home.path());
    let refused = SledEngine::open(place.home.path()).err().unwrap();
    assert_eq!(refused.code(), "epoch_unset");
    let plain = SledOptions::default();
    let accepted = SledEngine::accept(place.home.path(), &plain, &Sessions::Keep).unwrap();
    assert_eq!(accepted.unwrap().refusal, KeystoreError::EpochUnset);
    until_let_go(place.home.path());
    assert!(SledEngine::open(place.home.path()).is_ok());
    // Set again: what was noted in between nobody knows.
    assert_eq!(place.code(), "epoch_foreign");
}

#[test]
fn a_store_in_which_records_are_missing_is_gone_on_with_and_no_session_stays() {
    let damaged = || {
        let place = Place::new();
        let engine = place.open().unwrap();
        for record in 0..5 {
            change(&engine, record, None, Some(b"one"));
        }
        drop(engine);
        let db = open_by_hand(&place.home);
        db.open_tree("records").unwrap().remove(name(3)).unwrap();
        db.flush().unwrap();
        drop(db);
        until_let_go(place.home.path());
        assert_eq!(place.code(), "store_incomplete");
        place
    };
    let place = damaged();
    assert_eq!(
        place.accept(&Sessions::End(None)),
        Some(("store_incomplete", 4))
    );
    assert!(place.records().is_empty());

    let place = damaged();
    assert_eq!(place.accept(&Sessions::Keep), Some(("store_incomplete", 4)));
    assert_eq!(place.records(), [0, 1, 2, 4]);
    let engine = place.open().unwrap();
    change(&engine, 4, Some(b"one"), None);
    drop(engine);
    assert_eq!(place.records(), [0, 1, 2]);

    // The mark is gone, or ahead.
    let place = Place::new();
    let engine = place.open().unwrap();
    change(&engine, 1, None, Some(b"one"));
    drop(engine);
    let early = place.keep();
    let engine = place.open().unwrap();
    change(&engine, 2, None, Some(b"one"));
    drop(engine);
    let mark = fs::read(place.home.path().join("mark")).unwrap();
    fs::remove_file(place.home.path().join("mark")).unwrap();
    assert_eq!(place.code(), "store_corrupt");
    assert_eq!(
        place.accept(&Sessions::End(None)),
        Some(("store_corrupt", 2))
    );
    assert!(place.records().is_empty());
    place.put_back(&early);
    fs::write(place.home.path().join("mark"), mark).unwrap();
    assert_eq!(place.code(), "store_corrupt");
    assert_eq!(
        place.accept(&Sessions::End(None)),
        Some(("store_corrupt", 1))
    );
    assert!(place.records().is_empty());
}

/// Whatever an acceptance was cut off by, no session is left by the next opening, or it is refused.
#[test]
fn an_acceptance_that_is_cut_off_leaves_no_session_behind() {
    let place = Place::new();
    let engine = place.open().unwrap();
    for record in 0..200 {
        change(&engine, record, None, Some(&[record; 300]));
    }
    drop(engine);
    let early = place.keep();
    let engine = place.open().unwrap();
    change(&engine, 2, Some(&[2; 300]), None);
    drop(engine);
    let note = fs::read(place.file()).unwrap();
    let (mut refused, mut done) = (0, 0);
    for round in 0..if full() { 200 } else { 25 } {
        place.put_back(&early);
        fs::write(place.file(), &note).unwrap();
        let mut accepting = child(
            "epoch::accepts_until_it_is_killed",
            format_args!("{} {}", place.home.path().display(), place.file().display()),
        );
        let mut told = BufReader::new(accepting.stdout.take().unwrap()).lines();
        while !told.next().unwrap().unwrap().contains("accepting") {}
        std::thread::sleep(Duration::from_micros(round * 4000 % 90_000));
        accepting.kill().unwrap();
        accepting.wait().unwrap();
        match place.open() {
            Ok(engine) => {
                assert!(engine.scan(&KeyRange::ALL, 1).unwrap().is_empty());
                done += 1;
            }
            Err(error) => {
                assert!(
                    ["store_older", "epoch_foreign"].contains(&error.code()),
                    "{error}"
                );
                refused += 1;
                assert!(place.accept(&Sessions::End(None)).is_some());
                assert!(place.records().is_empty());
            }
        }
    }
    println!("{refused} refused, {done} done");
}

#[test]
#[ignore = "a process of its own, to be killed"]
fn accepts_until_it_is_killed() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let (folder, file) = line.trim_end().split_once(' ').unwrap();
    println!("accepting");
    let accepted = SledEngine::accept(folder, &options(Path::new(file)), &Sessions::End(None));
    assert!(accepted.unwrap().is_some());
}

#[test]
#[ignore = "a process of its own, to be killed"]
fn works_until_it_is_killed() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let (folder, file) = line.trim_end().split_once(' ').unwrap();
    let keystore = keystore_on(SledEngine::open_with(folder, &options(Path::new(file))).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(async {
        let first = keystore.stats().await.unwrap().records;
        println!("open");
        for session in first.. {
            let put = keystore.put_new(&key(1, session), &record(1)).await;
            assert_eq!(put, Ok(PutOutcome::Stored));
        }
    });
}

/// A kill between any two writes leaves a store that isn't behind what is noted.
#[test]
fn a_kill_never_makes_a_store_an_earlier_one() {
    let place = Place::new();
    let rounds = if full() { 200 } else { 20 };
    let mut before = 0;
    for round in 0..rounds {
        let mut working = child(
            "epoch::works_until_it_is_killed",
            format_args!("{} {}", place.home.path().display(), place.file().display()),
        );
        let mut told = BufReader::new(working.stdout.take().unwrap()).lines();
        while !told.next().unwrap().unwrap().contains("open") {}
        std::thread::sleep(Duration::from_micros(1_700 * (round % 13)));
        working.kill().unwrap();
        working.wait().unwrap();
        let engine = place
            .open()
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        let records = engine.count().unwrap();
        assert!(records >= before);
        before = records;
    }
    assert!(before > rounds, "{before} records");
}

/// A place that can fail.
#[derive(Debug)]
struct Failing {
    file: EpochFile,
    fails: Arc<AtomicBool>,
}

impl EpochPlace for Failing {
    fn name(&self) -> String {
        self.file.name()
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        self.file.read()
    }

    fn begin(&self, note: &[u8]) -> io::Result<()> {
        self.file.begin(note)
    }

    fn write(&self, note: &[u8]) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(note)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_cannot_be_noted_outside_is_not_answered() {
    let place = Place::new();
    let fails = Arc::new(AtomicBool::new(false));
    let options = SledOptions {
        epoch: Epoch::At {
            place: Arc::new(Failing {
                file: EpochFile::new(place.file()),
                fails: Arc::clone(&fails),
            }),
            fresh: [5; 16],
        },
        ..SledOptions::default()
    };
    let keystore = keystore_on(SledEngine::open_with(place.home.path(), &options).unwrap());
    let names: Vec<RecordKey> = (0..3).map(|session| key(1, session)).collect();
    for name in &names {
        let put = keystore.put_new(name, &record(1)).await;
        assert_eq!(put, Ok(PutOutcome::Stored));
    }
    fails.store(true, Ordering::SeqCst);
    let refused = keystore.remove(&names[0]).await.unwrap_err();
    assert_eq!(refused.code(), "store_unavailable");
    assert!(
        refused.to_string().contains("how far it has come"),
        "{refused}"
    );
    assert_eq!(keystore.health().unwrap_err().code(), "store_unavailable");
    fails.store(false, Ordering::SeqCst);
    while keystore.health().is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(keystore.remove(&names[1]).await, Ok(true));
    keystore.close().await;
    drop(keystore);
    until_let_go(place.home.path());
    // Whether the first one is there is unknown to whoever asked; the second one isn't.
    let records = place.open().unwrap().count().unwrap();
    assert!(records == 1 || records == 2, "{records}");
}

/// What a group waits for besides is one write into memory of the kernel.
#[test]
fn a_note_costs_an_end_next_to_nothing() {
    let places = [Place::new(), Place::new()];
    let engines = [
        SledEngine::open(places[0].home.path()).unwrap(),
        places[1].open().unwrap(),
    ];
    let mut times = [const { Vec::new() }; 2];
    for round in 0..200 {
        // The two take turns, so that whatever else the machine does meets both.
        for (engine, times) in engines.iter().zip(&mut times) {
            let began = std::time::Instant::now();
            change(engine, 1, None, Some(&[1; 300]));
            change(engine, 1, Some(&[1; 300]), None);
            if round >= 20 {
                times.push(began.elapsed());
            }
        }
    }
    let [without, with] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!("a record put and removed: {without:?}, and noted {with:?}");
    assert!(
        with < without * 3 / 2 + Duration::from_millis(1),
        "{without:?} {with:?}"
    );
}
