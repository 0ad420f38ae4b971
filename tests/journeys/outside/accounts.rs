//! Whose account a subject is.

use super::*;

#[test]
fn a_subject_gets_an_account_at_first_sight_and_the_same_one_ever_after() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    let said = with("248289761001", |claims| {
        claims["email"] = json!("ada@corp.example");
        claims["email_verified"] = json!(true);
        claims["name"] = json!("Ada");
    });
    let token = session(&server, &key.token(&said));
    let shown = me(&server, &token).expect(200).json();
    assert_eq!(shown["email"], "ada@corp.example");
    assert_eq!(
        (&shown["name"], &shown["roles"]),
        (&json!("Ada"), &json!(["user"]))
    );
    assert_eq!(shown["session"]["fresh"], false);
    let id = shown["id"].as_str().unwrap();

    let refresh = token.refresh.as_deref().unwrap();
    let renewed = server
        .send(&Request::post("/refresh").bearer(refresh))
        .expect(200);
    let renewed = Token::of(&renewed);
    assert_eq!(me(&server, &renewed).expect(200).json()["id"], id);

    let later = with("248289761001", |claims| {
        claims["exp"] = json!(4_000_000_001_u64);
    });
    let again = session(&server, &key.token(&later));
    assert_eq!(me(&server, &again).expect(200).json()["id"], id);
    let users: Value =
        serde_json::from_str(&server.operator(&["users", "list", "--json"])).unwrap();
    assert_eq!(users.as_array().unwrap().len(), 1);
    assert_eq!(site.asked(), 1);

    let shown = server.operator(&["users", "show", id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["links"][0]["issuer"], ISS);
    assert_eq!(shown["links"][0]["subject"], "248289761001");
    let table = server.operator(&["users", "show", id]);
    assert!(
        table.contains("248289761001 at https://corp.example/"),
        "{table}"
    );

    server
        .send(&Request::post("/logout").bearer(&again.auth))
        .expect(204);
    me(&server, &again).expect(401);
    assert!(server.stop().success());
    let log = server.written();
    for part in [
        "change=created",
        "change=linked",
        "by=issuer issuer=corp",
        "event=session_started",
    ] {
        assert!(log.contains(part), "no {part}: {log}");
    }
    assert!(!log.contains("eyJhbGci"), "no token in the log");
}

/// One outside token is one session at most: whoever exchanges a stolen copy is noticed.
#[test]
fn a_token_that_is_exchanged_again_replaces_its_session() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let server = believing(&format!("{}{MAKE}", site.keys())).start();
    let text = key.token(&claims("ada"));
    let (first, second) = (session(&server, &text), session(&server, &text));
    me(&server, &first).expect(401);
    me(&server, &second).expect(200);
    let other = session(
        &server,
        &key.token(&with("ada", |claims| claims["jti"] = json!("2"))),
    );
    me(&server, &second).expect(200);
    me(&server, &other).expect(200);
}

#[test]
fn a_subject_that_nobody_linked_is_refused_until_an_operator_links_it() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let server = believing(&site.keys()).start();
    let ada = server.sign_up("ada@example.com", "correct horse battery");
    let said = with("7", |claims| {
        claims["email"] = json!("ada@example.com");
        claims["email_verified"] = json!(true);
    });
    let text = key.token(&said);
    exchange(&server, &text).refused(401, "invalid_credentials");
    server.operator(&[
        "users",
        "link",
        "ada@example.com",
        "--issuer",
        "corp",
        "--subject",
        "7",
    ]);
    let token = session(&server, &text);
    assert_eq!(me(&server, &token).expect(200).json()["id"], ada.id);

    let other = server.sign_up("eve@example.com", "correct horse battery");
    let link = [
        "users",
        "link",
        &other.id,
        "--issuer",
        "corp",
        "--subject",
        "7",
    ];
    let refused = server.setup().lacre(link).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("link_exists"),
        "{refused:?}"
    );
    let unknown = [
        "users",
        "link",
        &other.id,
        "--issuer",
        "crop",
        "--subject",
        "8",
    ];
    let refused = server.setup().lacre(unknown).output().unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("issuer_unknown"),
        "{refused:?}"
    );
}

