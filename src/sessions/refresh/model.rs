//! The transitions of a record, in every order that threads can take them.
//!
//! The keystore promises one thing: a swap takes effect on the version that was read, or not at
//! all. Here that promise is a cell under a lock, [`Step::of`] is the real decision, and loom walks
//! through every schedule (up to three preemptions) of a few who refresh, end and mark at once.

use super::Step;
use crate::sessions::rules::Rules;
use lacre_keystore::{PrivateScalar, Record};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

const NOW: u64 = 100;

fn record() -> Record {
    Record {
        private_scalar: PrivateScalar::new([1; 32]),
        user_id: "u1".into(),
        created_at: NOW,
        authenticated_at: NOW,
        expires_at: 10_000,
        ends_at: 10_000,
        last_seen_at: NOW,
        generation: 1,
        rotated_at: NOW,
        access_ended: false,
        label: None,
        address: None,
        user_agent: None,
        client_id: None,
        last_seen_address: None,
        profile: None,
    }
}

fn rules() -> Rules {
    Rules::new("https://issuer.test", "api")
}

/// One record of a keystore, as the keystore promises it.
struct Cell(Mutex<Option<(u64, Record)>>);

impl Cell {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some((0, record())))))
    }

    fn get(&self) -> Option<(u64, Record)> {
        self.0.lock().unwrap().clone()
    }

    fn swap(&self, seen: u64, new: Option<Record>) -> bool {
        let mut cell = self.0.lock().unwrap();
        let same = cell.as_ref().is_some_and(|(version, _)| *version == seen);
        if same {
            *cell = new.map(|record| (seen + 1, record));
        }
        same
    }

    fn remove(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// What a refresh was answered: the generation of its tokens and the rights in them.
type Answer = Option<(u64, u64)>;

/// The loop of a refresh: read, decide, ask for the rights, swap.
fn refresh(cell: &Cell, generation: u64, rights: &AtomicU64) -> Answer {
    while let Some((version, record)) = cell.get() {
        match Step::of(&record, generation, NOW, &rules()).unwrap() {
            Step::Renew(renewed) => {
                let rights = rights.load(Ordering::SeqCst);
                let generation = renewed.generation;
                if cell.swap(version, Some(renewed)) {
                    return Some((generation, rights));
                }
            }
            Step::Repeat => return Some((record.generation, rights.load(Ordering::SeqCst))),
            Step::End if cell.swap(version, None) => return None,
            Step::End => {}
        }
    }
    None
}

fn end_access(cell: &Cell) {
    while let Some((version, record)) = cell.get() {
        if cell.swap(
            version,
            Some(Record {
                access_ended: true,
                ..record
            }),
        ) {
            return;
        }
    }
}

fn see(cell: &Cell) {
    if let Some((version, record)) = cell.get() {
        cell.swap(
            version,
            Some(Record {
                last_seen_at: NOW + 60,
                ..record
            }),
        );
    }
}

fn every_schedule(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

#[test]
fn all_who_refresh_at_once_are_answered_with_one_generation() {
    every_schedule(|| {
        let cell = Cell::new();
        let rights = Arc::new(AtomicU64::new(1));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (cell, rights) = (cell.clone(), rights.clone());
                thread::spawn(move || refresh(&cell, 1, &rights))
            })
            .collect();
        let mut answers = vec![refresh(&cell, 1, &rights)];
        answers.extend(others.into_iter().map(|other| other.join().unwrap()));
        assert_eq!(answers, [Some((2, 1)); 3]);
        assert_eq!(cell.get().unwrap().1.generation, 2);
    });
}

#[test]
fn nothing_brings_an_ended_session_back() {
    every_schedule(|| {
        let cell = Cell::new();
        let rights = Arc::new(AtomicU64::new(1));
        let refreshes = {
            let (cell, rights) = (cell.clone(), rights.clone());
            thread::spawn(move || refresh(&cell, 1, &rights))
        };
        let sees = {
            let cell = cell.clone();
            thread::spawn(move || see(&cell))
        };
        cell.remove();
        refreshes.join().unwrap();
        sees.join().unwrap();
        assert_eq!(cell.get(), None);
    });
}

#[test]
fn no_access_token_with_the_rights_of_before_stays_good() {
    every_schedule(|| {
        let cell = Cell::new();
        let rights = Arc::new(AtomicU64::new(1));
        let refreshes = {
            let (cell, rights) = (cell.clone(), rights.clone());
            thread::spawn(move || refresh(&cell, 1, &rights))
        };
        rights.store(2, Ordering::SeqCst); // the account first,
        end_access(&cell); // then its sessions
        let (generation, seen) = refreshes.join().unwrap().unwrap();
        let now = cell.get().unwrap().1;
        let good = now.generation == generation && !now.access_ended;
        assert!(!good || seen == 2, "a good token has the rights of {seen}");
    });
}

#[test]
fn seeing_a_session_loses_no_refresh() {
    every_schedule(|| {
        let cell = Cell::new();
        let rights = Arc::new(AtomicU64::new(1));
        let sees = {
            let cell = cell.clone();
            thread::spawn(move || see(&cell))
        };
        assert_eq!(refresh(&cell, 1, &rights), Some((2, 1)));
        sees.join().unwrap();
        assert_eq!(cell.get().unwrap().1.generation, 2);
    });
}
