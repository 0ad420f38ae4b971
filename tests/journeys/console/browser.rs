//! The console in a real browser that runs no script: the story of a stolen token, and what axe-core says
//! of every page, at the width of a telephone and of a screen, in both schemes of colours.

use super::{OPS, PASSWORD, Scene};
use crate::support::browser::Browser;
use crate::support::http::Request;
use crate::support::server::Token;
use crate::support::skipped::skip;
use serde_json::json;
use std::path::Path;

/// How an administrator reaches the console through a tunnel.
fn home(scene: &Scene, name: &str) -> String {
    format!("http://{name}:{}/console/", scene.server.management.port())
}

fn logs_in(browser: &Browser) {
    browser.types("#user", OPS);
    browser.types("#password", PASSWORD);
    browser.goes_by("form.card button");
}

#[test]
fn a_stolen_token_is_found_ended_and_proven_dead_in_a_browser_without_scripts() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let scene = Scene::set();
    browser.runs_scripts(false);
    // The thief has what ada has, and is somewhere else.
    let stolen = &scene.ada.auth;
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "label": "at home"});
    let own = Token::of(&scene.server.send(&Request::post("/getToken").json(body)));
    scene.server.accepts(stolen);

    let home = home(&scene, "lacre.localhost");
    browser.visits(&format!("{home}users"));
    assert!(
        browser.address().contains("/console/login?next="),
        "{}",
        browser.address()
    );
    logs_in(&browser);
    assert_eq!(browser.address(), format!("{home}users"));

    // Found by the user.
    browser.types("#q", "ada@");
    browser.goes_by("form.search button");
    browser.goes_by("main tbody a");
    let sessions = browser.reads();
    assert!(
        sessions.contains("at home") && sessions.contains("127.0.0.1"),
        "{sessions}"
    );
    // The other one, which nobody has named.
    let other = format!("main tbody a[href$='{}']", scene.ada.crt);
    browser.goes_by(&other);
    assert!(
        browser.address().ends_with(&scene.ada.crt),
        "{}",
        browser.address()
    );

    // Ended.
    browser.goes_by("button.danger");
    let proof = browser.reads();
    for said in ["1 session has ended.", "Refused", "revoked_by_admin", "ops"] {
        assert!(proof.contains(said), "{said}: {proof}");
    }
    scene.server.refuses(stolen);
    scene.server.accepts(&own.auth);

    // With a receipt, for whoever asks later.
    let receipt = format!("main a[href$='receipts?name={}']", scene.ada.crt);
    browser.goes_by(&receipt);
    let receipt = browser.reads();
    for said in ["Receipt 2", &scene.ada.crt, "revoked_by_admin"] {
        assert!(receipt.contains(said), "{said}: {receipt}");
    }

    // Proven dead, by the token itself.
    browser.visits(&format!("{home}explain"));
    browser.types("#token", stolen);
    browser.goes_by("form.card button");
    let proof = browser.reads();
    for said in ["Refused", "session_unknown", "revoked_by_admin", "ops"] {
        assert!(proof.contains(said), "{said}: {proof}");
    }
    assert!(!proof.contains(&stolen[..40]));
    assert_eq!(
        browser.evaluates("document.querySelector('textarea').value"),
        ""
    );

    // And in the audit log and the metrics.
    let log = scene.server.written();
    assert!(
        log.contains("cause=revoked_by_admin by=admin admin=ops"),
        "{log}"
    );
    let metrics = scene.server.manage("/metrics").text().to_owned();
    assert!(metrics.contains(r#"lacre_sessions_ended_total{cause="revoked_by_admin"} 1"#));

    browser.goes_by("form.leave button");
    let left = browser.cookies();
    let names: Vec<_> = left
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["__Host-lacre_console_form"]);
    browser.visits(&home);
    assert!(browser.address().ends_with("/console/login"));
}

#[test]
fn a_browser_keeps_the_consoles_cookies_at_every_name_of_its_own_machine() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let scene = Scene::set();
    browser.runs_scripts(false);
    for name in ["lacre.localhost", "localhost", "127.0.0.1"] {
        let home = home(&scene, name);
        browser.visits(&home);
        logs_in(&browser);
        assert_eq!(browser.address(), home);
        let mut cookies: Vec<_> = browser
            .cookies()
            .into_iter()
            .map(|one| {
                let names = ["name", "httpOnly", "secure", "sameSite", "path", "domain"];
                json!(names.map(|name| one[name].clone()))
            })
            .collect();
        cookies.sort_by_key(ToString::to_string);
        let cookie = |own: &str| json!([own, true, true, "Strict", "/", name]);
        let both = [
            cookie("__Host-lacre_console"),
            cookie("__Host-lacre_console_refresh"),
        ];
        assert_eq!(cookies, both);
    }
}

