use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Barrier;

use super::*;

fn secret(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_secret_is_made_once_and_found_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    assert!(read_secret(&path).unwrap().is_none());
    assert_eq!(
        *read_or_create_secret(&path, || secret("one")).unwrap(),
        b"one"
    );
    let again = read_or_create_secret(&path, || panic!("made twice")).unwrap();
    assert_eq!(*again, b"one");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(names(dir.path()), ["secret"]);
}

#[test]
fn who_comes_second_gets_the_secret_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let found = read_or_create_secret(&path, || {
        // Another process is quicker, between the look and the rename.
        write_secret(&path, b"theirs").unwrap();
        secret("ours")
    });
    assert_eq!(*found.unwrap(), b"theirs");
    assert_eq!(names(dir.path()), ["secret"]);
}

#[test]
fn many_who_come_at_once_agree() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let start = Barrier::new(8);
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|i| {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    read_or_create_secret(path, || secret(&i.to_string())).unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let kept = read_secret(&path).unwrap().unwrap();
    assert!(found.iter().all(|secret| **secret == *kept));
    assert_eq!(names(dir.path()), ["secret"]);
}

#[test]
fn a_secret_that_others_may_use_is_refused_with_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    write_secret(&path, b"one").unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = read_or_create_secret(&path, || secret("two")).unwrap_err();
        assert_eq!(error.code(), "secret_exposed");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(*read_secret(&path).unwrap().unwrap(), b"one");
}

#[test]
fn writing_replaces_the_whole_file_and_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, "a longer text of before").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    write_secret(&path, b"new").unwrap();
    assert_eq!(*read_secret(&path).unwrap().unwrap(), b"new");
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_secret(dir.path()).unwrap_err();
    assert_eq!(error.code(), "data_dir_unwritable");
    let lost = dir.path().join("missing").join("secret");
    let error = read_or_create_secret(&lost, || secret("one")).unwrap_err();
    assert_eq!(error.code(), "data_dir_unwritable");
    let endless = dir.path().join("endless");
    symlink("/dev/zero", &endless).unwrap();
    assert!(read_secret(&endless).is_err());
}

/// What the child of the next test does: it is killed by the first byte that it writes.
#[test]
#[ignore = "the child of a_process_killed_while_writing_leaves_nothing_in_place"]
fn child_that_writes_a_secret() {
    if Path::new("this-is-the-child").exists() {
        let _ = read_or_create_secret(Path::new("secret"), || secret("half"));
        let _ = write_secret(Path::new("kept"), b"half");
    }
}

#[test]
fn a_process_killed_while_writing_leaves_nothing_in_place() {
    let dir = tempfile::tempdir().unwrap();
    write_secret(&dir.path().join("kept"), b"whole").unwrap();
    fs::write(dir.path().join("this-is-the-child"), "").unwrap();
    let child = Command::new("sh")
        .args([
            "-c",
            "ulimit -f 0; exec \"$0\" --ignored --exact --nocapture \"$1\"",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg("deployment::data_dir::secret_file::tests::child_that_writes_a_secret")
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(child.status.code().is_none(), "it wasn't killed: {child:?}");
    assert_eq!(fs::read(dir.path().join("kept")).unwrap(), b"whole");
    let left = names(dir.path());
    assert!(!left.contains(&"secret".to_owned()), "{left:?}");
    assert!(
        left.iter().any(|name| name.starts_with(UNDER_WAY)),
        "{left:?}"
    );

    sweep(dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["kept", "this-is-the-child"]);
}
