//! Two processes that write to one store at once.

use std::io::{BufRead as _, BufReader, stdin};
use std::process::Child;
use std::sync::Arc;

use lacre_keystore::{Keystore, Swap};

use crate::support::{child, key, record};
use crate::{postgres, redis};

/// How often each of them changes the record that both change.
const CHANGES: u64 = 40;
/// How many sessions the other one ends.
const ENDED: u64 = 5;

/// Raises the generation of a record, whoever raises it besides.
async fn raise(keystore: &Keystore) {
    let name = key(1, 0);
    for _ in 0..CHANGES {
        loop {
            let read = keystore.get(&name).await.unwrap().unwrap();
            let new = record(read.record.generation + 1);
            if keystore.compare_and_swap(&name, &read, &new).await == Ok(Swap::Won) {
                break;
            }
        }
    }
}

/// Both change one record, of which no change may be lost; then the other process ends sessions, of which each is
/// refused here when it says so.
async fn with_another(one: Keystore, start: impl FnOnce() -> Child) {
    for session in 0..=ENDED {
        let put = one.put_new(&key(1, session), &record(0)).await;
        assert!(put.is_ok());
    }
    let mut other = start();
    raise(&one).await;
    let mut said = BufReader::new(other.stdout.take().unwrap()).lines();
    let mut next = |due: &str| {
        // The test program has words of its own before.
        while !said.next().expect(due).unwrap().ends_with(due) {}
    };
    next("raised");
    let read = one.get(&key(1, 0)).await.unwrap().unwrap();
    assert_eq!(read.record.generation, 2 * CHANGES);
    let mut kept = 0;
    for session in 1..=ENDED {
        let read = one.get(&key(1, session)).await.unwrap();
        let held = read.filter(|read| one.is_current(&key(1, session), &read.version));
        next(&format!("ended {session}"));
        if let Some(read) = held {
            kept += 1;
            assert!(!one.is_current(&key(1, session), &read.version));
        }
        assert!(one.get(&key(1, session)).await.unwrap().is_none());
    }
    assert!(kept > 0, "none was read before it ended");
    assert!(other.wait().unwrap().success());
}

async fn the_other(other: Keystore) {
    raise(&other).await;
    println!("raised");
    for session in 1..=ENDED {
        // The first process has time to read it.
        tokio::time::sleep(10 * postgres::LEASE).await;
        assert_eq!(other.remove(&key(1, session)).await, Ok(true));
        println!("ended {session}");
    }
}

fn url() -> String {
    let mut line = String::new();
    stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[test]
fn two_processes_write_to_one_database() {
    postgres::with_stores(|stores| async move {
        let start = || child("processes::the_other_on_postgres", &stores.schema.url);
        with_another(postgres::open(&stores.one), start).await;
    });
}

#[test]
#[ignore = "the other process of two_processes_write_to_one_database"]
fn the_other_on_postgres() {
    lacre_keystore::conformance::run(async {
        let store = postgres::opened(&url()).await.unwrap();
        the_other(postgres::open(&Arc::new(store))).await;
    });
}

#[test]
fn two_processes_write_to_one_server_of_redis() {
    redis::with_stores(|stores| async move {
        let start = || child("processes::the_other_on_redis", stores.server.url());
        with_another(redis::keystore(&stores.one), start).await;
    });
}

#[test]
#[ignore = "the other process of two_processes_write_to_one_server_of_redis"]
fn the_other_on_redis() {
    lacre_keystore::conformance::run(async {
        let store = redis::opened(&url()).await.unwrap();
        the_other(redis::keystore(&Arc::new(store))).await;
    });
}
