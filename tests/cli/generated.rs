//! Completions and manual pages, read by the programs that they are for.

use super::{lacre, run_with};
use crate::support::server::Setup;
use crate::support::skipped::skip;
use std::fs;
use std::process::Command;

#[test]
fn bash_completes_what_the_command_line_has() {
    let setup = Setup::new();
    let script = lacre(&setup, "completions bash").ok().stdout;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &script).unwrap();
    let complete = |words: &[&str]| {
        let line = words.join(" ");
        let program = format!(
            "source {}; COMP_WORDS=({line} ''); COMP_CWORD={}; COMP_LINE='{line} '; \
             _lacre lacre '' {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.path().display(),
            words.len(),
            words.last().unwrap(),
        );
        let ran = run_with(Command::new("bash").args(["-c", &program]), b"").ok();
        ran.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let commands = complete(&["lacre"]);
    for due in ["serve", "keystore", "sessions", "doctor", "man"] {
        assert!(
            commands.iter().any(|word| word == due),
            "{due} in {commands:?}"
        );
    }
    let below = complete(&["lacre", "keystore"]);
    for due in ["list", "show", "stats", "verify"] {
        assert!(below.iter().any(|word| word == due), "{due} in {below:?}");
    }
    assert!(!setup.data().exists());
}

#[test]
fn every_shell_has_its_completions() {
    let setup = Setup::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lacre(&setup, &format!("completions {shell}")).ok().stdout;
        assert!(
            script.contains("sessions") && script.len() > 1_000,
            "{shell}"
        );
    }
    assert_eq!(lacre(&setup, "completions csh").status, Some(2));
}

#[test]
fn each_command_has_a_page_that_man_can_read() {
    let setup = Setup::new();
    let directory = tempfile::TempDir::new().unwrap();
    let to = directory.path().to_str().unwrap();
    for _again in 0..2 {
        lacre(&setup, &format!("man --to {to}")).ok();
    }
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for due in [
        "lacre.1",
        "lacre-serve.1",
        "lacre-keystore-list.1",
        "lacre-sessions-revoke.1",
    ] {
        assert!(names.iter().any(|name| name == due), "{due} in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
    let page = fs::read_to_string(directory.path().join("lacre-sessions-revoke.1")).unwrap();
    assert!(page.contains("\\-\\-dry\\-run"), "{page}");
    assert_eq!(
        fs::read_to_string(directory.path().join("lacre.1")).unwrap(),
        lacre(&setup, "man").ok().stdout
    );
    if Command::new("groff").arg("--version").output().is_err() {
        skip("groff is absent", "run .ci/need manual");
        return;
    }
    for name in names {
        let mut groff = Command::new("groff");
        let ran = run_with(
            groff
                .args(["-K", "utf8", "-man", "-Tutf8", "-ww", "-z"])
                .arg(directory.path().join(&name)),
            b"",
        );
        assert_eq!(ran.ok().stderr, "", "{name}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_said() {
    let setup = Setup::new();
    lacre(&setup, "man --to /nowhere/at/all").failed(1, "man_unwritten");
    assert!(!setup.data().exists());
}