/// What axe-core is, where it was installed.
fn axe() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("target/browser/node_modules/axe-core/axe.min.js");
    let script = std::fs::read_to_string(script).ok();
    if script.is_none() {
        skip("axe-core is absent", "run make browser");
    }
    script
}

/// What axe-core finds wrong with the page that the browser is on.
fn faults_here(browser: &Browser, axe: &str) -> Vec<String> {
    browser.evaluates(axe);
    let found = browser.evaluates(
        "axe.run(document).then(found => found.violations.map(one => \
         one.id + ': ' + one.nodes.map(node => node.html).join(' | ')))",
    );
    let found = found.as_array().unwrap().iter();
    found.map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// The same of a page in all its forms, and whether it has room.
fn faults_of(browser: &Browser, axe: &str, page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (width, scheme) in [
        (360, "light"),
        (360, "dark"),
        (1280, "light"),
        (1280, "dark"),
    ] {
        let screen =
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let colours = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.devtools("Emulation.setEmulatedMedia", &colours);
        browser.visits(page);
        let room = browser.evaluates("document.documentElement.scrollWidth");
        if room.as_i64() > Some(width) {
            faults.push(format!("{page} needs {room} of {width}"));
        }
        let found = faults_here(browser, axe).into_iter();
        faults.extend(found.map(|fault| format!("{page} {width} {scheme}: {fault}")));
    }
    faults
}

/// ada has sessions with hostile names, and one that has ended: her id, and the token of that one.
fn with_hostile_sessions(scene: &Scene) -> (String, Token) {
    let body = json!({
        "email": "ada@example.com", "password": PASSWORD,
        "label": "<script>alert(1)</script>\u{202e}".repeat(8),
    });
    let agent = "x".repeat(4096);
    let request = Request::post("/getToken").header("User-Agent", &agent);
    Token::of(&scene.server.send(&request.json(body)));
    scene.server.refuses("noise");
    let ended = scene.server.get_token("ada@example.com", PASSWORD);
    scene.server.operator(&["sessions", "revoke", &ended.crt]);
    let shown = ["users", "show", "ada@example.com", "--json"];
    let shown: serde_json::Value = serde_json::from_str(&scene.server.operator(&shown)).unwrap();
    (shown["id"].as_str().unwrap().to_owned(), ended)
}

#[test]
fn axe_finds_no_fault_in_any_page_and_each_fits_a_telephone() {
    let (Some(axe), Some(browser)) = (axe(), Browser::open()) else {
        return;
    };
    let scene = Scene::set();
    let (id, ended) = with_hostile_sessions(&scene);
    let home = home(&scene, "lacre.localhost");
    let mut faults = faults_of(&browser, &axe, &format!("{home}login"));
    browser.visits(&home);
    logs_in(&browser);
    for page in [
        "",
        "users",
        "users?q=nobody",
        &format!("user?id={id}"),
        "user?id=gone",
        &format!("user/end?id={id}"),
        "sessions",
        "sessions?address=x",
        &format!("session?name={}", scene.ada.crt),
        &format!("session?name={}", ended.crt),
        "explain",
        "receipts",
        &format!("receipts?name={}", ended.crt),
        &format!("receipts?name={}", scene.ada.crt),
        "keys",
        "keys/rotate",
        "health",
        "nowhere",
    ] {
        faults.extend(faults_of(&browser, &axe, &format!("{home}{page}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn axe_finds_no_fault_in_what_only_a_form_leads_to() {
    let (Some(axe), Some(browser)) = (axe(), Browser::open()) else {
        return;
    };
    let scene = Scene::set();
    let (id, ended) = with_hostile_sessions(&scene);
    let home = home(&scene, "lacre.localhost");
    browser.visits(&home);
    // It does find what is wrong.
    browser.evaluates("document.querySelector('label').remove()");
    let found = faults_here(&browser, &axe);
    assert!(
        found.len() == 1 && found[0].starts_with("label: "),
        "{found:?}"
    );

    logs_in(&browser);
    let is_fine = |what: &str| {
        assert!(browser.reads().contains(what), "{}", browser.reads());
        assert_eq!(faults_here(&browser, &axe), [""; 0], "{what}");
    };
    browser.visits(&format!("{home}explain"));
    browser.types("#token", &ended.auth);
    browser.clicks("input[type=checkbox]");
    browser.goes_by("form.card button");
    is_fine("session_unknown");
    browser.visits(&format!("{home}user/end?id={id}"));
    browser.types("#password", "wrong horse battery");
    browser.goes_by("form.card button");
    is_fine("This isn't your password");
    browser.goes_by("form.leave button");
    browser.types("#user", OPS);
    browser.types("#password", "wrong horse battery");
    browser.goes_by("form.card button");
    is_fine("open nothing here");
}
