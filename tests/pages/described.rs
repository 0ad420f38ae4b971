//! The types of `clients/typescript` are those of `docs/openapi.json`.

use super::page;
use crate::support::skipped::skip;
use std::process::Command;

/// With `LACRE_BLESS` they are made so.
#[test]
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
fn the_types_of_the_package_are_those_of_the_description() {
    let mut command = Command::new("node");
    command
        .arg("scripts/types.js")
        .current_dir(page::root().join("clients/typescript"));
    if std::env::var_os("LACRE_BLESS").is_none() {
        command.arg("--check");
    }
    let Ok(output) = command.output() else {
        return skip("Node is absent", "run make interop");
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
