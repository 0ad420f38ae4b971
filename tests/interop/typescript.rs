//! The package for TypeScript: its own tests in Node, against the real program; that its size is the one that it states.
//! `journeys/tabs.rs` has it in a browser, `pages/described.rs` its types.

use crate::support::typescript::Package;

#[test]
fn the_package_keeps_a_session_in_node() {
    let Some(package) = Package::build() else {
        return;
    };
    package.passes("session");
    package.passes("waiting");
}

#[test]
fn the_package_guards_express_and_fastify() {
    let Some(package) = Package::build() else {
        return;
    };
    package.passes("guards");
}

#[test]
fn the_package_asks_the_gateway_at_each_request() {
    let Some(package) = Package::build() else {
        return;
    };
    package.passes("gateway");
}

#[test]
fn the_package_depends_on_nothing_and_has_its_entrances() {
    let Some(package) = Package::build() else {
        return;
    };
    package.publishes();
    package.passes("package");
}

#[test]
fn the_package_is_as_small_as_it_says() {
    let Some(package) = Package::build() else {
        return;
    };
    let said = package.script("size");
    assert!(said.contains("kB compressed"), "{said}");
}
