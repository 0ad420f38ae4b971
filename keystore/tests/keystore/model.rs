//! Any sequence of calls does to a keystore what it does to a map.

use std::collections::BTreeMap;

use lacre_keystore::{Keystore, PutOutcome, RecordKey, Stored, Swap};
use proptest::prelude::*;

use crate::support::{Home, Kind, Memory, Sled, at_once, key, keystore_on, record, user};

#[derive(Clone, Debug)]
enum Call {
    Put(RecordKey),
    /// Reads the record and keeps its version for later calls.
    See(RecordKey),
    /// Swaps the version seen last, however old it is.
    Swap(RecordKey),
    Remove(RecordKey),
    /// Removes the version seen last, however old it is.
    RemoveIf(RecordKey),
    /// Puts one and removes the versions of others seen last.
    PutAndRemove(RecordKey, Vec<RecordKey>),
    RemoveUser(u8),
    RemoveUserBut(u8, RecordKey),
    RemoveAll,
    Sweep(u64),
    List(u8, usize),
    Reopen,
}

fn call() -> impl Strategy<Value = Call> {
    let name = (0..3_u8, 0..4_u64).prop_map(|(user, session)| key(user, session));
    prop_oneof![
        6 => name.clone().prop_map(Call::Put),
        6 => name.clone().prop_map(Call::See),
        6 => name.clone().prop_map(Call::Swap),
        3 => name.clone().prop_map(Call::Remove),
        3 => name.clone().prop_map(Call::RemoveIf),
        4 => (name.clone(), prop::collection::vec(name.clone(), 0..4))
            .prop_map(|(new, others)| Call::PutAndRemove(new, others)),
        1 => (0..3_u8).prop_map(Call::RemoveUser),
        1 => (0..3_u8, name).prop_map(|(user, keep)| Call::RemoveUserBut(user, keep)),
        1 => Just(Call::RemoveAll),
        1 => (0..60_u64).prop_map(Call::Sweep),
        2 => (0..3_u8, 1..4_usize).prop_map(|(user, limit)| Call::List(user, limit)),
        1 => Just(Call::Reopen),
    ]
}

/// What the keystore should hold: the generation of each record, and how many changes each name
/// has seen, which tells its versions apart.
#[derive(Default)]
struct Model {
    records: BTreeMap<RecordKey, (u64, u64)>,
    seen: BTreeMap<RecordKey, (Stored, u64)>,
    changes: u64,
}

impl Model {
    fn is_current(&self, name: &RecordKey) -> bool {
        match (self.records.get(name), self.seen.get(name)) {
            (Some((_, change)), Some((_, seen))) => change == seen,
            _ => false,
        }
    }

    fn remove(&mut self, gone: impl Fn(&RecordKey) -> bool) -> Vec<RecordKey> {
        let gone = self.records.extract_if(.., |name, _| gone(name));
        gone.map(|(name, _)| name).collect()
    }

    /// The record of a change; it is over when a sweep's time reaches its generation.
    fn store(&mut self, name: RecordKey) {
        self.changes += 1;
        self.records.insert(name, (self.changes, self.changes));
    }
}

