//! What is left of a record that goes: with it, or not at all.

use std::sync::Arc;

use lacre_keystore::{
    KeyRange, Keystore, LocalStore, MasterKey, MasterKeyRing, PutOutcome, Record, Store as _, Swap,
};
use rand::rngs::SysRng;

use crate::support::{
    Home, Kind, Memory, Sled, key, keystore_on, on_every_engine, record, ring, user,
};

async fn put(keystore: &Keystore, user: u8, session: u64) {
    let put = keystore
        .put_new(&key(user, session), &record(session))
        .await;
    assert_eq!(put, Ok(PutOutcome::Stored));
}

/// The time, the session and the content of each note, the oldest first.
async fn left(keystore: &Keystore) -> Vec<(u64, lacre_keystore::RecordKey, String)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = keystore.left(after, 2).await.unwrap();
        let Some(last) = page.last() else {
            return found;
        };
        after = Some(last.place);
        found.extend(page.iter().map(|note| {
            let content = note.content.clone().unwrap();
            (
                note.place.at(),
                note.place.key(),
                String::from_utf8(content).unwrap(),
            )
        }));
    }
}

/// One of each kind of removal, each with a note of its own.
async fn every_removal(keystore: &Keystore) {
    let note = |at: u64, text: &str| Some(keystore.note(at, text.as_bytes()).unwrap());
    for session in 0..7 {
        put(keystore, 1, session).await;
    }
    put(keystore, 2, 0).await;
    assert!(
        keystore
            .noting(note(10, "one"))
            .remove(&key(1, 0))
            .await
            .unwrap()
    );
    let seen = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert!(
        keystore
            .noting(note(11, "as read"))
            .remove_if(&key(1, 1), &seen)
            .await
            .unwrap()
    );
    let seen = keystore.get(&key(1, 2)).await.unwrap().unwrap();
    let others = [(key(1, 2), seen)];
    let noting = keystore.noting(note(12, "in its way"));
    let swap = noting
        .put_new_and_remove(&key(1, 9), &record(9), &others)
        .await;
    assert_eq!(swap, Ok(Swap::Won));
    let noting = keystore.noting(note(13, "but one"));
    assert_eq!(
        noting
            .remove_user(user(1), Some(&key(1, 9)))
            .await
            .unwrap()
            .len(),
        4
    );
    let swept = keystore
        .sweep_step_noting(KeyRange::of_user(user(1)), u64::MAX, |record: &Record| {
            note(14, &format!("expired {}", record.generation))
        })
        .await
        .unwrap();
    assert_eq!(swept.removed.len(), 1);
    assert_eq!(keystore.noting(note(15, "all")).remove_all().await, Ok(1));
}

async fn check(keystore: &Keystore) {
    let mut expected: Vec<(u64, _, String)> = vec![
        (10, key(1, 0), "one".to_owned()),
        (11, key(1, 1), "as read".to_owned()),
        (12, key(1, 2), "in its way".to_owned()),
        (14, key(1, 9), "expired 9".to_owned()),
        (15, key(2, 0), "all".to_owned()),
    ];
    expected.extend((3..7).map(|session| (13, key(1, session), "but one".to_owned())));
    let mut found = left(keystore).await;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

async fn every_kind_of_removal_leaves_its_note<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    every_removal(&keystore).await;
    check(&keystore).await;
}

async fn what_removed_nothing_leaves_nothing<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 0).await;
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    assert!(keystore.remove(&key(1, 0)).await.unwrap(), "without a note");
    put(&keystore, 1, 0).await;
    let note = || Some(keystore.note(1, b"x").unwrap());
    assert!(
        !keystore
            .noting(note())
            .remove_if(&key(1, 0), &seen)
            .await
            .unwrap()
    );
    assert!(!keystore.noting(note()).remove(&key(1, 7)).await.unwrap());
    let others = [(key(1, 0), seen)];
    let noting = keystore.noting(note());
    let lost = noting
        .put_new_and_remove(&key(1, 8), &record(8), &others)
        .await;
    assert_eq!(lost, Ok(Swap::Lost));
    assert_eq!(left(&keystore).await, []);
}

