//! Whoever hangs up, what was carried out is in the audit trail: a change whose connection is reset
//! is made with its event, or not made and without one.

use super::PASSWORD;
use crate::support::http::{Connection, Request};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NEW_PASSWORD: &str = "wrong horse, right staple";
const ROUNDS: u32 = 10;

/// Sends the whole request, and resets the connection after half to one and a half times as long as
/// such a request takes.
fn send_and_reset(server: &Server, usual: Duration, round: u32, request: &Request) {
    let mut connection = Connection::open(server.public).unwrap();
    connection.write(&request.bytes()).unwrap();
    std::thread::sleep(usual * (round + ROUNDS / 2) / ROUNDS);
    connection.reset();
}

/// An account of this id, and the token of a session of it.
fn make(server: &Server, id: &str) -> String {
    let email = format!("{id}@example.com");
    let add = ["users", "add", &email, "--id", id, "--password-stdin"];
    server.operator_telling(&add, PASSWORD);
    server.get_token(&email, PASSWORD).auth
}

fn events(written: &str, words: &str) -> usize {
    let all = |line: &&str| {
        words
            .split(' ')
            .all(|word| line.split(' ').any(|w| w == word))
    };
    written.lines().filter(all).count()
}

/// An account as the operator sees it.
fn shown(server: &Server, id: &str) -> Option<Value> {
    let users: Vec<Value> =
        serde_json::from_str(&server.operator(&["users", "list", "--json"])).unwrap();
    users.into_iter().find(|user| user["id"] == id)
}

/// Each change, as it is asked for, the event that it leaves, and whether it was made.
struct Change {
    name: &'static str,
    request: fn(&Tokens<'_>, &str) -> Request,
    event: &'static str,
    made: fn(&Server, &str, &str) -> bool,
}

struct Tokens<'a> {
    admin: &'a str,
    own: &'a str,
}

impl Tokens<'_> {
    fn put(&self, id: &str, body: Value) -> Request {
        let target = format!("/admin/users/{id}");
        Request::new("PUT", &target).bearer(self.admin).json(body)
    }
}

fn has_new_password(server: &Server, id: &str, _: &str) -> bool {
    let email = format!("{id}@example.com");
    server.try_get_token(&email, NEW_PASSWORD).status == 200
}

const CHANGES: [Change; 6] = [
    Change {
        name: "own-password",
        request: |tokens, _| {
            let change = Request::new("PUT", "/me/password").bearer(tokens.own);
            change.json(json!({"current": PASSWORD, "new": NEW_PASSWORD}))
        },
        event: "change=password",
        made: has_new_password,
    },
    Change {
        name: "reset-password",
        request: |tokens, id| tokens.put(id, json!({"password": NEW_PASSWORD})),
        event: "change=password",
        made: has_new_password,
    },
    Change {
        name: "roles",
        request: |tokens, id| tokens.put(id, json!({"role": "clerk"})),
        event: "change=rights",
        made: |server, id, _| shown(server, id).unwrap()["role"] == "clerk",
    },
    Change {
        name: "disable",
        request: |tokens, id| tokens.put(id, json!({"active": false})),
        event: "change=disabled",
        made: |server, id, _| shown(server, id).unwrap()["active"] == false,
    },
    Change {
        name: "delete",
        request: |tokens, id| Request::delete(&format!("/admin/users/{id}")).bearer(tokens.admin),
        event: "change=deleted",
        made: |server, id, _| shown(server, id).is_none(),
    },
    Change {
        name: "logout",
        request: |tokens, _| Request::post("/logout").bearer(tokens.own),
        event: "cause=logout",
        made: |server, _, own| server.call("GET", "/me", own).status == 401,
    },
];

#[test]
fn a_change_whose_connection_is_reset_leaves_its_event() {
    let mut server = Server::start();
    server.sign_up("root@example.com", PASSWORD);
    server.operator(&["users", "set", "root@example.com", "--role", "admin"]);
    let admin = server.get_token("root@example.com", PASSWORD).auth;
    let mut asked = Vec::new();
    for change in &CHANGES {
        let ask = |id: &str, own: &str| (change.request)(&Tokens { admin: &admin, own }, id);
        let whole = format!("{}-whole", change.name);
        let request = ask(&whole, &make(&server, &whole));
        let begun = Instant::now();
        assert!(server.send(&request).status < 300);
        let usual = begun.elapsed();
        for round in 0..ROUNDS {
            let id = format!("{}-{round}", change.name);
            let own = make(&server, &id);
            send_and_reset(&server, usual, round, &ask(&id, &own));
            asked.push((change, id, own));
        }
    }
    // A hash or a group commit under way may take longer than the connection lasted.
    std::thread::sleep(Duration::from_secs(2));
    let made: Vec<_> = asked
        .iter()
        .map(|(change, id, own)| (change, id, (change.made)(&server, id, own)))
        .collect();
    server.stop();
    let written = server.written();
    for change in &CHANGES {
        let of = made.iter().filter(|(of, ..)| of.name == change.name);
        let count = of.filter(|(.., made)| *made).count();
        println!("{}: {count} of {ROUNDS} made", change.name);
        // Else nothing would have been shown.
        assert!(count >= 3, "{}: {count}", change.name);
    }
    for (change, id, made) in made {
        let found = events(&written, &format!("user={id} {}", change.event));
        assert_eq!(
            found,
            usize::from(made),
            "{} of {id}\n{written}",
            change.event
        );
    }
}
