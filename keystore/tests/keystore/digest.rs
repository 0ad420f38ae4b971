//! A store in which a record is missing, or is what it was earlier, is refused; what a crash left isn't.

use std::fs;

use lacre_keystore::{Change, DigestKey, Engine, KeyBytes, SledEngine, SledOptions};

use crate::support::{Home, open_by_hand};

const RECORDS: u8 = 20;

fn name(place: u8) -> KeyBytes {
    [place; 32]
}

fn change(place: u8, expected: Option<&[u8]>, new: Option<&[u8]>) -> Change {
    Change {
        key: name(place),
        expected: expected.map(<[u8]>::to_vec),
        new: new.map(<[u8]>::to_vec),
    }
}

fn apply(engine: &SledEngine, place: u8, expected: Option<&[u8]>, new: Option<&[u8]>) {
    assert_eq!(engine.apply(&[change(place, expected, new)]), Ok(true));
}

/// Records 0 to 19, of which number 3 was changed and number 4 has gone.
fn filled() -> Home {
    let home = Home::new();
    let engine = SledEngine::open(home.path()).unwrap();
    for place in 0..RECORDS {
        apply(&engine, place, None, Some(&[place; 300]));
    }
    apply(&engine, 3, Some(&[3; 300]), Some(b"refreshed"));
    apply(&engine, 4, Some(&[4; 300]), None);
    engine.persist().unwrap();
    home
}

/// Changes the trees `records` and `state` behind the engine's back.
fn by_hand(home: &Home, work: impl FnOnce(&::sled::Tree, &::sled::Tree)) {
    let db = open_by_hand(home);
    let trees = ["records", "state"].map(|name| db.open_tree(name).unwrap());
    work(&trees[0], &trees[1]);
    db.flush().unwrap();
}

fn entry(home: &Home) -> Vec<u8> {
    let mut entry = Vec::new();
    by_hand(home, |_, state| {
        entry = state.get("digest").unwrap().unwrap().to_vec();
    });
    entry
}

/// The code of the refusal, if it is refused; refused once, it stays refused.
fn refusal(home: &Home) -> Option<&'static str> {
    let first = SledEngine::open(home.path()).err();
    let second = SledEngine::open(home.path()).err();
    assert_eq!(first, second);
    first.map(|error| error.code())
}

#[test]
fn a_record_that_is_missing_older_or_too_many_refuses_the_store() {
    type Damage = fn(&::sled::Tree);
    let damages: [(&str, Damage, u64); 4] = [
        (
            "one is missing",
            |records| drop(records.remove(name(7)).unwrap()),
            18,
        ),
        (
            "one is older",
            |records| drop(records.insert(name(3), vec![3; 300]).unwrap()),
            19,
        ),
        (
            "one is back",
            |records| drop(records.insert(name(4), vec![4; 300]).unwrap()),
            20,
        ),
        ("all are gone", |records| records.clear().unwrap(), 0),
    ];
    for (what, damage, found) in damages {
        let home = filled();
        assert_eq!(refusal(&home), None);
        by_hand(&home, |records, _| damage(records));
        assert_eq!(refusal(&home), Some("store_incomplete"), "{what}");
        let text = SledEngine::open(home.path()).err().unwrap().to_string();
        assert!(
            text.contains(&format!("{found} records are there and 19 were")),
            "{text}"
        );
        assert!(text.contains("lacre keystore accept"), "{text}");
    }
}

