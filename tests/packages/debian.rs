//! The package for Debian.

use super::{has, run, script};
use std::process::Command;

#[test]
fn the_package_holds_what_a_service_takes_and_lintian_finds_nothing() {
    if !has("dpkg-deb") || !has("lintian") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let package = run(&mut script("deb", dir.path()));
    let package = package.trim_end();
    let listed = run(Command::new("dpkg-deb").args(["--contents", package]));
    for (mode, path) in [
        ("-rwxr-xr-x root/root", "./usr/bin/lacre"),
        ("-rw-r--r-- root/root", "./lib/systemd/system/lacre.service"),
        ("-rw-r--r-- root/root", "./usr/lib/sysusers.d/lacre.conf"),
        ("-rw-r--r-- root/root", "./usr/lib/tmpfiles.d/lacre.conf"),
        ("-rw-r--r-- root/root", "./etc/lacre/lacre.toml"),
        ("-rw-r--r-- root/root", "./etc/logrotate.d/lacre"),
        (
            "-rw-r--r-- root/root",
            "./usr/share/man/man1/lacre-serve.1.gz",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/bash-completion/completions/lacre",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/zsh/vendor-completions/_lacre",
        ),
        (
            "-rw-r--r-- root/root",
            "./usr/share/fish/vendor_completions.d/lacre.fish",
        ),
        ("-rw-r--r-- root/root", "./usr/share/doc/lacre/copyright"),
        (
            "-rw-r--r-- root/root",
            "./usr/share/doc/lacre/licences.txt.gz",
        ),
        ("-rw-r--r-- root/root", "./usr/share/doc/lacre/operating.md"),
    ] {
        let line = listed
            .lines()
            .find(|line| line.ends_with(&format!(" {path}")));
        assert!(
            line.is_some_and(|line| line.starts_with(mode)),
            "{path} in\n{listed}"
        );
    }
    let field = |name| run(Command::new("dpkg-deb").args(["--field", package, name]));
    assert_eq!(field("Version").trim_end(), env!("CARGO_PKG_VERSION"));
    let depends = field("Depends");
    for needed in ["libc6 (>= 2.", "libssl3", "init-system-helpers", "systemd"] {
        assert!(depends.contains(needed), "{depends}");
    }
    let said =
        run(Command::new("lintian").args(["--allow-root", "--fail-on", "error,warning", package]));
    assert_eq!(said, "");
}

#[test]
fn the_same_program_makes_the_same_package() {
    if !has("dpkg-deb") {
        return;
    }
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = run(&mut script("deb", one.path()));
    let mut again = script("deb", other.path());
    let two = run(again.current_dir("/").env("TZ", "Asia/Tokyo"));
    let read = |path: &str| std::fs::read(path.trim_end()).unwrap();
    assert!(read(&one) == read(&two), "{one} {two}");
}
