//! Every change and every end is in the audit trail once, with who acted and why, whichever door it
//! came through.

mod events;

use super::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Server, Setup, Token};
use serde_json::json;

const NEW_PASSWORD: &str = "wrong horse, right staple";

fn start() -> Server {
    Setup::new()
        .env("LACRE_REFRESH__GRACE", "0s")
        .env("LACRE_SESSION__MAX_PER_USER", "2")
        .start()
}

/// How many audit events have all of these words.
fn events(written: &str, words: &str) -> usize {
    let has = |line: &str, word: &str| line.split(' ').any(|found| found == word);
    written
        .lines()
        .filter(|line| line.contains("lacre::audit"))
        .filter(|line| words.split(' ').all(|word| has(line, word)))
        .count()
}

#[test]
#[allow(clippy::too_many_lines)] // one table, and what fills it
fn every_door_says_who_acted_and_why() {
    let mut server = start();
    // The owner's own doors.
    let ada = server.sign_up("ada@example.com", PASSWORD).id;
    let first = server.get_token("ada@example.com", PASSWORD);
    server.call("POST", "/logout", &first.auth).expect(204);
    server.get_token("ada@example.com", PASSWORD);
    server.get_token("ada@example.com", PASSWORD);
    let three = server.get_token("ada@example.com", PASSWORD); // evicts one of the others
    let live = server.sessions(&three.auth);
    let other = live.iter().find(|one| one["current"] == false).unwrap();
    let crt = other["crt"].as_str().unwrap();
    server.revoke(&three.auth, crt).expect(204);
    let body = json!({"current": PASSWORD, "new": NEW_PASSWORD});
    let change = Request::new("PUT", "/me/password").bearer(&three.auth);
    server.get_token("ada@example.com", PASSWORD); // ends by the change
    server.send(&change.json(body)).expect(204);
    let spent = three;
    Token::of(&server.refresh(&spent));
    server.refresh(&spent).expect(401); // theft
    server
        .try_get_token("ada@example.com", PASSWORD)
        .expect(401);

    // Nobody's.
    server
        .try_get_token("nobody@example.com", PASSWORD)
        .expect(401);

    // A client's.
    let shop = server.add_client("shop");
    let bea = server.sign_up("bea@example.com", PASSWORD).id;
    server.client_token(&shop, &bea, "basket").expect(200);
    server.client_token(&shop, &bea, "basket").expect(200); // replaces

    // An administrator's, over HTTP.
    let root = server.sign_up("root@example.com", PASSWORD).id;
    server.operator(&["users", "set", "root@example.com", "--role", "admin"]);
    let admin = server.get_token("root@example.com", PASSWORD);
    let tell = |method: &str, target: &str, body| {
        let request = Request::new(method, target).bearer(&admin.auth);
        server.send(&request.json(body))
    };
    let made = json!({"id": "cyd", "email": "cyd@example.com", "password": PASSWORD});
    tell("POST", "/admin/users", made).expect(201);
    let cyd = server.get_token("cyd@example.com", PASSWORD);
    server.call("GET", "/admin/users", &cyd.auth).expect(403);
    let all = "/admin/users/cyd/sessions";
    server.call("DELETE", all, &admin.auth).expect(200);
    tell(
        "PUT",
        "/admin/users/cyd",
        json!({"name": "Cyd", "role": "clerk"}),
    )
    .expect(200);
    server.get_token("cyd@example.com", PASSWORD);
    tell("PUT", "/admin/users/cyd", json!({"active": false})).expect(200);
    let gone = server.call("DELETE", "/admin/users/cyd", &admin.auth);
    gone.expect(204);

    // The command line's, through the socket.
    server.operator(&["users", "add", "dan@example.com", "--id", "dan"]);
    server.operator(&["users", "disable", "bea@example.com"]);
    server.operator(&["users", "enable", "bea@example.com"]);
    server.operator(&["users", "delete", "dan"]);
    server.client_token(&shop, &bea, "basket").expect(200);
    server.operator(&["sessions", "revoke", "--user", "bea@example.com"]);
    server.operator(&["clients", "delete", &shop.id]);
    server.operator(&["sessions", "revoke", "--all"]);
    server.stop();
    let written = server.written();

    let by_admin = format!("by=admin admin={root}");
    let by_shop = format!("by=client client={}", shop.id);
    let of_ada = format!("user={ada}");
    let of_bea = format!("user={bea}");
    let table: &[(String, usize)] = &[
        (
            format!("event=account_changed {of_ada} change=created by=owner"),
            1,
        ),
        (format!("event=login_succeeded {of_ada} by=owner"), 5),
        (format!("event=session_started {of_ada} by=owner"), 5),
        (
            format!("event=session_ended {of_ada} cause=logout by=owner"),
            1,
        ),
        (
            format!("event=session_ended {of_ada} cause=pushed_out by=owner"),
            1,
        ),
        (
            format!("event=session_ended {of_ada} cause=revoked_by_user by=owner"),
            1,
        ),
        (
            format!("event=account_changed {of_ada} change=password by=owner"),
            1,
        ),
        (
            format!("event=session_ended {of_ada} cause=password_changed by=owner"),
            1,
        ),
        (
            format!("event=session_ended {of_ada} cause=refresh_reused by=lacre"),
            1,
        ),
        (format!("event=session_ended {of_ada}"), 5),
        (
            format!("event=login_failed {of_ada} code=invalid_credentials"),
            1,
        ),
        ("event=login_failed code=invalid_credentials".to_owned(), 2),
        (format!("event=session_started {of_bea} {by_shop}"), 3),
        (format!("event=login_succeeded {of_bea} {by_shop}"), 3),
        (
            format!("event=session_ended {of_bea} cause=replaced {by_shop}"),
            1,
        ),
        (
            format!("event=account_changed user=cyd change=created {by_admin}"),
            1,
        ),
        (
            "event=access_denied user=cyd code=role_missing".to_owned(),
            1,
        ),
        (
            format!("event=session_ended user=cyd cause=revoked_by_admin {by_admin}"),
            1,
        ),
        (
            format!("event=account_changed user=cyd change=profile {by_admin}"),
            1,
        ),
        (
            format!("event=account_changed user=cyd change=rights {by_admin}"),
            1,
        ),
        (
            format!("event=account_changed user=cyd change=disabled {by_admin}"),
            1,
        ),
        (
            format!("event=session_ended user=cyd cause=account_closed {by_admin}"),
            1,
        ),
        (
            format!("event=account_changed user=cyd change=deleted {by_admin}"),
            1,
        ),
        (
            format!("event=account_changed user={root} change=rights by=operator"),
            1,
        ),
        (
            "event=account_changed user=dan change=created by=operator".to_owned(),
            1,
        ),
        (
            "event=account_changed user=dan change=deleted by=operator".to_owned(),
            1,
        ),
        (
            format!("event=account_changed {of_bea} change=disabled by=operator"),
            1,
        ),
        (
            format!("event=session_ended {of_bea} cause=account_closed by=operator"),
            1,
        ),
        (
            format!("event=account_changed {of_bea} change=enabled by=operator"),
            1,
        ),
        (
            format!("event=session_ended {of_bea} cause=revoked_by_admin by=operator"),
            1,
        ),
        (
            format!(
                "event=operator_acted action=client_added client={} by=operator",
                shop.id
            ),
            1,
        ),
        (
            format!(
                "event=operator_acted action=client_deleted client={} by=operator",
                shop.id
            ),
            1,
        ),
        (
            "event=operator_acted action=all_sessions_revoked by=operator".to_owned(),
            1,
        ),
    ];
    for (words, times) in table {
        assert_eq!(events(&written, words), *times, "{words}\n{written}");
    }
}
