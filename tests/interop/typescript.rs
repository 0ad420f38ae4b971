//! The package for TypeScript: its own tests in Node, against the real program; that its size is the one that it states.
//! `journeys/tabs.rs` has it in a browser, `pages/described.rs` its types.

use crate::pages::page;
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

/// Whoever pastes a block of a page has the strict compiler content; what a block takes for granted is
/// declared here.
#[test]
fn what_the_pages_show_of_the_package_compiles() {
    let Some(package) = Package::build() else {
        return;
    };
    package.publishes();
    let given = "import type { Lacre as Session } from \"lacre\"; \
        import type { Express } from \"express\"; import type { Gateway } from \"lacre/gateway\"; \
        declare global { var lacre: Session; var app: Express; var gateway: Gateway; var body: BodyInit; \
        var email: string, password: string, crt: string, clientId: string, clientSecret: string; }";
    let mut files = vec![("given".to_owned(), given.to_owned())];
    for page in ["docs/typescript.md", "clients/typescript/README.md"] {
        let text = std::fs::read_to_string(page::root().join(page)).unwrap();
        let fences = text.split("\n```ts\n").skip(1);
        let blocks = fences.map(|rest| rest.split("```").next().unwrap());
        let begun = files.len();
        let named = |(i, block)| {
            (
                format!("block_{}", begun + i),
                format!("{block}\nexport {{}};\n"),
            )
        };
        files.extend(blocks.enumerate().map(named));
    }
    assert!(files.len() > 5, "{files:?}");
    package.compiles(&files);
}

#[test]
fn the_package_is_as_small_as_it_says() {
    let Some(package) = Package::build() else {
        return;
    };
    let said = package.script("size");
    assert!(said.contains("kB compressed"), "{said}");
}
