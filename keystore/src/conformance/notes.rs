//! What is left of a record that goes: with it, or not at all.

use std::time::Duration;

use super::fixture::{Bench, Fixture};
use super::samples::{key, record, user};
use crate::{
    KeyRange, Keystore, MasterKey, MasterKeyRing, NotePlace, PutOutcome, Record, RecordKey, Store,
    Swap,
};

async fn bench<F: Fixture>() -> Option<Bench<F>> {
    if F::KEEPS_NOTES {
        Some(Bench::new().await)
    } else {
        None
    }
}

/// Waits until notes are settled up to this one: others in the same database may hold that up.
pub async fn settled(keystore: &Keystore, last: NotePlace) {
    for _ in 0..100 {
        let now = keystore.settle_notes().await.unwrap();
        assert!(now <= Some(last), "{now:?}");
        if now == Some(last) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{last:?} isn't settled");
}

pub async fn put(keystore: &Keystore, user: u8, session: u64) {
    let put = keystore
        .put_new(&key(user, session), &record(session))
        .await;
    assert_eq!(put, Ok(PutOutcome::Stored));
}

/// The time, the session and the content of each note, the oldest first.
pub async fn left(keystore: &Keystore) -> Vec<(u64, RecordKey, String)> {
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
pub async fn every_removal(keystore: &Keystore) {
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

pub async fn check(keystore: &Keystore) {
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

pub async fn every_kind_of_removal_leaves_its_note<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    every_removal(keystore).await;
    check(keystore).await;
}

pub async fn what_removed_nothing_leaves_nothing<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    put(keystore, 1, 0).await;
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    assert!(keystore.remove(&key(1, 0)).await.unwrap(), "without a note");
    put(keystore, 1, 0).await;
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
    assert_eq!(left(keystore).await, []);
}

pub async fn notes_are_forgotten_from_the_oldest_on<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    for session in 0..590 {
        put(keystore, 1, session).await;
    }
    let noting = keystore.noting(Some(keystore.note(1, b"x").unwrap()));
    assert_eq!(noting.remove_user(user(1), None).await.unwrap().len(), 590);
    for session in 590..600 {
        put(keystore, 1, session).await;
        let noting = keystore.noting(Some(keystore.note(session, b"x").unwrap()));
        assert_eq!(noting.remove(&key(1, session)).await, Ok(true));
    }
    assert_eq!(keystore.forget(590).await, Ok(590), "more than one step");
    let times: Vec<u64> = left(keystore).await.iter().map(|note| note.0).collect();
    assert_eq!(times, (590..600).collect::<Vec<_>>());
    assert_eq!(keystore.forget(590).await, Ok(0));
}

pub async fn notes_are_sealed_anew_under_another_key<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    every_removal(keystore).await;
    let newer = || MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32]));
    let both = newer().with_older(MasterKey::from_bytes(1, [1; 32]));
    // A note that is made before the ring is set may be left after it.
    let late = keystore.note(20, b"late").unwrap();
    let former = keystore.set_ring(both.unwrap());
    put(keystore, 3, 0).await;
    assert!(former.is_in_use());
    let ended = keystore.noting(Some(late)).remove(&key(3, 0)).await;
    assert_eq!((ended, former.is_in_use()), (Ok(true), false));
    put(keystore, 3, 1).await;
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
    let before: Vec<_> = left(keystore).await;
    keystore.set_ring(newer());
    assert_eq!(
        left(keystore).await,
        before,
        "nothing needs the earlier key"
    );
    assert_eq!(before.len(), 11);
    assert_eq!(keystore.forget(u64::MAX).await, Ok(11));
    let step = keystore.rewrap_notes(None, 4).await.unwrap();
    assert_eq!((step.seen, step.next), (0, None));
}

pub async fn a_note_that_is_forgotten_meanwhile_stays_forgotten<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let (keystore, store) = (&bench.keystore, &bench.store);
    for session in 0..3 {
        put(keystore, 1, session).await;
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

pub async fn a_record_whose_place_another_one_takes_leaves_its_note<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    put(keystore, 1, 0).await;
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    let noting = |text: &[u8]| keystore.noting(Some(keystore.note(1, text).unwrap()));
    for (text, generation, swap) in [("replaced", 8, Swap::Won), ("too late", 9, Swap::Lost)] {
        let (key, record) = (key(1, 0), record(generation));
        let replaced = noting(text.as_bytes()).replace(&key, &seen, &record).await;
        assert_eq!(replaced, Ok(swap), "{text}");
    }
    let now = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    assert_eq!(now.record.generation, record(8).generation);
    assert_eq!(contents(keystore).await, ["replaced"]);
}

pub async fn all_that_end_at_once_leave_notes_of_their_own<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    for user in 1..=3 {
        put(keystore, user, 0).await;
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
    let mut found = contents(keystore).await;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

pub async fn notes_are_settled_with_their_ends_and_kept_as_long_as_they_are_needed<F: Fixture>() {
    let Some(bench) = bench::<F>().await else {
        return;
    };
    let keystore = &bench.keystore;
    assert_eq!(keystore.settle_notes().await, Ok(None));
    assert_eq!(keystore.head().await, Ok(None));
    for session in 0..3 {
        put(keystore, 1, session).await;
        let noting = keystore.noting(Some(keystore.note(1, b"x").unwrap()));
        assert_eq!(noting.remove(&key(1, session)).await, Ok(true));
    }
    let page = keystore.left(None, 9).await.unwrap();
    settled(keystore, page[2].place).await;
    keystore.keep_notes_from(page[1].place.number());
    assert_eq!(keystore.forget(u64::MAX).await, Ok(1));
    assert_eq!(keystore.left(None, 9).await.unwrap(), page[1..]);
    keystore.keep_head(b"here".to_vec()).await.unwrap();
    keystore.keep_head(b"there".to_vec()).await.unwrap();
    assert_eq!(keystore.head().await, Ok(Some(b"there".to_vec())));
}
