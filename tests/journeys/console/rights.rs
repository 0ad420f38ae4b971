//! Who gets in, who doesn't, and until when.

use super::*;
use crate::support::wait::until;
use std::time::Duration;

const ACCESS: &str = "__Host-lacre_console";
const REFRESH: &str = "__Host-lacre_console_refresh";

/// A refused log-in, without what is different about every one.
fn refusal(browser: &mut Browser<'_>, user: &str, password: &str) -> (u16, Vec<String>, String) {
    let answer = browser.logs_in(user, password);
    let mark = mark_of(&answer);
    let names = answer.headers.iter().map(|(name, _)| name.clone());
    let text = answer.text().replace(&mark, "MARK").replace(user, "USER");
    (answer.status, names.collect(), text)
}

#[test]
fn who_is_no_administrator_is_answered_like_a_wrong_password() {
    let scene = Scene::set();
    let mut browser = Browser::at(&scene.server);
    browser.gets("/console/login");
    let wrong = refusal(&mut browser, OPS, "wrong horse battery");
    assert_eq!(wrong.0, 403);
    assert!(wrong.2.contains("open nothing here"), "{}", wrong.2);
    let before = scene.sessions_of("ada@example.com");
    for (user, password) in [
        ("ada@example.com", PASSWORD),
        ("ada@example.com", "wrong horse battery"),
        ("nobody@example.com", PASSWORD),
        (OPS, &"x".repeat(2000)),
    ] {
        assert_eq!(refusal(&mut browser, user, password), wrong, "{user}");
    }
    scene
        .server
        .operator(&["users", "add", "two@example.com", "--role", "admin"]);
    scene.server.operator(&["users", "disable", OPS]);
    assert_eq!(refusal(&mut browser, OPS, PASSWORD), wrong);
    // No session was begun for it, and the log says what was missing.
    assert_eq!(scene.sessions_of("ada@example.com"), before);
    let log = scene.server.written();
    let mut failed = log
        .lines()
        .filter(|line| line.contains("event=login_failed"));
    assert!(
        failed.any(|line| line.contains("code=role_missing")),
        "{log}"
    );
    assert!(!browser.cookies.contains_key(ACCESS));
}

#[test]
fn a_flood_of_log_ins_is_limited_as_elsewhere() {
    let scene = Scene::with(&Setup::new().env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "5/1h"));
    let mut browser = Browser::at(&scene.server);
    for _ in 0..5 {
        browser.logs_in(OPS, "wrong horse battery").expect(403);
    }
    let limited = browser.logs_in(OPS, PASSWORD).expect(429);
    assert!(limited.header("retry-after").is_some(), "{limited:?}");
    says(&limited, "Too many attempts");
    // They are counted together with those at the public listener.
    scene
        .server
        .try_get_token(OPS, PASSWORD)
        .refused(429, "rate_limited");
    // The right password of somebody who is no administrator counts, too.
    for _ in 0..5 {
        browser.logs_in("ada@example.com", PASSWORD).expect(403);
    }
    browser.logs_in("ada@example.com", PASSWORD).expect(429);
}

#[test]
fn rights_that_are_lost_hold_at_the_next_page() {
    let scene = Scene::set();
    scene
        .server
        .operator(&["users", "add", "two@example.com", "--role", "admin"]);
    let crt = scene.ada.crt.clone();
    let losses: [(&[&str], &[&str]); 5] = [
        (
            &["users", "set", OPS, "--role", "user"],
            &["users", "set", OPS, "--role", "admin"],
        ),
        (&["sessions", "revoke", "--user", OPS], &[]),
        (&["users", "disable", OPS], &["users", "enable", OPS]),
        (&["users", "set", OPS, "--permission", "more"], &[]),
        (&["users", "delete", OPS], &[]),
    ];
    for (loss, restored) in losses {
        let mut browser = scene.administrator();
        let mark = mark_of(&browser.gets("/console/").expect(200));
        scene.server.operator(loss);
        // A form that lay open does nothing any more.
        let fields = [("form", mark.as_str()), ("handle", crt.as_str())];
        let late = browser.posts("/console/session/end", &fields);
        assert_eq!(location(&late), "/console/login?ended=yes", "{loss:?}");
        let said = browser.gets("/console/login?ended=yes").expect(200);
        says(&said, "nothing was done");
        for page in ["/console/", "/console/users", "/console/keys"] {
            assert!(is_sent_away(&browser.gets(page)), "{loss:?} {page}");
        }
        scene.server.accepts(&scene.ada.auth);
        if !restored.is_empty() {
            scene.server.operator(restored);
        }
    }
}