#[test]
fn a_digest_that_is_missing_changed_or_of_another_key_refuses_the_store() {
    let home = filled();
    by_hand(&home, |_, state| drop(state.remove("digest").unwrap()));
    assert_eq!(refusal(&home), Some("store_corrupt"));

    let home = filled();
    let older = entry(&home);
    let engine = SledEngine::open(home.path()).unwrap();
    apply(&engine, 5, Some(&[5; 300]), None);
    engine.persist().unwrap();
    drop(engine);
    by_hand(&home, |_, state| {
        drop(state.insert("digest", older.clone()).unwrap());
    });
    assert_eq!(
        refusal(&home),
        Some("store_corrupt"),
        "it is behind its group"
    );
    let mut changed = older;
    changed[20] ^= 1;
    by_hand(&home, |_, state| {
        drop(state.insert("digest", changed).unwrap());
    });
    assert_eq!(refusal(&home), Some("store_foreign"));

    let options = SledOptions {
        digest_key: DigestKey::derived(&[1; 32]),
        ..SledOptions::default()
    };
    let error = SledEngine::open_with(filled().path(), &options)
        .err()
        .unwrap();
    assert_eq!(error.code(), "store_foreign");
}

/// A crash may leave an entry whose change never came, or came and was not made durable.
#[test]
fn a_change_that_a_crash_has_cut_off_is_found_done_or_not_done() {
    for came in [false, true] {
        let home = filled();
        let other = filled();
        let engine = SledEngine::open(other.path()).unwrap();
        apply(&engine, 9, Some(&[9; 300]), Some(b"cut off"));
        drop(engine);
        let entry = entry(&other);
        by_hand(&home, |records, state| {
            state.insert("digest", entry).unwrap();
            if came {
                records.insert(name(9), b"cut off").unwrap();
            }
        });
        let engine = SledEngine::open(home.path()).unwrap();
        let found = engine.get(&name(9)).unwrap().unwrap();
        let value: &[u8] = if came { b"cut off" } else { &[9; 300] };
        assert!(found == value);
        // It goes on from what was found, and misses what goes missing from then on.
        apply(&engine, 9, Some(value), Some(b"after"));
        engine.persist().unwrap();
        drop(engine);
        assert_eq!(refusal(&home), None);
        by_hand(&home, |records, _| {
            drop(records.insert(name(9), value).unwrap());
        });
        assert_eq!(refusal(&home), Some("store_incomplete"));
    }
}

/// But what was durable can't be taken for a change that was cut off.
#[test]
fn a_durable_change_that_is_missing_is_told_also_where_it_is_the_last() {
    let home = filled();
    let engine = SledEngine::open(home.path()).unwrap();
    apply(&engine, 9, Some(&[9; 300]), None);
    engine.persist().unwrap();
    drop(engine);
    by_hand(&home, |records, _| {
        drop(records.insert(name(9), vec![9; 300]).unwrap());
    });
    assert_eq!(refusal(&home), Some("store_incomplete"));
}

#[test]
fn a_store_of_a_version_without_digest_is_taken_up_as_it_is() {
    let home = filled();
    by_hand(&home, |_, state| {
        state.remove("digest").unwrap();
        let group = state.get("group").unwrap().unwrap();
        state.insert("group", &group[..8]).unwrap();
    });
    assert_eq!(refusal(&home), None);
    by_hand(&home, |records, _| drop(records.remove(name(7)).unwrap()));
    assert_eq!(refusal(&home), Some("store_incomplete"));
}

/// Nothing of a sum is on the disk, which would let whoever reads it choose records of the same sum.
#[test]
fn equal_records_of_two_stores_have_entries_that_are_not_alike() {
    let keys = [1, 2].map(|byte| DigestKey::derived(&[byte; 32]));
    let entries = keys.map(|digest_key| {
        let home = Home::new();
        let options = SledOptions {
            digest_key,
            ..SledOptions::default()
        };
        let engine = SledEngine::open_with(home.path(), &options).unwrap();
        apply(&engine, 1, None, Some(b"sealed"));
        engine.persist().unwrap();
        drop(engine);
        let found = entry(&home);
        assert!(fs::metadata(home.path().join("mark")).unwrap().len() == 16);
        found
    });
    assert_eq!(entries[0][..8], entries[1][..8]);
    assert!(entries[0][8..] != entries[1][8..]);
}
