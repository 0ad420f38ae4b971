//! A process that is killed at any moment keeps what it answered.
//!
//! A child, this same program, works on a folder and prints each change when it is answered. It
//! is killed after a random number of lines, again and again on one folder. What it printed must
//! be there; what was under way may be there or not, and stays as it is found.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use lacre_keystore::{Keystore, PutOutcome, RecordKey, SledEngine, Swap};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::support::{Home, at_once, child, generation, key, keystore_on, record, swap};

const ROUNDS: u8 = 20;
const TASKS: u64 = 8;

/// How far a session has come. Each step is one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Nothing,
    Put,
    Swapped,
    Removed,
}

impl Step {
    fn next(self, session: u64) -> Option<Self> {
        match self {
            Self::Nothing => Some(Self::Put),
            Self::Put => Some(Self::Swapped),
            // Every third session lives on.
            Self::Swapped if !session.is_multiple_of(3) => Some(Self::Removed),
            _ => None,
        }
    }

    /// The generation of the record at this step.
    fn generation(self) -> Option<u64> {
        match self {
            Self::Put => Some(1),
            Self::Swapped => Some(2),
            Self::Nothing | Self::Removed => None,
        }
    }
}

/// The child's part: to be started by the test below, which tells it where and in what round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the part of the process that is killed"]
async fn works_until_it_is_killed() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let Some((round, folder)) = line.trim_end().split_once(' ') else {
        return;
    };
    let round: u8 = round.parse().unwrap();
    tell("opening");
    let keystore = keystore_on(SledEngine::open(folder).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let keystore = keystore.clone();
        tasks.spawn(async move {
            for session in (task..).step_by(usize::try_from(TASKS).unwrap()) {
                work(&keystore, round, session).await;
            }
        });
    }
    tasks.join_all().await;
}

/// Takes one session through its steps and tells each when it is answered.
async fn work(keystore: &Keystore, round: u8, session: u64) {
    let name = key(round, session);
    let put = keystore.put_new(&name, &record(1)).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
    tell(&format!("{session} put"));
    let seen = keystore.get(&name).await.unwrap().unwrap();
    assert_eq!(swap(keystore, &name, &seen, 2).await, Ok(Swap::Won));
    tell(&format!("{session} swapped"));
    if !session.is_multiple_of(3) {
        assert_eq!(keystore.remove(&name).await, Ok(true));
        tell(&format!("{session} removed"));
    }
}

/// One line to the parent, at once.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ledger {line}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

fn start(home: &Home, round: u8) -> Child {
    child(
        "killed::works_until_it_is_killed",
        format_args!("{round} {}", home.path().display()),
    )
}

/// Reads the child's ledger, kills it after so many lines, and reads what it still said.
fn kill_after(mut child: Child, lines: usize) -> BTreeMap<u64, Step> {
    let mut told = 0;
    let mut ledger = BTreeMap::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test harness begins its own line and doesn't end it before ours.
        let Some((_, entry)) = line.split_once("ledger ") else {
            continue;
        };
        if let Some((session, step)) = entry.split_once(' ') {
            let step = match step {
                "put" => Step::Put,
                "swapped" => Step::Swapped,
                "removed" => Step::Removed,
                other => panic!("unknown entry {other}"),
            };
            ledger.insert(session.parse().unwrap(), step);
        }
        told += 1;
        if told == lines {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "the child ended by itself");
    assert!(told >= lines);
    ledger
}

#[test]
fn what_was_answered_survives_a_kill() {
    let home = Home::new();
    let mut settled: BTreeMap<RecordKey, Option<u64>> = BTreeMap::new();
    let mut random = SysRng;
    for round in 0..ROUNDS {
        // Now and then in the middle of opening.
        let most = if round % 5 == 4 { 3 } else { 2_000 };
        let lines = 1 + usize::try_from(random.try_next_u32().unwrap()).unwrap() % most;
        let ledger = kill_after(start(&home, round), lines);

        let keystore = keystore_on(SledEngine::open(home.path()).unwrap());
        let furthest = ledger.keys().max().copied().unwrap_or(0);
        for session in 0..=furthest + TASKS {
            let step = ledger.get(&session).copied().unwrap_or(Step::Nothing);
            let found = at_once(generation(&keystore, &key(round, session)));
            let under_way = step.next(session).map(Step::generation);
            assert!(
                found == step.generation() || Some(found) == under_way,
                "round {round}, killed after {lines}: session {session} was answered {step:?}, \
                 found {found:?}"
            );
            settled.insert(key(round, session), found);
        }
        for (name, found) in &settled {
            assert_eq!(
                at_once(generation(&keystore, name)),
                *found,
                "round {round}: {name}"
            );
        }
        let alive = settled.values().flatten().count() as u64;
        assert_eq!(
            at_once(keystore.stats()).unwrap().records,
            alive,
            "round {round}"
        );
    }
}
