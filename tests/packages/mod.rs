//! What the scripts of `.packaging` make of the program that the tests have: the package, the unit, the files of
//! the image, the tarball. `make package-test` goes further, in a booted system and as a container.

mod debian;
mod release;

use crate::pages::page::root;
use crate::support::skipped::skip;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What is made now was made then.
const EPOCH: &str = "1764000000";

/// The program without what debuggers need, as it is packed.
fn program() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Tests of other processes make the same.
    let made = tempfile::NamedTempFile::new_in(place).unwrap();
    let mut strip = Command::new("strip");
    strip.arg("--strip-unneeded").arg("-o").arg(made.path());
    run(strip.arg(env!("CARGO_BIN_EXE_lacre")));
    std::fs::set_permissions(made.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let stripped = place.join("lacre-stripped");
    made.persist(&stripped).unwrap();
    stripped
}

fn packaging(name: &str) -> PathBuf {
    root().join(".packaging").join(name)
}

/// Runs it and demands that it worked; its standard output.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Whether this program is there; says so where it isn't.
fn has(program: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        skip(&format!("{program} is absent"), "run .ci/need packages");
    }
    there
}

/// Runs a script of `.packaging` on the program, with its time and a place to write to.
fn script(name: &str, out: &Path) -> Command {
    let mut script = Command::new(packaging(name));
    script
        .arg(program())
        .arg(out)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("LACRE_PACKAGE_STRIP", "no")
        .env("LACRE_PACKAGE_LEVEL", "1");
    script
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_is_hardened() {
    if !has("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("lacre.service");
    let text = std::fs::read_to_string(packaging("lacre.service")).unwrap();
    std::fs::write(
        &unit,
        text.replace("/usr/bin/lacre", env!("CARGO_BIN_EXE_lacre")),
    )
    .unwrap();
    let said = output(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&unit),
    );
    assert!(said.status.success(), "{said:?}");
    // Of other units of the machine it may say something; of this one nothing.
    let about = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!about.contains("lacre.service"), "{about}");
    // Ten times the score, which docs/operating.md tells.
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--threshold=12", "--no-pager"]);
    let score = run(security.arg(&unit));
    let due = "Overall exposure level for lacre.service: 1.2";
    assert!(score.contains(due), "{score}");
}

/// A start that ends with 69, since the accounts' database is away or a command holds the directory, is tried again
/// without end; one whose configuration is wrong is not.
#[test]
fn the_unit_waits_for_what_comes_back_and_for_nothing_else() {
    let unit = std::fs::read_to_string(packaging("lacre.service")).unwrap();
    let lines: Vec<_> = unit.lines().collect();
    let section = |name: &str| lines.iter().position(|line| *line == name).unwrap();
    let limit = section("StartLimitIntervalSec=0");
    assert!(section("[Unit]") < limit && limit < section("[Service]"));
    section("Restart=on-failure");
    section("RestartPreventExitStatus=2 78");
}

#[test]
fn the_configuration_that_is_packed_is_good_and_so_is_that_of_the_container() {
    let mut check = Command::new(env!("CARGO_BIN_EXE_lacre"));
    check.args(["config", "check", "--config"]);
    check.arg(packaging("lacre.toml")).env_clear();
    assert_eq!(run(&mut check), "the configuration is good\n");
    let compose = std::fs::read_to_string(packaging("compose.yaml")).unwrap();
    let set: Vec<_> = compose
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| name.starts_with("LACRE_"))
        .collect();
    assert_eq!(set.len(), 3, "{compose}");
    let dir = tempfile::tempdir().unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_lacre"));
    check.args(["config", "check"]).current_dir(dir.path());
    assert_eq!(
        run(check.env_clear().envs(set)),
        "the configuration is good\n"
    );
}
