//! An administrator sees and changes accounts, and what that ends.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Token};
use serde_json::{Value, json};

const ROOT: &str = "root@example.com";
const NEW_PASSWORD: &str = "wrong horse, right staple";

/// A server and its administrator.
struct House {
    server: Server,
    root: Token,
    root_id: String,
}

impl House {
    fn open() -> Self {
        let server = Server::start();
        let root_id = server.sign_up(ROOT, PASSWORD).id;
        server.operator(&["users", "set", ROOT, "--role", "admin"]);
        let root = server.get_token(ROOT, PASSWORD);
        Self {
            server,
            root,
            root_id,
        }
    }

    fn ask(&self, method: &str, target: &str) -> Answer {
        self.server.call(method, target, &self.root.auth)
    }

    fn tell(&self, method: &str, target: &str, body: Value) -> Answer {
        let request = Request::new(method, target).bearer(&self.root.auth);
        self.server.send(&request.json(body))
    }

    fn post(&self, body: Value) -> Answer {
        self.tell("POST", "/admin/users", body)
    }

    fn put(&self, id: &str, body: Value) -> Answer {
        self.tell("PUT", &format!("/admin/users/{id}"), body)
    }

    /// Makes an account with this id, and logs it in.
    fn make(&self, id: &str) -> Token {
        let email = format!("{id}@example.com");
        let body = json!({"id": id, "email": email, "password": PASSWORD});
        self.post(body).expect(201);
        self.server.get_token(&email, PASSWORD)
    }

    /// The ids on a page, and its cursor.
    fn page(&self, query: &str) -> (Vec<String>, Value) {
        let page = self.ask("GET", &format!("/admin/users{query}"));
        let page = page.expect(200).json();
        let users = page["users"].as_array().unwrap();
        let ids = users.iter().map(|user| user["id"].as_str().unwrap());
        (ids.map(str::to_owned).collect(), page["next"].clone())
    }

    fn ended_whole(&self, token: &Token) {
        self.server.refuses(&token.auth);
        self.server.refresh(token).refused(401, "invalid_token");
    }
}

#[test]
fn all_routes_demand_the_role() {
    let house = House::open();
    let user = house.make("u1");
    for (method, target) in [
        ("GET", "/admin/users"),
        ("POST", "/admin/users"),
        ("GET", "/admin/users/u1"),
        ("PUT", "/admin/users/u1"),
        ("DELETE", "/admin/users/u1"),
        ("GET", "/admin/users/u1/sessions"),
        ("DELETE", "/admin/users/u1/sessions"),
    ] {
        let refused = house.server.call(method, target, &user.auth);
        let problem = refused.refused(403, "insufficient_scope");
        assert_eq!(problem["missing"], json!({"role": "admin"}));
        house
            .server
            .send(&Request::new(method, target))
            .refused(401, "no_credentials");
    }
    house.server.accepts(&user.auth);
}

#[test]
fn accounts_are_listed_page_by_page() {
    let house = House::open();
    for id in ["u1", "u2", "u3"] {
        house.make(id);
    }
    house.put("u2", json!({"name": "Grace Hopper"})).expect(200);
    let mut all = vec![
        "u1".to_owned(),
        "u2".into(),
        "u3".into(),
        house.root_id.clone(),
    ];
    all.sort_unstable();
    assert_eq!(house.page(""), (all.clone(), Value::Null));

    let (first, next) = house.page("?limit=3");
    assert_eq!(first, all[..3]);
    let rest = format!("?limit=3&after={}", next.as_str().unwrap());
    assert_eq!(house.page(&rest), (all[3..].to_vec(), Value::Null));

    assert_eq!(house.page("?q=HOPPER").0, ["u2"]);
    assert_eq!(house.page("?q=u3%40example").0, ["u3"]);
    assert_eq!(house.page("?q=nobody").0, [""; 0]);
    for bad in ["?limit=0", "?limit=201", "?after=a%20b", "?q=%00", "?x=1"] {
        house
            .ask("GET", &format!("/admin/users{bad}"))
            .refused(400, "invalid_request");
    }
}