#[test]
fn whoever_is_busy_stays_logged_in_and_whoever_is_idle_does_not() {
    let scene = Scene::with(&Setup::new().env("LACRE_TOKEN__ACCESS_TTL", "12s"));
    let mut ops = scene.administrator();
    let first = ops.cookies.clone();
    until("a page that renews the tokens", || {
        ops.gets("/console/").expect(200);
        (ops.cookies[ACCESS] != first[ACCESS]).then_some(())
    });
    assert_ne!(ops.cookies[REFRESH], first[REFRESH]);
    assert_eq!(scene.sessions_of("ops"), 1, "it is one session");

    // A second tab that asked with the cookies of before is led in by those of now, and nobody is taken for a
    // thief, however late it comes.
    let mut tab = Browser::at(&scene.server);
    tab.cookies = first;
    let sent_away = tab.gets("/console/users");
    assert!(is_sent_away(&sent_away));
    let back = ops.gets(location(&sent_away));
    assert_eq!(location(&back), "/console/users");
    assert_eq!(ops.gets("/console/users").status, 200);
    assert!(!scene.server.written().contains("refresh_reused"));

    // Nobody comes for as long as the access token lasts.
    std::thread::sleep(Duration::from_secs(13));
    assert!(is_sent_away(&ops.gets("/console/")));
    // The next log-in of this browser ends what is left.
    let entered = ops.logs_in(OPS, PASSWORD);
    assert_eq!(entered.status, 303);
    assert_eq!(scene.sessions_of("ops"), 1);
}

#[test]
fn logging_out_ends_the_session_and_takes_the_cookies_back() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let kept = ops.cookies.clone();
    let out = ops.fills_in("/console/", "/console/logout", &[]);
    assert_eq!((out.status, location(&out)), (303, "/console/login"));
    assert!(ops.cookies.is_empty(), "{:?}", ops.cookies);
    ops.cookies = kept;
    assert!(is_sent_away(&ops.gets("/console/")));
    assert_eq!(scene.sessions_of("ops"), 0);
    assert!(scene.server.written().contains("cause=logout"));
}

#[test]
fn sessions_of_many_end_by_the_password_alone() {
    let scene = Scene::set();
    let more = [0; 2].map(|_| scene.server.get_token("ada@example.com", PASSWORD));
    let id = scene
        .server
        .operator(&["users", "show", "ada@example.com", "--json"]);
    let id: serde_json::Value = serde_json::from_str(&id).unwrap();
    let id = id["id"].as_str().unwrap();
    let mut ops = scene.administrator();
    let page = format!("/console/user/end?id={id}");
    let asked = ops.gets(&page).expect(200);
    says(&asked, "3 sessions");
    let end = "/console/user/end";
    for (password, status, fault) in [
        (None, 422, "Enter your password."),
        (Some(""), 422, "Enter your password."),
        (Some("wrong horse battery"), 403, "This isn't your password"),
    ] {
        let mut fields = vec![("id", id)];
        fields.extend(password.map(|password| ("password", password)));
        let refused = ops.fills_in(&page, end, &fields).expect(status);
        says(&refused, fault);
        assert!(
            refused
                .text()
                .contains(r#"aria-describedby="password-fault""#)
        );
    }
    scene.server.accepts(&scene.ada.auth);

    // All but one, which has to be the user's.
    let own = ("password", PASSWORD);
    let strangers = scene
        .server
        .operator(&["keystore", "list", "--user", "ops", "--json"]);
    let strangers: serde_json::Value = serde_json::from_str(&strangers).unwrap();
    let stranger = strangers["sessions"][0]["crt"]
        .as_str()
        .or(strangers["sessions"][0]["handle"].as_str());
    ops.fills_in(&page, end, &[("id", id), ("keep", stranger.unwrap()), own])
        .expect(404);
    scene.server.accepts(&scene.ada.auth);
    let but_one = ops.fills_in(&page, end, &[("id", id), ("keep", &more[1].crt), own]);
    let said = ops.follows(&but_one);
    says(&said, "2 sessions have ended.");
    scene.server.refuses(&scene.ada.auth);
    scene.server.refuses(&more[0].auth);
    scene.server.accepts(&more[1].auth);
    // It is said once.
    let again = ops.gets(&format!("/console/user?id={id}")).expect(200);
    assert!(!again.text().contains("have ended"));

    let all = ops.fills_in(&page, end, &[("id", id), own]);
    ops.follows(&all);
    scene.server.refuses(&more[1].auth);
    assert!(
        scene
            .server
            .written()
            .contains("cause=revoked_by_admin by=admin")
    );
}