async fn notes_are_forgotten_from_the_oldest_on<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for session in 0..600 {
        put(&keystore, 1, session).await;
        let note = keystore.note(session, b"x").unwrap();
        assert!(
            keystore
                .noting(Some(note))
                .remove(&key(1, session))
                .await
                .unwrap()
        );
    }
    assert_eq!(keystore.forget(590).await, Ok(590), "more than one step");
    let times: Vec<u64> = left(&keystore).await.iter().map(|note| note.0).collect();
    assert_eq!(times, (590..600).collect::<Vec<_>>());
    assert_eq!(keystore.forget(590).await, Ok(0));
}

async fn notes_are_sealed_anew_under_another_key<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    every_removal(&keystore).await;
    let newer = || MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32]));
    let both = newer().with_older(MasterKey::from_bytes(1, [1; 32]));
    // A note that is made before the ring is set may be left after it.
    let late = keystore.note(20, b"late").unwrap();
    let former = keystore.set_ring(both.unwrap());
    put(&keystore, 3, 0).await;
    assert!(former.is_in_use());
    let ended = keystore.noting(Some(late)).remove(&key(3, 0)).await;
    assert_eq!((ended, former.is_in_use()), (Ok(true), false));
    put(&keystore, 3, 1).await;
    let note = keystore.note(21, b"new").unwrap();
    assert_eq!(
        keystore.noting(Some(note)).remove(&key(3, 1)).await,
        Ok(true)
    );
    let under = async || {
        let (mut all, mut after) = ([0; 3], None);
        loop {
            let step = keystore.notes_under(after, 4).await.unwrap();
            for (id, count) in step.keys {
                all[id as usize] += count;
            }
            after = step.next;
            if after.is_none() {
                return all;
            }
        }
    };
    assert_eq!(under().await, [0, 10, 1]);
    let (mut rewrapped, mut seen, mut after) = (0, 0, None);
    loop {
        let step = keystore.rewrap_notes(after, 4).await.unwrap();
        assert_eq!(step.damaged, []);
        rewrapped += step.rewrapped;
        seen += step.seen;
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((rewrapped, seen, under().await), (10, 11, [0, 0, 11]));
    let before: Vec<_> = left(&keystore).await;
    keystore.set_ring(newer());
    assert_eq!(
        left(&keystore).await,
        before,
        "nothing needs the earlier key"
    );
    assert_eq!(before.len(), 11);
    assert_eq!(keystore.forget(u64::MAX).await, Ok(11));
    let step = keystore.rewrap_notes(None, 4).await.unwrap();
    assert_eq!((step.seen, step.next), (0, None));
}

async fn a_note_that_is_forgotten_meanwhile_stays_forgotten<K: Kind>() {
    let home = Home::new();
    let store = Arc::new(LocalStore::open(K::engine(&home)).unwrap());
    let keystore = Keystore::open(Arc::clone(&store), ring(), SysRng).unwrap();
    for session in 0..3 {
        put(&keystore, 1, session).await;
        let note = keystore.note(session, b"x").unwrap();
        let ended = keystore.noting(Some(note)).remove(&key(1, session)).await;
        assert_eq!(ended, Ok(true));
    }
    let read = store.notes(None, 10).await.unwrap();
    assert_eq!(keystore.forget(2).await, Ok(2));
    let anew = read.into_iter().map(|note| (note, b"anew".to_vec()));
    assert_eq!(store.replace_notes(anew.clone().collect()).await, Ok(1));
    assert_eq!(
        store.replace_notes(anew.collect()).await,
        Ok(0),
        "it isn't what was read any more"
    );
    let there = store.notes(None, 10).await.unwrap();
    assert_eq!((there.len(), &there[0].sealed[..]), (1, &b"anew"[..]));
}

/// The contents of all notes, the oldest first.
async fn contents(keystore: &Keystore) -> Vec<String> {
    left(keystore)
        .await
        .into_iter()
        .map(|note| note.2)
        .collect()
}

