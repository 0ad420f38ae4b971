//! Where a secret may stand: in standard input, and once in standard output. Nowhere else.

use super::{Ran, lacre, lacre_with, run_with};
use crate::support::server::Setup;

const FIRST: &str = "hunter2-correct-horse";
const SECOND: &str = "hunter3-correct-horse";

fn shows_none(ran: &Ran) {
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!shown.contains("hunter"), "{shown}");
}

/// Passwords and the client's secret, through a run of commands on this setup.
fn walk(setup: &Setup) -> String {
    let add = "users add ada@example.com --password-stdin --json";
    shows_none(&lacre_with(setup, add, FIRST.as_bytes()).ok());
    shows_none(&lacre_with(setup, add, FIRST.as_bytes()).failed(1, "account_exists"));
    let set = "users set-password ada@example.com --password-stdin";
    shows_none(&lacre_with(setup, set, SECOND.as_bytes()).ok());
    let unknown = "users set-password bob@example.com --password-stdin";
    shows_none(&lacre_with(setup, unknown, SECOND.as_bytes()).failed(1, "account_unknown"));
    let added = lacre(setup, "clients add billing --json").ok();
    let secret = added.json()["secret"].as_str().unwrap().to_owned();
    assert!(!added.stderr.contains(&secret), "{added:?}");
    for words in [
        "users list --json",
        "users show ada@example.com",
        "clients list --json",
    ] {
        let ran = lacre(setup, words).ok();
        shows_none(&ran);
        assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
        assert!(!ran.stdout.contains("argon2"), "{ran:?}");
    }
    secret
}

#[test]
fn no_secret_is_printed_or_logged_whichever_way() {
    let loud = || Setup::new().env("LACRE_LOG", "trace");
    walk(&loud());
    let beside = loud();
    let mut server = beside.start();
    let secret = walk(&beside);
    server.get_token("ada@example.com", SECOND);
    server.stop();
    let log = server.written();
    assert!(!log.contains("hunter") && !log.contains(&secret), "{log}");
}

#[test]
fn the_demo_shows_no_token_and_no_password() {
    let setup = Setup::new().env("LACRE_LOG", "trace");
    let mut server = setup.start();
    let mut demo = setup.lacre(["demo"]);
    let url = format!("http://{}", server.public);
    let told = run_with(demo.args(["--url", &url]), b"").ok();
    server.stop();
    assert!(told.stdout.contains("eyJ"), "{told:?}");
    for text in [told.stdout, told.stderr, server.written()] {
        // Every compact token starts so; what is shown of one breaks off soon.
        for (start, _) in text.match_indices("eyJ") {
            let is_of_it = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
            let length = text[start..].chars().take_while(is_of_it).count();
            assert!(length < 20, "{}", &text[start..start + length]);
        }
    }
}
