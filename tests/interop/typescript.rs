//! The package for TypeScript: its own tests in Node, against the real program; that its types are those
//! of the description, and its size the one that it states. `journeys/tabs.rs` has it in a browser.

use crate::pages::page;
use crate::support::skipped::skip;
use crate::support::typescript::Package;
use std::process::Command;

#[test]
fn the_package_keeps_a_session_in_node() {
    let Some(package) = Package::build() else {
        return;
    };
    package.passes("session");
    package.passes("waiting");
}

#[test]
fn the_package_is_as_small_as_it_says() {
    let Some(package) = Package::build() else {
        return;
    };
    let said = package.script("size");
    assert!(said.contains("kB compressed"), "{said}");
}

#[test]
fn the_types_of_the_package_are_those_of_the_description() {
    let folder = page::root().join("clients/typescript");
    let command = Command::new("node")
        .args(["scripts/types.js", "--check"])
        .current_dir(folder)
        .output();
    let Ok(output) = command else {
        return skip("Node is absent", "run make interop");
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
