//! A process that is killed at any moment leaves each batch made wholly or not at all.
//!
//! A child, this same program, gives all records of a folder a new number, batch by batch, more
//! and fewer of them each time. Each batch is longer than what sled writes at once, so that a kill
//! falls into the middle of one as often as not. Whatever is found, all of it has one number.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::time::Duration;

use lacre_keystore::{Change, Engine, KeyBytes, KeyRange, SledEngine};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::support::{Home, child, open_by_hand};

const ROUNDS: u32 = 40;

/// How many records there are after the batch of this number: few now and then.
fn count(number: u64) -> u64 {
    if number == 0 {
        0
    } else if number.is_multiple_of(5) {
        1 + number % 3
    } else {
        100 + number * 37 % 200
    }
}

fn name(place: u64) -> KeyBytes {
    let mut key = [3; 32];
    key[16..24].copy_from_slice(&place.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[24..].copy_from_slice(&place.to_be_bytes());
    key
}

fn value(number: u64, place: u64) -> Vec<u8> {
    let length = 8 + usize::try_from((number * 31 + place * 7) % 4_000).unwrap();
    let mut value = number.to_be_bytes().to_vec();
    value.resize(length, u8::try_from(number % 251).unwrap());
    value
}

/// The number of what is there, all of which must be of it.
fn number_of(engine: &SledEngine) -> u64 {
    let entries = engine.scan(&KeyRange::ALL, usize::MAX).unwrap();
    let Some((_, first)) = entries.first() else {
        return 0;
    };
    let number = u64::from_be_bytes(first[..8].try_into().unwrap());
    assert_eq!(entries.len() as u64, count(number), "of batch {number}");
    for (key, found) in entries {
        let place = u64::from_be_bytes(key[24..].try_into().unwrap());
        assert_eq!(key, name(place));
        assert!(place < count(number) && found == value(number, place));
    }
    number
}

/// What makes number `next` of the one before.
fn batch(next: u64) -> Vec<Change> {
    let before = next - 1;
    (0..count(before).max(count(next)))
        .map(|place| Change {
            key: name(place),
            expected: (place < count(before)).then(|| value(before, place)),
            new: (place < count(next)).then(|| value(next, place)),
        })
        .collect()
}

/// The child's part: to be started by the test below, which tells it where.
#[test]
#[ignore = "the part of the process that is killed"]
fn works_until_it_is_killed() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).unwrap();
    if folder.trim_end().is_empty() {
        return;
    }
    tell("opening");
    let engine = SledEngine::open(folder.trim_end()).unwrap();
    for next in number_of(&engine) + 1.. {
        assert_eq!(engine.apply(&batch(next)), Ok(true));
        // Few of them wait for the disk, so that most of the time is spent in batches.
        if next.is_multiple_of(4) {
            engine.persist().unwrap();
            tell(&next.to_string());
        }
    }
}

/// One line to the parent, at once.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ledger {line}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

fn start(home: &Home) -> Child {
    child(
        "killed_batches::works_until_it_is_killed",
        home.path().display(),
    )
}

/// Kills the child some time after so many lines; the number that was durable last.
fn kill_after(mut child: Child, lines: u32, pause: Duration) -> Option<u64> {
    let (mut told, mut durable) = (0, None);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((_, entry)) = line.split_once("ledger ") else {
            continue;
        };
        durable = entry.parse().ok().or(durable);
        told += 1;
        if told == lines {
            // Not to wait for something: the moment of the kill is what is being tried.
            std::thread::sleep(pause);
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the child ended by itself");
    durable
}

#[test]
fn a_batch_is_found_whole_or_not_at_all_after_a_kill() {
    let home = Home::new();
    let mut random = SysRng;
    let (mut number, mut redone) = (0, 0);
    for round in 0..ROUNDS {
        let drawn = random.try_next_u32().unwrap();
        let (lines, pause) = (
            1 + drawn % 3,
            Duration::from_micros(u64::from(drawn) % 40_000),
        );
        let durable = kill_after(start(&home), lines, pause).unwrap_or(number);
        redone += u32::from(is_planned(&home));
        let engine = SledEngine::open(home.path()).unwrap();
        let found = number_of(&engine);
        assert!(
            found >= durable,
            "round {round}: {durable} was durable, found {found}"
        );
        drop(engine);
        assert_eq!(number_of(&SledEngine::open(home.path()).unwrap()), found);
        number = found;
    }
    println!("{number} batches, {redone} of {ROUNDS} kills left one to be finished");
    assert!(redone > 0, "no kill fell into the middle of a batch");
}

/// Whether a whole plan is there.
fn is_planned(home: &Home) -> bool {
    let db = open_by_hand(home);
    let state = db.open_tree("state").unwrap();
    state
        .contains_key([&b"plan"[..], &0_u64.to_be_bytes()].concat())
        .unwrap()
}