async fn a_record_whose_place_another_one_takes_leaves_its_note<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 0).await;
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    let noting = |text: &[u8]| keystore.noting(Some(keystore.note(1, text).unwrap()));
    for (text, generation, swap) in [("replaced", 8, Swap::Won), ("too late", 9, Swap::Lost)] {
        let (key, record) = (key(1, 0), record(generation));
        let replaced = noting(text.as_bytes()).replace(&key, &seen, &record).await;
        assert_eq!(replaced, Ok(swap), "{text}");
    }
    let now = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    assert_eq!(now.record.generation, record(8).generation);
    assert_eq!(contents(&keystore).await, ["replaced"]);
}

async fn all_that_end_at_once_leave_notes_of_their_own<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for user in 1..=3 {
        put(&keystore, user, 0).await;
    }
    let note = keystore
        .note_of_each(5, b"unknown", |record| {
            let own = format!("of {}", record.user_id);
            (record.user_id != "user-2").then(|| own.into_bytes())
        })
        .unwrap();
    let users = [1, 2, 3].map(|user| key(user, 0));
    let mut of = Vec::new();
    for key in &users {
        of.push(keystore.get(key).await.unwrap().unwrap().record.user_id);
    }
    assert_eq!(keystore.noting(Some(note)).remove_all().await, Ok(3));
    let mut expected: Vec<_> = of.iter().map(|user| format!("of {user}")).collect();
    let mut found = contents(&keystore).await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

async fn notes_are_settled_with_their_ends_and_kept_as_long_as_they_are_needed<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    assert_eq!(keystore.settle_notes().await, Ok(None));
    assert_eq!(keystore.head().await, Ok(None));
    for session in 0..3 {
        put(&keystore, 1, session).await;
        let noting = keystore.noting(Some(keystore.note(1, b"x").unwrap()));
        assert_eq!(noting.remove(&key(1, session)).await, Ok(true));
    }
    let page = keystore.left(None, 9).await.unwrap();
    assert_eq!(keystore.settle_notes().await, Ok(Some(page[2].place)));
    keystore.keep_notes_from(page[1].place.number());
    assert_eq!(keystore.forget(u64::MAX).await, Ok(1));
    assert_eq!(keystore.left(None, 9).await.unwrap(), page[1..]);
    keystore.keep_head(b"here".to_vec()).await.unwrap();
    keystore.keep_head(b"there".to_vec()).await.unwrap();
    assert_eq!(keystore.head().await, Ok(Some(b"there".to_vec())));
}

on_every_engine!(
    notes_are_sealed_anew_under_another_key,
    a_note_that_is_forgotten_meanwhile_stays_forgotten,
    a_record_whose_place_another_one_takes_leaves_its_note,
    all_that_end_at_once_leave_notes_of_their_own,
    notes_are_settled_with_their_ends_and_kept_as_long_as_they_are_needed,
    every_kind_of_removal_leaves_its_note,
    what_removed_nothing_leaves_nothing,
    notes_are_forgotten_from_the_oldest_on,
);

#[tokio::test]
async fn notes_are_there_when_the_store_is_opened_again_and_another_ring_reads_none() {
    let home = Home::new();
    let keystore = keystore_on(Sled::engine(&home));
    every_removal(&keystore).await;
    keystore.close().await;
    drop(keystore);
    let keystore = keystore_on(Sled::engine(&home));
    check(&keystore).await;
    keystore.set_ring(MasterKeyRing::new(MasterKey::from_bytes(99, [9; 32])));
    let page = keystore.left(None, 10).await.unwrap();
    assert_eq!(page.len(), 9);
    assert!(
        page.iter()
            .all(|note| note.content == Err("sealed_unknown_key"))
    );
}

#[tokio::test]
async fn a_note_shows_nothing_of_its_content() {
    let keystore = keystore_on(Memory::engine(&Home::new()));
    let note = keystore.note(1, b"user-of-the-note").unwrap();
    assert!(!note.sealed().windows(4).any(|part| part == b"user"));
    assert_eq!(format!("{note:?}"), "Note(at 1)");
}