#[test]
fn an_account_is_made_by_the_rules_of_sign_up() {
    let house = House::open();
    let answer = house
        .post(json!({
            "id": "clerk-1",
            "email": "Clerk@example.com",
            "password": PASSWORD,
            "name": "A Clerk",
            "roles": ["clerk", "user"],
            "permissions": ["orders:read"],
        }))
        .expect(201);
    assert_eq!(answer.header("location"), Some("/admin/users/clerk-1"));
    let made = answer.json();
    let expected = json!({
        "id": "clerk-1",
        "email": "Clerk@example.com",
        "name": "A Clerk",
        "role": "clerk",
        "roles": ["clerk", "user"],
        "permissions": ["orders:read"],
        "active": true,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(
        house.ask("GET", "/admin/users/clerk-1").expect(200).json(),
        expected
    );
    let token = house.server.get_token("clerk@example.com", PASSWORD);
    let me = house.server.call("GET", "/me", &token.auth).expect(200);
    assert_eq!(me.json()["permissions"], json!(["orders:read"]));

    // Without a password, with the usual role and an id of its own.
    let bare = house
        .post(json!({"email": "bare@example.com"}))
        .expect(201)
        .json();
    assert_eq!(bare["roles"], json!(["user"]));
    house
        .server
        .try_get_token("bare@example.com", PASSWORD)
        .refused(401, "invalid_credentials");
}

#[test]
fn an_account_that_can_not_be_is_not_made() {
    let house = House::open();
    house.make("clerk-1");
    let email = "x@example.com";
    for (body, status, code, field) in [
        (json!({}), 400, "body_missing_member", Some("email")),
        (
            json!({"email": "CLERK-1@example.com"}),
            409,
            "account_exists",
            None,
        ),
        (
            json!({"email": email, "id": "clerk-1"}),
            409,
            "account_exists",
            None,
        ),
        (json!({"email": "x"}), 422, "account_invalid", Some("email")),
        (
            json!({"email": email, "id": "client_x"}),
            422,
            "account_invalid",
            Some("id"),
        ),
        (
            json!({"email": email, "password": "12345678"}),
            422,
            "account_invalid",
            Some("password"),
        ),
        (
            json!({"email": email, "roles": ["a b"]}),
            422,
            "account_invalid",
            Some("roles"),
        ),
        (
            json!({"email": email, "roles": []}),
            422,
            "account_invalid",
            Some("roles"),
        ),
        (
            json!({"email": email, "role": "a b"}),
            422,
            "account_invalid",
            Some("role"),
        ),
        (
            json!({"email": email, "role": "a", "roles": ["b"]}),
            422,
            "account_invalid",
            Some("role"),
        ),
        (
            json!({"email": email, "permissions": [""]}),
            422,
            "account_invalid",
            Some("permissions"),
        ),
        (
            json!({"email": email, "active": false}),
            422,
            "account_invalid",
            Some("active"),
        ),
        (
            json!({"email": email, "roles": "admin"}),
            400,
            "body_wrong_type",
            Some("roles"),
        ),
        (
            json!({"email": email, "id": 7}),
            400,
            "body_wrong_type",
            Some("id"),
        ),
    ] {
        let problem = house.post(body.clone()).refused(status, code);
        assert_eq!(problem["field"].as_str(), field, "{body}");
    }
    assert_eq!(
        house.page("?q=x%40example").0,
        [""; 0],
        "a refused account was made"
    );
}

#[test]
fn what_closes_an_account_ends_its_sessions_whole() {
    let house = House::open();
    let bystander = house.make("bystander");

    let token = house.make("u1");
    let changed = house.put("u1", json!({"active": false})).expect(200);
    assert_eq!(changed.json()["active"], false);
    house.ended_whole(&token);
    house
        .server
        .try_get_token("u1@example.com", PASSWORD)
        .refused(401, "invalid_credentials");
    house.put("u1", json!({"active": true})).expect(200);
    house.ended_whole(&token);

    let token = house.server.get_token("u1@example.com", PASSWORD);
    house
        .put("u1", json!({"password": NEW_PASSWORD}))
        .expect(200);
    house.ended_whole(&token);
    house
        .server
        .try_get_token("u1@example.com", PASSWORD)
        .refused(401, "invalid_credentials");

    let token = house.server.get_token("u1@example.com", NEW_PASSWORD);
    house.ask("DELETE", "/admin/users/u1").expect(204);
    house.ended_whole(&token);
    for method in ["GET", "DELETE"] {
        house
            .ask(method, "/admin/users/u1")
            .refused(404, "not_found");
    }
    house.server.accepts(&bystander.auth);
}

#[test]
fn other_rights_end_the_access_tokens_and_the_next_refresh_brings_them() {
    let house = House::open();
    let token = house.make("u1");
    let changed = house.put("u1", json!({"role": "clerk"})).expect(200);
    assert_eq!(changed.json()["roles"], json!(["clerk"]));
    house.server.refuses(&token.auth);
    let token = Token::of(&house.server.refresh(&token));
    let open = house.server.call("GET", "/open", &token.auth).expect(200);
    assert_eq!(open.json()["user"]["role"], "clerk");

    house
        .put("u1", json!({"permissions": ["orders:read"]}))
        .expect(200);
    house.server.refuses(&token.auth);
    let token = Token::of(&house.server.refresh(&token));

    // A name gives no rights.
    house.put("u1", json!({"name": "Ada"})).expect(200);
    house.server.accepts(&token.auth);
    let shown = house.ask("GET", "/admin/users/u1").expect(200).json();
    assert_eq!(shown["name"], "Ada");
    assert_eq!(shown["permissions"], json!(["orders:read"]));
}

#[test]
fn a_bad_change_changes_nothing() {
    let house = House::open();
    let token = house.make("u1");
    let before = house.ask("GET", "/admin/users/u1").json();
    for (body, status, code) in [
        (json!({}), 400, "body_missing_member"),
        (
            json!({"email": "other@example.com"}),
            400,
            "body_missing_member",
        ),
        (json!({"active": "no"}), 400, "body_wrong_type"),
        (
            json!({"password": NEW_PASSWORD, "roles": []}),
            422,
            "account_invalid",
        ),
        (
            json!({"password": NEW_PASSWORD, "name": "a\u{7}"}),
            422,
            "account_invalid",
        ),
        (
            json!({"active": false, "password": "12345678"}),
            422,
            "account_invalid",
        ),
        (
            json!({"active": false, "password": "u1@example.com"}),
            422,
            "account_invalid",
        ),
        (
            json!({"active": false, "role": "a", "roles": ["b"]}),
            422,
            "account_invalid",
        ),
    ] {
        house.put("u1", body).refused(status, code);
    }
    assert_eq!(house.ask("GET", "/admin/users/u1").json(), before);
    house.server.accepts(&token.auth);
    house.server.get_token("u1@example.com", PASSWORD);

    for id in ["nobody", "client_x", "a%20b", "a%2Fb", "u1@example.com"] {
        house
            .put(id, json!({"name": "x"}))
            .refused(404, "not_found");
        let sessions = format!("/admin/users/{id}/sessions");
        house.ask("GET", &sessions).refused(404, "not_found");
        house.ask("DELETE", &sessions).refused(404, "not_found");
    }
}

#[test]
fn administrators_can_not_lock_themselves_out() {
    let house = House::open();
    let own = house.root_id.as_str();
    for body in [
        json!({"active": false}),
        json!({"role": "user"}),
        json!({"roles": ["user"]}),
        json!({"password": NEW_PASSWORD}),
    ] {
        house.put(own, body).refused(409, "own_account");
    }
    house
        .ask("DELETE", &format!("/admin/users/{own}"))
        .refused(409, "own_account");
    house.put(own, json!({"name": "Root"})).expect(200);
    house.server.accepts(&house.root.auth);

    // Another administrator may.
    house.make("deputy");
    house.put("deputy", json!({"role": "admin"})).expect(200);
    let deputy = house.server.get_token("deputy@example.com", PASSWORD);
    let demote = Request::new("PUT", &format!("/admin/users/{own}")).bearer(&deputy.auth);
    house
        .server
        .send(&demote.json(json!({"role": "user"})))
        .expect(200);
    house
        .ask("GET", "/admin/users")
        .refused(401, "invalid_token");
    let demoted = Token::of(&house.server.refresh(&house.root));
    house
        .server
        .call("GET", "/admin/users", &demoted.auth)
        .refused(403, "insufficient_scope");
}

#[test]
fn the_sessions_of_a_user_are_seen_and_ended() {
    let house = House::open();
    let (one, two) = (
        house.make("u1"),
        house.server.get_token("u1@example.com", PASSWORD),
    );
    let target = "/admin/users/u1/sessions";
    let seen = house.ask("GET", target).expect(200).json();
    let mut handles: Vec<&str> = seen
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["crt"].as_str().unwrap())
        .collect();
    handles.sort_unstable();
    let mut expected = [one.crt.as_str(), two.crt.as_str()];
    expected.sort_unstable();
    assert_eq!(handles, expected);
    assert_eq!(seen[0]["ip"], "127.0.0.1");
    assert_eq!(seen[0]["current"], false);

    let ended = house.ask("DELETE", target).expect(200).json();
    assert_eq!(ended, json!({"revoked": 2}));
    house.ended_whole(&one);
    house.ended_whole(&two);
    assert_eq!(
        house.ask("DELETE", target).expect(200).json(),
        json!({"revoked": 0})
    );
    assert_eq!(house.ask("GET", target).expect(200).json(), json!([]));
}

#[test]
fn the_trail_says_who_changed_whom_and_what_ended() {
    let mut house = House::open();
    house.make("u1");
    house
        .put("u1", json!({"password": NEW_PASSWORD}))
        .expect(200);
    house.server.get_token("u1@example.com", NEW_PASSWORD);
    house.ask("DELETE", "/admin/users/u1/sessions").expect(200);
    house.ask("DELETE", "/admin/users/u1").expect(204);
    house.server.stop();
    let written = house.server.written();
    let has = |words: &[&str]| {
        let found = written
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no {words:?} in\n{written}");
    };
    let by = format!("admin={}", house.root_id);
    for change in ["change=created", "change=password", "change=deleted"] {
        has(&["event=account_changed", "user=u1", change, "by=admin", &by]);
    }
    for cause in ["cause=password_changed", "cause=revoked_by_admin"] {
        has(&["event=session_ended", "user=u1", cause]);
    }
}
