//! The removal of everything: in steps, and nevertheless all or nothing.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::task::{Context, Waker};
use std::time::Duration;

use lacre_keystore::{Change, Engine, KeyRange, MemoryEngine, PutOutcome, SledEngine};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::faults::Gated;
use crate::support::{
    Home, Kind, child, generation, key, keystore_on, on_every_engine, open_by_hand, record,
};

/// More than four steps.
const RECORDS: u64 = 2_400;

const ROUNDS: u32 = 24;

fn fill(engine: &impl Engine) {
    for session in 0..RECORDS {
        let change = Change {
            key: key(1, session).to_bytes(),
            expected: None,
            new: Some(vec![9; 100]),
        };
        assert_eq!(engine.apply(&[change]), Ok(true));
    }
    engine.persist().unwrap();
}

fn filled<K: Kind>(home: &Home) -> impl Engine {
    let engine = K::engine(home);
    fill(&engine);
    engine
}

on_every_engine!(
    two_who_remove_all_at_once_are_both_answered,
    who_stops_waiting_leaves_nothing_behind_that_ends_later_sessions,
    closing_waits_for_the_last_step,
);

async fn two_who_remove_all_at_once_are_both_answered<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(filled::<K>(&home));
    let (one, two) = tokio::join!(keystore.remove_all(), keystore.remove_all());
    assert_eq!(one.unwrap() + two.unwrap(), RECORDS);
    assert_eq!(keystore.is_empty().await, Ok(true));
    assert_eq!(keystore.stats().await.unwrap().records, 0);
}

async fn who_stops_waiting_leaves_nothing_behind_that_ends_later_sessions<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(filled::<K>(&home));
    let mut removal = Box::pin(keystore.remove_all());
    let mut context = Context::from_waker(Waker::noop());
    let _ = removal.as_mut().poll(&mut context);
    drop(removal);
    // It begins when the first has ended.
    assert_eq!(keystore.remove_all().await, Ok(0));
    let put = keystore.put_new(&key(2, 1), &record(1)).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
    if home.path().join("db").exists() {
        drop(keystore);
        let keystore = keystore_on(K::engine(&home));
        assert_eq!(generation(&keystore, &key(2, 1)).await, Some(1));
    }
}

async fn closing_waits_for_the_last_step<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(filled::<K>(&home));
    let (removed, ()) = tokio::join!(keystore.remove_all(), keystore.close());
    assert_eq!(removed, Ok(RECORDS));
    assert_eq!(keystore.is_empty().await, Ok(true));
}

#[tokio::test]
async fn other_changes_get_their_turn_between_the_steps() {
    let engine = MemoryEngine::new();
    fill(&engine);
    let (gated, has_begun, let_go) = Gated::new(engine);
    let keystore = keystore_on(gated);
    let mut context = Context::from_waker(Waker::noop());
    let mut removal = Box::pin(keystore.remove_all());
    assert!(removal.as_mut().poll(&mut context).is_pending());
    has_begun.recv().unwrap();
    // Behind the first step's persist and before the second.
    let (name, new) = (key(0, 1), record(1));
    let mut put = Box::pin(keystore.put_new(&name, &new));
    assert!(put.as_mut().poll(&mut context).is_pending());
    for _ in 0..2 {
        let_go.send(()).unwrap();
        has_begun.recv().unwrap();
    }
    assert_eq!(put.await, Ok(PutOutcome::Stored));
    assert!(removal.as_mut().poll(&mut context).is_pending());
    for _ in 0..3 {
        let_go.send(()).unwrap();
    }
    assert_eq!(removal.await, Ok(RECORDS));
    // It was put before the place that the removal had come to.
    assert_eq!(generation(&keystore, &name).await, Some(1));
}

#[test]
fn a_store_with_the_note_is_empty_when_it_is_opened_and_once_only() {
    let home = Home::new();
    let engine = filled::<crate::support::Sled>(&home);
    engine.note_emptying(true, None).unwrap();
    engine.note_emptying(false, None).unwrap();
    drop(engine);
    let engine = SledEngine::open(home.path()).unwrap();
    assert_eq!(engine.count(), Ok(RECORDS));
    engine.note_emptying(true, None).unwrap();
    drop(engine);
    let mark = || std::fs::read(home.path().join("mark")).unwrap();
    let before = mark();
    let engine = SledEngine::open(home.path()).unwrap();
    assert_eq!(engine.count(), Ok(0));
    assert_ne!(mark(), before, "it is a durable group");
    fill(&engine);
    drop(engine);
    let engine = SledEngine::open(home.path()).unwrap();
    assert_eq!(engine.count(), Ok(RECORDS));
}

/// The child's part: to be started by the test below, which tells it where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the part of the process that is killed"]
async fn removes_all_until_it_is_killed() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).unwrap();
    if folder.trim_end().is_empty() {
        return;
    }
    let engine = SledEngine::open(folder.trim_end()).unwrap();
    fill(&engine);
    let keystore = keystore_on(engine);
    let mut out = std::io::stdout().lock();
    out.write_all(b"ledger begun\n").unwrap();
    assert_eq!(keystore.remove_all().await, Ok(RECORDS));
    out.write_all(b"ledger answered\n").unwrap();
    std::thread::park();
}

fn start(home: &Home) -> Child {
    child(
        "emptied::removes_all_until_it_is_killed",
        home.path().display(),
    )
}

#[test]
fn after_a_kill_all_records_are_there_or_none() {
    let (mut whole, mut halfway, mut random) = (0, 0, SysRng);
    for round in 0..ROUNDS {
        let home = Home::new();
        let mut child = start(&home);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ledger begun")));
        // Not to wait for something: the moment of the kill is what is being tried, up to 50 ms
        // and less on a faster disk.
        let pause = u64::from(random.try_next_u32().unwrap()) % (100 << (round % 10));
        std::thread::sleep(Duration::from_micros(pause));
        child.kill().unwrap();
        let answered = lines.any(|line| line.unwrap().ends_with("ledger answered"));
        assert_eq!(child.wait().unwrap().code(), None);

        halfway += u32::from(is_halfway(&home));
        let engine = SledEngine::open(home.path()).unwrap();
        let found = engine.scan(&KeyRange::ALL, usize::MAX).unwrap().len() as u64;
        assert!(
            found == 0 || found == RECORDS && !answered,
            "round {round}: {found} records"
        );
        whole += u32::from(found == RECORDS);
    }
    println!("of {ROUNDS} kills {whole} came before the removal and {halfway} into it");
    assert!(halfway > 0, "no kill fell between two steps");
}

/// Whether some records have gone and others haven't.
fn is_halfway(home: &Home) -> bool {
    let db = open_by_hand(home);
    let count = db.open_tree("records").unwrap().len() as u64;
    count > 0 && count < RECORDS
}
