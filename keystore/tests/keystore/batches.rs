//! Batches of changes on an engine: all or nothing, also for who opens the store anew.
//!
//! What a crash leaves is put into sled's trees by hand here; a process that is really killed is in
//! `killed_batches`.

use std::collections::BTreeMap;

use lacre_keystore::{Change, Engine, KeyBytes, KeyRange, SledEngine};
use proptest::prelude::*;

use crate::support::{Home, Kind, Memory, Sled, on_every_engine, open_by_hand};

type Map = BTreeMap<KeyBytes, Vec<u8>>;

fn name(number: u8) -> KeyBytes {
    [number; 32]
}

/// A change that expects what the map has.
fn change(map: &Map, number: u8, new: Option<&[u8]>) -> Change {
    Change {
        key: name(number),
        expected: map.get(&name(number)).cloned(),
        new: new.map(<[u8]>::to_vec),
    }
}

fn make(map: &mut Map, changes: &[Change]) {
    for Change { key, new, .. } in changes {
        match new {
            Some(value) => map.insert(*key, value.clone()),
            None => map.remove(key),
        };
    }
}

fn contents(engine: &impl Engine) -> Map {
    let entries = engine.scan(&KeyRange::ALL, usize::MAX).unwrap();
    entries.into_iter().collect()
}

on_every_engine!(
    one_change_that_doesnt_fit_keeps_all_from_being_made,
    an_empty_batch_is_made,
);

async fn one_change_that_doesnt_fit_keeps_all_from_being_made<K: Kind>() {
    let home = Home::new();
    let engine = K::engine(&home);
    let mut map = Map::new();
    let puts = [1, 2, 3].map(|number| change(&map, number, Some(&[number])));
    assert_eq!(engine.apply(&puts), Ok(true));
    make(&mut map, &puts);
    assert_eq!(contents(&engine), map);
    assert_eq!(engine.apply(&puts), Ok(false), "they are there now");

    let good = [
        change(&map, 1, None),
        change(&map, 2, Some(b"new")),
        change(&map, 4, Some(b"four")),
    ];
    for place in 0..good.len() {
        for wrong in [None, Some(b"another".to_vec()), Some(Vec::new())] {
            let mut changes = good.to_vec();
            if changes[place].expected == wrong {
                continue;
            }
            changes[place].expected = wrong;
            assert_eq!(engine.apply(&changes), Ok(false));
            assert_eq!(contents(&engine), map);
        }
    }
    assert_eq!(engine.apply(&good), Ok(true));
    make(&mut map, &good);
    assert_eq!(contents(&engine), map);
}

async fn an_empty_batch_is_made<K: Kind>() {
    let home = Home::new();
    let engine = K::engine(&home);
    assert_eq!(engine.apply(&[]), Ok(true));
    assert_eq!(engine.count(), Ok(0));
}

/// What a test does to an engine and to a map.
#[derive(Clone, Debug)]
enum Step {
    /// Keys, what each is to hold, and whether the change expects something else than is there.
    Batch(BTreeMap<u8, (Option<Vec<u8>>, bool)>),
    Persist,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let new = prop::option::of(prop::collection::vec(any::<u8>(), 0..2_000));
    let wrong = prop::bool::weighted(0.05);
    prop_oneof![
        8 => prop::collection::btree_map(0..12_u8, (new, wrong), 0..8).prop_map(Step::Batch),
        1 => Just(Step::Persist),
        1 => Just(Step::Reopen),
    ]
}

