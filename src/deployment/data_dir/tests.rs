use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::*;

/// Names, contents and times of change of everything in `directory`.
fn everything(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let entries = directory.read_dir().unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let about = fs::metadata(&path).unwrap();
            let content = fs::read(&path).unwrap_or_default();
            (path, (content, about.ctime(), about.ctime_nsec()))
        })
        .collect()
}

#[test]
fn a_missing_directory_is_made_private_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a").join("data");
    let open = DataDir::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(path.join("version")).unwrap(), "1\n");
    let pid = fs::read_to_string(path.join("lock")).unwrap();
    assert_eq!(pid, format!("{}\n", std::process::id()));
    assert_eq!(open.path(), path);
    for (made, name) in [
        (open.keystore(), "keystore"),
        (open.accounts(), "accounts.sqlite"),
        (open.keyring(), "keyring"),
        (open.master_key(), "master.key"),
        (DataDir::admin_socket(&path), "admin.sock"),
    ] {
        assert_eq!(made, path.join(name));
        assert!(!made.exists(), "{name} is made by its own room");
    }
}

#[test]
fn a_directory_is_opened_again_after_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    drop(DataDir::open(dir.path()).unwrap());
    DataDir::open(dir.path()).unwrap();
}

#[test]
fn a_held_directory_names_its_holder_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let _first = DataDir::open(dir.path()).unwrap();
    fs::write(dir.path().join(".lacre-new-of-the-holder"), "under way").unwrap();
    let before = everything(dir.path());
    let error = DataDir::open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "data_dir_held");
    assert!(
        error
            .to_string()
            .contains(&format!("({})", std::process::id())),
        "{error}"
    );
    assert_eq!(everything(dir.path()), before);
}

#[test]
fn a_lock_that_a_dead_process_left_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("lock"), "4194304999\nand more\n").unwrap();
    DataDir::open(dir.path()).unwrap();
    let pid = fs::read_to_string(dir.path().join("lock")).unwrap();
    assert_eq!(pid, format!("{}\n", std::process::id()));
}

#[test]
fn a_lost_version_is_told_from_a_new_directory_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    // What an operator may have put there before the first start.
    fs::write(dir.path().join("master.key"), "1 key\n").unwrap();
    assert!(!DataDir::exists(dir.path()).unwrap());
    for name in ["keyring", "keystore"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(name)).unwrap();
        let before = everything(dir.path());
        for error in [
            DataDir::open(dir.path()).unwrap_err(),
            DataDir::exists(dir.path()).unwrap_err(),
        ] {
            assert_eq!(error.code(), "data_dir_version_missing");
            assert!(error.to_string().contains("backup"), "{error}");
        }
        assert_eq!(everything(dir.path()), before);
    }
}

#[test]
fn a_newer_directory_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("version"), "2\n").unwrap();
    fs::write(dir.path().join(".lacre-new-1"), "of the newer one").unwrap();
    let before = everything(dir.path());
    let error = DataDir::open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "data_dir_too_new");
    assert_eq!(everything(dir.path()), before);
}

#[test]
fn a_damaged_version_is_refused_untouched() {
    for content in [
        &b""[..],
        b"one\n",
        b"0\n",
        b"-1\n",
        b"+1\n",
        b"01\n",
        b"1\n1\n",
        b"\xff\n",
        b"99999999999\n",
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("version"), content).unwrap();
        let before = everything(dir.path());
        let error = DataDir::open(dir.path()).unwrap_err();
        assert_eq!(error.code(), "data_dir_bad_version", "{content:?}");
        assert_eq!(everything(dir.path()), before);
    }
}

#[test]
fn what_can_not_be_a_directory_is_unwritable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = DataDir::open(&path).unwrap_err();
        assert_eq!(error.code(), "data_dir_unwritable");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");

    // A directory in the place of the lock: not even root can open it for writing.
    fs::create_dir_all(dir.path().join("data/lock")).unwrap();
    let error = DataDir::open(&dir.path().join("data")).unwrap_err();
    assert_eq!(error.code(), "data_dir_unwritable");
}

#[test]
fn what_a_killed_process_left_under_way_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    drop(DataDir::open(dir.path()).unwrap());
    let left = dir.path().join(".lacre-new-Xy12");
    let mine = dir.path().join(".mine");
    fs::write(&left, "half").unwrap();
    fs::write(&mine, "kept").unwrap();
    DataDir::open(dir.path()).unwrap();
    assert!(!left.exists());
    assert!(mine.exists());
}