/// What an engine is asked before its process is killed.
fn change(key: [u8; 32], old: Option<&[u8]>, new: Option<&[u8]>) -> lacre_keystore::Change {
    let (expected, new) = (old.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec));
    lacre_keystore::Change { key, expected, new }
}

#[tokio::test]
async fn a_note_whose_record_is_still_there_goes_at_the_opening() {
    use lacre_keystore::Engine as _;
    let home = Home::new();
    let keystore = keystore_on(Sled::engine(&home));
    let note = |text: &[u8]| keystore.note(1, text).unwrap();
    let (ended, cut, void) = (note(b"ended"), note(b"cut off"), note(b"void"));
    drop(keystore);
    let engine = Sled::engine(&home);
    let put = |key: u8, value: &[u8]| {
        assert!(
            engine
                .apply(&[change([key; 32], None, Some(value))])
                .unwrap()
        );
    };
    (1..=3).for_each(|key| put(key, b"sealed"));
    engine.keep_note(&[1; 32], &ended, b"sealed").unwrap();
    let removal = change([1; 32], Some(b"sealed"), None);
    assert!(engine.apply(&[removal]).unwrap());
    // The same name again, with other bytes: that one ended, this one lives.
    put(1, b"sealed anew");
    // A process that is killed between the notes of two records that end together and their removal.
    engine.keep_note(&[2; 32], &cut, b"sealed").unwrap();
    engine.keep_note(&[3; 32], &void, b"sealed").unwrap();
    engine.persist().unwrap();
    drop(engine);
    let engine = Sled::engine(&home);
    let notes = engine.notes(None, 9).unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].place.key().to_bytes(), [1; 32]);
    assert_eq!(engine.count().unwrap(), 3, "no record has gone");
    assert_eq!(engine.last_note().unwrap(), Some(notes[0].place));
}

#[tokio::test]
async fn what_an_opening_removes_of_an_end_of_all_leaves_its_notes_once() {
    use lacre_keystore::Engine as _;
    let home = Home::new();
    let keystore = keystore_on(Sled::engine(&home));
    for session in 0..5 {
        put(&keystore, 1, session).await;
    }
    let note = keystore.note(9, b"all").unwrap();
    keystore.close().await;
    drop(keystore);
    // Killed after the first record has gone and the note of the second is written.
    let engine = Sled::engine(&home);
    engine.note_emptying(true, Some(&note)).unwrap();
    let first = engine.scan(&KeyRange::ALL, 2).unwrap();
    engine.keep_note(&first[0].0, &note, &first[0].1).unwrap();
    let removal = change(first[0].0, Some(&first[0].1), None);
    assert!(engine.apply(&[removal]).unwrap());
    engine.keep_note(&first[1].0, &note, &first[1].1).unwrap();
    engine.persist().unwrap();
    drop(engine);
    for _ in 0..2 {
        let keystore = keystore_on(Sled::engine(&home));
        assert_eq!(keystore.is_empty().await, Ok(true));
        let found = left(&keystore).await;
        let keys: std::collections::HashSet<_> = found.iter().map(|note| note.1).collect();
        assert_eq!((found.len(), keys.len()), (5, 5));
        assert!(found.iter().all(|note| (note.0, &*note.2) == (9, "all")));
        keystore.close().await;
    }
}

#[tokio::test]
async fn a_store_behind_a_shared_pointer_keeps_notes_too() {
    let store = std::sync::Arc::new(
        lacre_keystore::LocalStore::open(Memory::engine(&Home::new())).unwrap(),
    );
    let ring = lacre_keystore::MasterKey::from_bytes(1, [1; 32]);
    let ring = lacre_keystore::MasterKeyRing::new(ring);
    let keystore = Keystore::open(store, ring, rand::rngs::SysRng).unwrap();
    every_removal(&keystore).await;
    check(&keystore).await;
}