fn behaves_as_a_map<K: Kind>(steps: Vec<Step>, keeps: bool) {
    let home = Home::new();
    let mut engine = K::engine(&home);
    let mut map = Map::new();
    for step in steps {
        match step {
            Step::Batch(wanted) => {
                let fits = wanted.values().all(|(_, wrong)| !wrong);
                let changes: Vec<_> = wanted
                    .iter()
                    .map(|(&number, (new, wrong))| {
                        let mut change = change(&map, number, new.as_deref());
                        if *wrong {
                            change.expected = Some(b"never there".to_vec());
                        }
                        change
                    })
                    .collect();
                assert_eq!(engine.apply(&changes), Ok(fits));
                if fits {
                    make(&mut map, &changes);
                }
            }
            Step::Persist => engine.persist().unwrap(),
            Step::Reopen if keeps => {
                drop(engine);
                engine = K::engine(&home);
            }
            Step::Reopen => {}
        }
        assert_eq!(contents(&engine), map);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn batches_in_memory_behave_as_on_a_map(steps in prop::collection::vec(step(), 1..60)) {
        behaves_as_a_map::<Memory>(steps, false);
    }

    #[test]
    fn batches_on_disk_behave_as_on_a_map(steps in prop::collection::vec(step(), 1..60)) {
        behaves_as_a_map::<Sled>(steps, true);
    }
}

/// Something that is done to a store's trees, `records` and `state`, without the engine.
fn by_hand(home: &Home, work: impl FnOnce(&::sled::Tree, &::sled::Tree)) {
    let db = open_by_hand(home);
    let trees = ["records", "state"].map(|name| db.open_tree(name).unwrap());
    work(&trees[0], &trees[1]);
    db.flush().unwrap();
}

/// The parts of a plan that are in the store.
fn parts(home: &Home) -> usize {
    let mut count = 0;
    by_hand(home, |_, state| {
        count = state.scan_prefix("plan").count();
    });
    count
}

fn part_key(number: u64) -> Vec<u8> {
    [&b"plan"[..], &number.to_be_bytes()].concat()
}

/// The plan of these changes, in its own words.
fn plan_of(changes: &[Change]) -> Vec<u8> {
    let mut steps = Vec::new();
    for Change { key, new, .. } in changes {
        steps.extend(key);
        match new {
            Some(value) => {
                steps.extend((value.len() as u64).to_be_bytes());
                steps.extend(value);
            }
            None => steps.extend([0xff; 8]),
        }
    }
    let mut plan = vec![1];
    plan.extend((steps.len() as u64).to_be_bytes());
    plan.extend(steps);
    plan
}

/// A store of three records, and changes of them: a swap, a removal and a put that takes the plan
/// beyond one part.
fn three_and_their_changes(home: &Home) -> (Map, Vec<Change>) {
    let engine = SledEngine::open(home.path()).unwrap();
    let mut map = Map::new();
    let puts = [1, 2, 3].map(|number| change(&map, number, Some(&[number; 9])));
    assert_eq!(engine.apply(&puts), Ok(true));
    engine.persist().unwrap();
    make(&mut map, &puts);
    let changes = vec![
        change(&map, 1, Some(b"another")),
        change(&map, 2, None),
        change(&map, 4, Some(&[4; 4_096])),
    ];
    (map, changes)
}

/// The entry of the digest that stands before these changes.
fn entry_of(changes: &[Change]) -> Vec<u8> {
    let home = Home::new();
    three_and_their_changes(&home);
    let engine = SledEngine::open(home.path()).unwrap();
    assert_eq!(engine.apply(changes), Ok(true));
    drop(engine);
    let mut entry = Vec::new();
    by_hand(&home, |_, state| {
        entry = state.get("digest").unwrap().unwrap().to_vec();
    });
    entry
}

#[test]
fn a_plan_that_is_found_is_carried_out_wherever_it_was_cut_off() {
    for made in 0..=3 {
        let home = Home::new();
        let (mut map, changes) = three_and_their_changes(&home);
        by_hand(&home, |records, state| {
            state.insert("digest", entry_of(&changes)).unwrap();
            for (number, part) in (0..).zip(plan_of(&changes).chunks(4_096)) {
                state.insert(part_key(number), part).unwrap();
            }
            for Change { key, new, .. } in &changes[..made] {
                match new {
                    Some(value) => records.insert(key, value.as_slice()).unwrap(),
                    None => records.remove(key).unwrap(),
                };
            }
        });
        assert_eq!(parts(&home), 2);
        make(&mut map, &changes);
        for _ in 0..2 {
            let engine = SledEngine::open(home.path()).unwrap();
            assert_eq!(contents(&engine), map, "cut off after {made}");
        }
        assert_eq!(parts(&home), 0);
    }
}

/// Before the first part was written, or after it was removed.
#[test]
fn parts_without_the_first_are_no_plan_and_go() {
    let home = Home::new();
    let (map, changes) = three_and_their_changes(&home);
    by_hand(&home, |_, state| {
        state.insert("digest", entry_of(&changes)).unwrap();
        for (number, part) in (0..).zip(plan_of(&changes).chunks(4_096)).skip(1) {
            state.insert(part_key(number), part).unwrap();
        }
    });
    assert_eq!(parts(&home), 1);
    let engine = SledEngine::open(home.path()).unwrap();
    assert_eq!(contents(&engine), map);
    drop(engine);
    assert_eq!(parts(&home), 0);
}

#[test]
fn a_plan_that_doesnt_decode_refuses_the_store_and_changes_nothing() {
    let home = Home::new();
    let (map, changes) = three_and_their_changes(&home);
    let plan = plan_of(&changes);
    let mut of_another_form = plan.clone();
    of_another_form[0] = 2;
    let garbage = [
        vec![],
        vec![0x5a; 77],
        plan[..plan.len() - 1].to_vec(),
        [&plan[..], &[0]].concat(),
        of_another_form,
    ];
    for bytes in garbage {
        by_hand(&home, |_, state| {
            state.insert(part_key(0), bytes).unwrap();
        });
        for _ in 0..2 {
            let error = SledEngine::open(home.path()).err().unwrap();
            assert_eq!(error.code(), "store_corrupt");
            assert!(error.to_string().contains("plan"), "{error}");
        }
    }
    by_hand(&home, |_, state| {
        state.remove(part_key(0)).unwrap();
    });
    assert_eq!(contents(&SledEngine::open(home.path()).unwrap()), map);
}

/// A database that has lost what was redone is behind its mark.
#[test]
fn what_was_redone_is_a_durable_group_of_its_own() {
    let home = Home::new();
    let (_, changes) = three_and_their_changes(&home);
    let mark = || std::fs::read(home.path().join("mark")).unwrap();
    let before = mark();
    drop(SledEngine::open(home.path()).unwrap());
    assert_eq!(mark(), before, "nothing to redo, nothing to note");
    by_hand(&home, |_, state| {
        state.insert("digest", entry_of(&changes)).unwrap();
        for (number, part) in (0..).zip(plan_of(&changes).chunks(4_096)) {
            state.insert(part_key(number), part).unwrap();
        }
    });
    drop(SledEngine::open(home.path()).unwrap());
    let group = |mark: &[u8]| u64::from_be_bytes(mark[..8].try_into().unwrap());
    assert_eq!(group(&mark()), group(&before) + 1);
    by_hand(&home, |_, state| {
        let held = state.get("group").unwrap().unwrap();
        assert_eq!(held[..8], mark()[..8]);
    });
}

/// A user with many sessions: the plan has many parts, and no page of it is so large that sled
/// keeps it in a file of its own, which it wouldn't sync.
#[test]
fn no_plan_is_so_long_that_sled_keeps_it_in_a_file_of_its_own() {
    let home = Home::new();
    let engine = SledEngine::open(home.path()).unwrap();
    let mut map = Map::new();
    for round in 0..4_u8 {
        let changes: Vec<_> = (0..500_u16)
            .map(|place| {
                let mut key = [0; 32];
                key[..2].copy_from_slice(&place.to_be_bytes());
                Change {
                    key,
                    expected: map.get(&key).cloned(),
                    new: Some(vec![round; lacre_keystore::MAX_SEALED_RECORD]),
                }
            })
            .collect();
        assert_eq!(engine.apply(&changes), Ok(true));
        make(&mut map, &changes);
        let blobs = std::fs::read_dir(home.path().join("blobs")).unwrap();
        assert_eq!(blobs.count(), 0);
    }
    engine.persist().unwrap();
    drop(engine);
    assert_eq!(contents(&SledEngine::open(home.path()).unwrap()), map);
    assert_eq!(parts(&home), 0);
}