/// Makes one call and compares the answer.
async fn step(keystore: &Keystore, model: &mut Model, call: Call) {
    match call {
        Call::Put(name) => {
            let mut new = record(model.changes + 1);
            new.expires_at = model.changes + 1;
            let outcome = keystore.put_new(&name, &new).await.unwrap();
            if model.records.contains_key(&name) {
                assert_eq!(outcome, PutOutcome::Taken);
            } else {
                assert_eq!(outcome, PutOutcome::Stored);
                model.store(name);
            }
        }
        Call::See(name) => {
            let found = keystore.get(&name).await.unwrap();
            let expected = model.records.get(&name);
            assert_eq!(
                found.as_ref().map(|stored| stored.record.generation),
                expected.map(|(generation, _)| *generation)
            );
            if let (Some(found), Some((_, change))) = (found, expected) {
                model.seen.insert(name, (found, *change));
            }
        }
        Call::Swap(name) => {
            let Some((seen, _)) = model.seen.get(&name) else {
                return;
            };
            let mut new = record(model.changes + 1);
            new.expires_at = model.changes + 1;
            let outcome = keystore.compare_and_swap(&name, seen, &new).await;
            if model.is_current(&name) {
                assert_eq!(outcome, Ok(Swap::Won));
                model.store(name);
            } else {
                assert_eq!(outcome, Ok(Swap::Lost));
            }
        }
        Call::Remove(name) => {
            let there = model.records.remove(&name).is_some();
            assert_eq!(keystore.remove(&name).await, Ok(there));
        }
        Call::RemoveIf(name) => {
            let Some((seen, _)) = model.seen.get(&name) else {
                return;
            };
            let current = model.is_current(&name);
            assert_eq!(keystore.remove_if(&name, seen).await, Ok(current));
            if current {
                model.records.remove(&name);
            }
        }
        Call::PutAndRemove(name, others) => put_and_remove(keystore, model, name, others).await,
        Call::RemoveUser(number) => {
            let gone = model.remove(|name| name.user == user(number));
            assert_eq!(keystore.remove_user(user(number)).await, Ok(gone));
        }
        Call::RemoveUserBut(number, keep) => {
            let gone = model.remove(|name| name.user == user(number) && *name != keep);
            let removed = keystore.remove_user_but(user(number), &keep).await;
            assert_eq!(removed, Ok(gone));
        }
        Call::RemoveAll => {
            let gone = std::mem::take(&mut model.records).len() as u64;
            assert_eq!(keystore.remove_all().await, Ok(gone));
        }
        Call::Sweep(now) => {
            let before = model.records.len();
            model.records.retain(|_, (generation, _)| now < *generation);
            let gone = before - model.records.len();
            assert_eq!(keystore.sweep(now).await, Ok(gone));
        }
        Call::List(number, limit) => list(keystore, model, number, limit),
        Call::Reopen => {}
    }
    assert_eq!(
        keystore.stats().await.unwrap().records,
        model.records.len() as u64
    );
}

async fn put_and_remove(
    keystore: &Keystore,
    model: &mut Model,
    name: RecordKey,
    mut others: Vec<RecordKey>,
) {
    others.retain(|other| model.seen.contains_key(other));
    let seen: Vec<_> = others
        .iter()
        .map(|other| (*other, model.seen[other].0.clone()))
        .collect();
    let mut new = record(model.changes + 1);
    new.expires_at = model.changes + 1;
    let outcome = keystore.put_new_and_remove(&name, &new, &seen).await;
    let fits =
        !model.records.contains_key(&name) && others.iter().all(|other| model.is_current(other));
    if fits {
        assert_eq!(outcome, Ok(Swap::Won));
        model.records.retain(|present, _| !others.contains(present));
        model.store(name);
    } else {
        assert_eq!(outcome, Ok(Swap::Lost));
    }
}

fn list(keystore: &Keystore, model: &Model, number: u8, limit: usize) {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = at_once(keystore.list(user(number), after, limit)).unwrap();
        assert!(page.damaged.is_empty() && page.entries.len() <= limit);
        found.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next.session),
            None => break,
        }
    }
    let expected = model
        .records
        .iter()
        .filter(|(name, _)| name.user == user(number));
    let expected: Vec<_> = expected
        .map(|(name, (generation, _))| (*name, *generation))
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(name, record)| (*name, record.generation))
        .collect();
    assert_eq!(found, expected);
}

fn behaves_as_a_map<K: Kind>(calls: Vec<Call>, keeps: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let home = Home::new();
        let mut keystore = keystore_on(K::engine(&home));
        let mut model = Model::default();
        for call in calls {
            if keeps && matches!(call, Call::Reopen) {
                drop(keystore);
                keystore = keystore_on(K::engine(&home));
            }
            step(&keystore, &mut model, call).await;
        }
        for (name, (generation, _)) in &model.records {
            let stored = keystore.get(name).await.unwrap().unwrap();
            assert_eq!(stored.record.generation, *generation);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_keystore_in_memory_behaves_as_a_map(calls in prop::collection::vec(call(), 1..120)) {
        behaves_as_a_map::<Memory>(calls, false);
    }

    #[test]
    fn a_keystore_on_disk_behaves_as_a_map(calls in prop::collection::vec(call(), 1..120)) {
        behaves_as_a_map::<Sled>(calls, true);
    }
}
