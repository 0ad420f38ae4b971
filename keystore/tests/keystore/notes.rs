//! Notes of ends, as sled keeps them over an opening. What any store has to keep is in the suite.

use lacre_keystore::conformance::notes::{check, every_removal, left, put};
use lacre_keystore::{KeyRange, MasterKey, MasterKeyRing};

use crate::support::{Home, Kind, Memory, Sled, keystore_on};

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
