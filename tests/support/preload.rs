//! The program with something between it and the C library: a kill at one call, a clock that is moved.
//!
//! Takes the C compiler that the build takes.

use super::server::Setup;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kills each process of this setup at its `call`th call that changes a file.
pub(crate) fn killed_at(setup: Setup, call: usize) -> Setup {
    preloaded(setup, "killed").env("KILLED_AT", &call.to_string())
}

/// Calls on files that fail in all processes of a setup, as long as they are ordered to.
#[derive(Debug)]
pub(crate) struct Faults(PathBuf);

impl Faults {
    /// The setup with no fault yet.
    pub(crate) fn of(setup: Setup) -> (Setup, Self) {
        let faults = Self(setup.home().join("faults"));
        faults.end();
        let orders = faults.0.to_str().unwrap().to_owned();
        (preloaded(setup, "faults").env("FAULTS", &orders), faults)
    }

    /// From now on each `call` (read, write, sync, open) on a file whose path has `part` in it fails with this
    /// error, or does half of its work where it is `short`.
    pub(crate) fn begin(&self, call: &str, how: &str, part: &str) {
        self.order(&format!("{call} {how} {part}\n"));
    }

    /// From now on none does.
    pub(crate) fn end(&self) {
        self.order("");
    }

    fn order(&self, orders: &str) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, orders).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

/// The wall clock of all processes of a setup.
#[derive(Debug)]
pub(crate) struct WallClock(PathBuf);

impl WallClock {
    /// The setup with a wall clock of its own, which is right until it is moved.
    pub(crate) fn of(setup: Setup) -> (Setup, Self) {
        let clock = Self(setup.home().join("offset"));
        clock.is_off_by(0);
        let offset = clock.0.to_str().unwrap().to_owned();
        (
            preloaded(setup, "clock").env("CLOCK_OFFSET", &offset),
            clock,
        )
    }

    /// Moves the clock at once to so many seconds after the true time, or before.
    pub(crate) fn is_off_by(&self, seconds: i64) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{seconds}\n")).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }
}

fn preloaded(setup: Setup, name: &str) -> Setup {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/support/preload/{name}.c"));
    let library = setup.home().join(format!("{name}.so"));
    if !library.exists() {
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl");
        assert!(compiler.status().unwrap().success());
    }
    setup.env("LD_PRELOAD", library.to_str().unwrap())
}