/// Whoever can have an address verified by an issuer doesn't own the account that has it here.
#[test]
fn the_address_of_another_account_gives_nobody_that_account() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    server.sign_up("admin@example.com", "correct horse battery");
    let said = |verified: bool| {
        with("eve", |claims| {
            claims["email"] = json!("Admin@Example.com");
            claims["email_verified"] = json!(verified);
        })
    };
    exchange(&server, &key.token(&said(true))).refused(401, "invalid_credentials");
    let token = session(&server, &key.token(&said(false)));
    let shown = me(&server, &token).expect(200).json();
    let address = shown["email"].as_str().unwrap();
    assert!(address.ends_with("@corp.invalid"), "{shown}");
    assert!(server.stop().success());
    assert!(server.written().contains("code=outside_email_taken"));
}

#[test]
fn unlinking_ends_the_sessions_begun_through_the_link_and_no_others() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&site.keys()).start();
    let ada = server.sign_up("ada@example.com", "correct horse battery");
    server.operator(&[
        "users",
        "link",
        &ada.id,
        "--issuer",
        "corp",
        "--subject",
        "7",
    ]);
    let own = server.get_token("ada@example.com", "correct horse battery");
    let text = key.token(&claims("7"));
    let outside = session(&server, &text);
    let listed = server.operator(&["keystore", "list", "--json"]);
    assert!(listed.contains("issuer:https://corp.example/"), "{listed}");

    let said = server.operator(&["users", "unlink", "ada@example.com", "--issuer", "corp"]);
    assert!(said.contains("is unlinked; 1 session ended"), "{said}");
    me(&server, &outside).expect(401);
    let refresh = Request::post("/refresh").bearer(outside.refresh.as_deref().unwrap());
    server.send(&refresh).expect(401);
    exchange(&server, &text).refused(401, "invalid_credentials");
    me(&server, &own).expect(200);
    // By the iss itself, and what is gone already is done.
    let said = server.operator(&["users", "unlink", &ada.id, "--issuer", ISS]);
    assert!(said.contains("0 sessions ended"), "{said}");
    assert!(server.stop().success());
    let log = server.written();
    assert!(
        log.contains("cause=unlinked") && log.contains("change=unlinked"),
        "{log}"
    );
    // Without a server the command does the same.
    let setup = server.setup().clone();
    let show = setup
        .lacre(["users", "show", &ada.id, "--json"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&show.stdout).contains("\"links\":[]"),
        "{show:?}"
    );
}

#[test]
fn a_disabled_or_deleted_account_is_refused_like_a_wrong_password() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let server = believing(&format!("{}{MAKE}", site.keys())).start();
    let text = key.token(&claims("7"));
    let token = session(&server, &text);
    let id = me(&server, &token).expect(200).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    server.operator(&["users", "disable", &id]);
    me(&server, &token).expect(401);
    exchange(&server, &text).refused(401, "invalid_credentials");
    server.operator(&["users", "enable", &id]);
    let token = session(&server, &text);
    server.operator(&["users", "delete", &id]);
    me(&server, &token).expect(401);
    // The issuer may have its accounts made: the next one is another.
    let next = session(&server, &text);
    assert_ne!(me(&server, &next).expect(200).json()["id"], id.as_str());
}

#[test]
fn roles_follow_each_token_and_administrators_are_made_here_alone() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let lines = format!("{}{MAKE}roles_claim = \"/realm/roles\"\n", site.keys());
    let server = believing(&lines).start();
    let saying = |roles: Value, n: u64| {
        key.token(&with("7", |claims| {
            claims["realm"] = json!({ "roles": roles });
            claims["exp"] = json!(4_000_000_000 + n);
        }))
    };
    let first = session(
        &server,
        &saying(json!(["clerk", "admin", "Domain Users"]), 1),
    );
    let shown = me(&server, &first).expect(200).json();
    assert_eq!(shown["roles"], json!(["clerk"]));
    server
        .send(&Request::get("/admin/users").bearer(&first.auth))
        .refused(403, "insufficient_scope");
    let second = session(&server, &saying(json!(["auditor"]), 2));
    me(&server, &first).expect(401); // its rights are those of before
    let id = shown["id"].as_str().unwrap();
    server.operator(&["users", "set", id, "--role", "admin", "--role", "auditor"]);
    me(&server, &second).expect(401);
    let third = session(&server, &saying(json!(["clerk"]), 3));
    let shown = me(&server, &third).expect(200).json();
    assert_eq!(shown["roles"], json!(["admin", "clerk"]));
}
