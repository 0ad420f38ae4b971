//! The package for TypeScript: its own tests in Node, against the real program; that its size is the one that it states.
//! `journeys/tabs.rs` has it in a browser, `pages/described.rs` its types.

use crate::pages::page;
use crate::support::server::Setup;
use crate::support::typescript::Package;
use crate::support::wait::until;
use std::net::{TcpListener, TcpStream};
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

/// The five minutes of a back end: its script and its story, with addresses and credentials in their place.
#[test]
fn the_page_for_back_ends_leads_from_401_to_200_and_back() {
    let Some(package) = Package::build() else {
        return;
    };
    package.publishes();
    let server = Setup::new()
        .env("LACRE_GATEWAY__LISTEN", "127.0.0.1:0")
        .start();
    let client = server.add_client("till");
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let application = package.runs_script(
        &shown("till.js"),
        &[
            ("TILL_GATEWAY", format!("http://{}", server.gateway())),
            ("TILL_ID", client.id),
            ("TILL_SECRET", client.secret),
            ("PORT", port.to_string()),
        ],
    );
    until("the application", || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let story = shown("story.sh")
        .replace("127.0.0.1:3001", &format!("127.0.0.1:{port}"))
        .replace("127.0.0.1:8080", &server.public.to_string());
    let output = Command::new("bash")
        .args(["-euc", &story])
        .output()
        .unwrap();
    drop(application);
    let said = String::from_utf8(output.stdout).unwrap();
    let statuses: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("HTTP/"))
        .collect();
    let due = [
        "HTTP/1.1 401 Unauthorized",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 401 Unauthorized",
    ];
    assert_eq!(statuses, due, "{said}");
    assert!(
        said.contains("\nada@example.com is at the till\n"),
        "{said}"
    );
}

/// A file that docs/typescript.md shows.
fn shown(name: &str) -> String {
    let text = std::fs::read_to_string(page::root().join("docs/typescript.md")).unwrap();
    let (_, rest) = text
        .split_once(&format!("<!-- file: {name} -->\n```"))
        .unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split("```").next().unwrap().to_owned()
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
    assert!(files.len() > 4, "{files:?}");
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
