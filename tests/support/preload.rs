//! The program with something between it and the C library: a kill at one call.
//!
//! Takes the C compiler that the build takes.

use super::server::Setup;
use std::path::Path;
use std::process::Command;

/// Kills each process of this setup at its `call`th call that changes a file.
pub(crate) fn killed_at(setup: Setup, call: usize) -> Setup {
    preloaded(setup, "killed").env("KILLED_AT", &call.to_string())
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
