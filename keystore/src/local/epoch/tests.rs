use super::*;

fn key() -> DigestKey {
    DigestKey::derived(&[7; 32])
}

fn at(place: &Arc<EpochFile>, fresh: u8) -> Epoch {
    Epoch::At {
        place: Arc::clone(place) as _,
        fresh: [fresh; 16],
    }
}

fn own(group: u64, line: Option<u8>, is_empty: bool) -> Own {
    Own {
        group,
        line: line.map(|line| [line; 16]),
        is_empty,
    }
}

fn place() -> (tempfile::TempDir, Arc<EpochFile>) {
    let home = tempfile::tempdir().unwrap();
    let place = Arc::new(EpochFile::new(home.path().join("epoch")));
    (home, place)
}

/// Puts a note there.
fn noted(place: &Arc<EpochFile>, line: u8, group: u64, is_kept: bool) {
    let note = Note {
        line: [line; 16],
        group,
        is_kept,
    };
    place.begin(&note.to_bytes(&key())).unwrap();
}

fn code(judged: Result<GoOn, KeystoreError>) -> &'static str {
    judged.unwrap_err().code()
}

#[test]
fn a_store_that_is_behind_the_note_is_an_earlier_one() {
    let (_home, place) = place();
    noted(&place, 1, 100, true);
    let judge = |own| at(&place, 9).judge(own, &key());
    for group in [100, 101, 5000] {
        assert_eq!(judge(own(group, Some(1), false)), Ok(GoOn::On([1; 16])));
    }
    for group in [0, 1, 99] {
        assert_eq!(code(judge(own(group, Some(1), false))), "store_older");
        assert_eq!(code(judge(own(group, Some(1), true))), "store_older");
        assert_eq!(
            judge(own(group, None, true)),
            Ok(GoOn::Begin([9; 16])),
            "nothing comes back of a new one"
        );
    }
    // Of before it was noted for the first time, and of another line.
    assert_eq!(code(judge(own(99, None, false))), "store_older");
    assert_eq!(code(judge(own(5000, None, false))), "epoch_foreign");
    assert_eq!(code(judge(own(5000, Some(2), false))), "epoch_foreign");
    assert_eq!(code(judge(own(5000, Some(2), true))), "epoch_foreign");
}

#[test]
fn without_its_note_nobody_can_tell_and_a_store_that_never_had_one_begins() {
    let (_home, place) = place();
    let judge = |own| at(&place, 9).judge(own, &key());
    assert_eq!(judge(own(7, None, false)), Ok(GoOn::Begin([9; 16])));
    assert_eq!(code(judge(own(7, Some(1), false))), "epoch_missing");
    assert_eq!(judge(own(7, Some(1), true)), Ok(GoOn::Begin([9; 16])));
    let nowhere = |own| Epoch::Nowhere.judge(own, &key());
    assert_eq!(nowhere(own(7, None, false)), Ok(GoOn::Apart));
    assert_eq!(code(nowhere(own(7, Some(1), false))), "epoch_unset");
    assert_eq!(nowhere(own(7, Some(1), true)), Ok(GoOn::Leave));
    assert_eq!(
        Epoch::Unasked.judge(own(7, Some(1), false), &key()),
        Ok(GoOn::Apart)
    );
}

#[test]
fn a_beginning_that_was_cut_off_is_gone_on_with() {
    let (_home, place) = place();
    noted(&place, 3, 40, false);
    let judge = |own| at(&place, 9).judge(own, &key());
    assert_eq!(judge(own(40, None, false)), Ok(GoOn::Take([3; 16])));
    assert_eq!(judge(own(41, Some(3), false)), Ok(GoOn::Take([3; 16])));
    assert_eq!(code(judge(own(39, None, false))), "store_older");
    assert_eq!(code(judge(own(39, Some(3), false))), "store_older");
}

#[test]
fn a_note_that_was_changed_by_a_bit_or_is_another_deployments_is_none() {
    let (_home, place) = place();
    noted(&place, 1, 100, true);
    let whole = place.read().unwrap().unwrap();
    assert_eq!(whole.len(), LENGTH);
    let judge = || at(&place, 9).judge(own(5000, Some(1), false), &key());
    for bit in 0..LENGTH * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        place.begin(&changed).unwrap();
        assert_eq!(code(judge()), "epoch_foreign", "bit {bit}");
    }
    for length in 0..LENGTH {
        place.begin(&whole[..length]).unwrap();
        assert_eq!(code(judge()), "epoch_foreign", "{length} bytes");
    }
    place.begin(&[whole.clone(), vec![0]].concat()).unwrap();
    assert_eq!(code(judge()), "epoch_foreign");
    place.begin(&whole).unwrap();
    assert!(judge().is_ok());
    let other = DigestKey::derived(&[8; 32]);
    let theirs = at(&place, 9).judge(own(5000, Some(1), false), &other);
    assert_eq!(code(theirs), "epoch_foreign");
}

#[test]
fn a_keeper_notes_what_the_next_one_finds() {
    let (_home, place) = place();
    let keeper = Keeper::of(&at(&place, 9), GoOn::Begin([9; 16]), &key()).unwrap();
    keeper.begin(4).unwrap();
    let found = || noted_at(&*place, &key()).unwrap();
    assert_eq!(found(), Some(4));
    for group in [5, 6, u64::MAX] {
        keeper.keep(group).unwrap();
        assert_eq!(found(), Some(group));
    }
    // Whoever removes it while it is in use finds it again.
    std::fs::remove_file(place.name()).unwrap();
    assert_eq!(found(), None);
    keeper.keep(8).unwrap();
    assert_eq!(found(), Some(8));
    keeper.keep(9).unwrap();
    assert_eq!(found(), Some(9));
}

#[test]
fn a_link_and_a_folder_are_no_note() {
    let (home, place) = place();
    let elsewhere = Arc::new(EpochFile::new(home.path().join("elsewhere")));
    noted(&elsewhere, 1, 1, true);
    std::os::unix::fs::symlink(elsewhere.name(), place.name()).unwrap();
    let judge = || at(&place, 9).judge(own(1, Some(1), false), &key());
    assert_eq!(code(judge()), "store_unavailable");
    std::fs::remove_file(place.name()).unwrap();
    std::fs::create_dir(place.name()).unwrap();
    assert_eq!(code(judge()), "store_unavailable");
}

/// A note in the making has a name of its own, whatever the note is called and whatever else lies beside it.
#[test]
fn nothing_beside_a_note_is_touched_and_it_may_have_any_name() {
    let home = tempfile::tempdir().unwrap();
    let beside = ["epoch.new", "epoch.other", "new"];
    for name in beside {
        std::fs::write(home.path().join(name), "somebody's").unwrap();
    }
    let place = EpochFile::new(home.path().join("epoch.1"));
    place.begin(b"one").unwrap();
    place.begin(b"two").unwrap();
    for name in beside {
        let there = std::fs::read(home.path().join(name)).unwrap();
        assert_eq!(there, b"somebody's", "{name}");
    }
    let named_so = EpochFile::new(home.path().join("epoch.new"));
    named_so.begin(b"three").unwrap();
    assert_eq!(named_so.read().unwrap().as_deref(), Some(&b"three"[..]));
    assert_eq!(place.read().unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 4);
}
