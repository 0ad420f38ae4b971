//! Every event of the table in `docs/operating.md`, made by a real request: exactly its fields, and the
//! address of whoever sent the request, behind a trusted proxy and without one.

use super::super::PASSWORD;
use crate::pages::page::root;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup, Token};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Whom the proxy names as its client.
const CLIENT: &str = "203.0.113.7";
const WRONG: &str = "wrong horse battery";

/// A server, the lines that it is to write for each request, and what was written.
struct Scene {
    server: Server,
    /// What stands behind `address=`.
    address: &'static str,
    due: Vec<(String, Vec<String>)>,
    by_operators: Vec<String>,
}

impl Scene {
    fn start(proxies: Option<&str>) -> Self {
        let setup = Setup::new()
            .env("LACRE_TOKEN__LOCATIONS", "header,cookie")
            .env("LACRE_REFRESH__GRACE", "0s")
            .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "2/1h")
            .env("LACRE_LIMITS__SIGNUP_PER_ADDRESS", "2/1h");
        let setup = proxies.map_or(setup.clone(), |list| {
            setup.env("LACRE_TRUSTED_PROXIES", list)
        });
        Self {
            server: setup.start(),
            address: if proxies.is_some() {
                CLIENT
            } else {
                "127.0.0.1"
            },
            due: Vec::new(),
            by_operators: Vec::new(),
        }
    }

    /// Sends the request, and expects this status and these lines of it, without their ends.
    fn send(&mut self, request: Request, status: u16, lines: &[&str]) -> Answer {
        let answer = self.server.send(&request.header("X-Forwarded-For", CLIENT));
        self.note(answer.expect(status), lines)
    }

    fn note(&mut self, answer: Answer, lines: &[&str]) -> Answer {
        let id = answer.header("x-request-id").unwrap().to_owned();
        let end = format!("request_id={id} address={}", self.address);
        let lines = lines.iter().map(|line| format!("{line} {end}")).collect();
        self.due.push((id, lines));
        answer
    }

    /// What a command is to be logged as: it has no request and no address.
    fn operator(&mut self, arguments: &[&str], lines: &[&str]) -> String {
        self.by_operators
            .extend(lines.iter().map(|line| (*line).to_owned()));
        self.server.operator(arguments)
    }

    /// Compares line by line; the names of the events that were seen, each with its fields.
    fn compare(mut self) -> BTreeMap<String, BTreeSet<String>> {
        self.server.stop();
        let written = self.server.written();
        let events: Vec<&str> = written
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(_, event)| event)
            .filter(|event| event.contains(" lacre::audit "))
            .collect();
        for (id, due) in &self.due {
            let id = format!("request_id={id}");
            let found: Vec<_> = events.iter().filter(|line| line.contains(&id)).collect();
            assert_eq!(found.iter().map(|line| **line).collect::<Vec<_>>(), *due);
        }
        for due in &self.by_operators {
            let found = events.iter().filter(|line| *line == due).count();
            assert_eq!(found, 1, "{due} in\n{written}");
        }
        assert!(!written.contains("actix"), "{written}");
        let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
        for event in events {
            let fields = event
                .split(' ')
                .skip(2)
                .map(|pair| pair.split_once('=').unwrap());
            let (names, values): (Vec<_>, Vec<_>) = fields.unzip();
            let of_event = seen.entry(values[0].to_owned()).or_default();
            of_event.extend(names[1..].iter().map(|name| (*name).to_owned()));
        }
        seen
    }
}

fn log_in(email: &str, password: &str) -> Request {
    Request::post("/getToken").json(json!({"email": email, "password": password}))
}

fn sign_up(email: &str) -> Request {
    Request::post("/signup").json(json!({"email": email, "password": PASSWORD}))
}

fn on_behalf(id: &str, secret: &str, user: &str) -> Request {
    Request::post("/getToken")
        .basic(id, secret)
        .json(json!({"id": user, "user_session": "basket"}))
}

fn cut(token: &Token) -> String {
    format!("{}…", &token.crt[..8])
}

/// Log-ins that are taken and refused, of users and of back ends.
fn log_ins(scene: &mut Scene, user: &str) -> Token {
    let failed = "WARN lacre::audit event=login_failed";
    let shop = scene.server.add_client("shop");
    let (id, secret) = (shop.id.as_str(), shop.secret.as_str());
    let of_shop = format!("client={id}");
    for (request, status, line) in [
        (
            log_in("nobody@example.com", WRONG),
            401,
            format!("{failed} code=invalid_credentials"),
        ),
        (
            log_in("ada@example.com", PASSWORD).header("Sec-Fetch-Site", "cross-site"),
            403,
            format!("{failed} code=csrf_other_site"),
        ),
        (
            on_behalf(id, "guess", user),
            401,
            format!("{failed} {of_shop} code=invalid_client"),
        ),
        (
            on_behalf("s3cret", "shop", user),
            401,
            format!("{failed} code=invalid_client"),
        ),
        (
            on_behalf(id, secret, "bea"),
            401,
            format!("{failed} {of_shop} code=invalid_credentials"),
        ),
        (
            on_behalf(id, secret, user).header("Sec-Fetch-Site", "cross-site"),
            403,
            format!("{failed} {of_shop} code=csrf_other_site"),
        ),
        (
            Request::post("/getToken").json(json!({"id": user, "user_session": "basket"})),
            401,
            format!("{failed} code=invalid_client"),
        ),
        (
            Request::post("/getToken")
                .header("Authorization", "Basic ?")
                .json(json!({"id": user, "user_session": "basket"})),
            401,
            format!("{failed} code=basic_malformed"),
        ),
    ] {
        scene.send(request, status, &[&line]);
    }
    let asked = on_behalf(id, secret, user).header("X-Forwarded-For", CLIENT);
    let answer = scene.server.send(&asked);
    let begun = Token::of(&answer);
    let (by, session) = (format!("by=client {of_shop}"), cut(&begun));
    scene.note(
        answer,
        &[
            &format!("INFO lacre::audit event=login_succeeded user={user} {by}"),
            &format!("INFO lacre::audit event=session_started user={user} session={session} {by}"),
        ],
    );
    let answer = scene
        .server
        .send(&log_in("ada@example.com", PASSWORD).header("X-Forwarded-For", CLIENT));
    let begun = Token::of(&answer);
    let session = cut(&begun);
    scene.note(
        answer,
        &[
            &format!("INFO lacre::audit event=login_succeeded user={user} by=owner"),
            &format!(
                "INFO lacre::audit event=session_started user={user} session={session} by=owner"
            ),
        ],
    );
    begun
}

/// Tokens that are refused, and good ones that aren't enough.
fn refusals(scene: &mut Scene, user: &str, token: &Token) {
    let refused = "WARN lacre::audit event=token_refused";
    let (auth, refresh) = (token.auth.as_str(), token.refresh.as_deref().unwrap());
    let cross = |request: Request| request.header("Sec-Fetch-Site", "cross-site");
    let me = |text: &str| Request::get("/me").bearer(text);
    for (request, status, code) in [
        (me("noise"), 401, "token_malformed"),
        (me(refresh), 401, "token_kind"),
        (me("no token"), 401, "bearer_not_visible_ascii"),
        (
            Request::post("/refresh").bearer("noise"),
            401,
            "token_malformed",
        ),
        (
            cross(Request::post("/refresh").bearer(refresh)),
            403,
            "csrf_other_site",
        ),
    ] {
        scene.send(request, status, &[&format!("{refused} code={code}")]);
    }
    let denied = format!(
        "WARN lacre::audit event=access_denied user={user} session={}",
        cut(token)
    );
    let admin = Request::get("/admin/users").bearer(auth);
    scene.send(admin, 403, &[&format!("{denied} code=role_missing")]);
    let by_cookie = format!("__Host-lacre_access={auth}");
    let log_out = Request::post("/logout").header("Cookie", &by_cookie);
    scene.send(
        log_out,
        403,
        &[&format!("{denied} code=csrf_header_missing")],
    );

    // A proof of the password, from another site's page and without the password.
    let failed = format!("WARN lacre::audit event=login_failed user={user}");
    let prove = |password: &str| {
        let body = json!({"password": password});
        Request::post("/reauth").bearer(auth).json(body)
    };
    scene.send(
        cross(prove(PASSWORD)),
        403,
        &[&format!("{failed} code=csrf_other_site")],
    );
    for _ in 0..2 {
        scene.send(
            prove(WRONG),
            401,
            &[&format!("{failed} code=invalid_credentials")],
        );
    }
    // One count for all names of the account, and for whoever holds a token of it.
    let limited = format!("{failed} code=rate_limited");
    scene.send(prove(WRONG), 429, &[&limited]);
    for name in [user, "ada@example.com"] {
        scene.send(log_in(name, PASSWORD), 429, &[&limited]);
    }
}

/// Ends of sessions, changes of accounts, and what an operator does.
fn changes(scene: &mut Scene, user: &str, token: &Token) {
    let (auth, refresh) = (token.auth.as_str(), token.refresh.as_deref().unwrap());
    let ended = format!("session_ended user={user} session={}", cut(token));
    scene.send(Request::post("/refresh").bearer(refresh), 200, &[]);
    let theft = format!("WARN lacre::audit event={ended} cause=refresh_reused by=lacre");
    scene.send(Request::post("/refresh").bearer(refresh), 401, &[&theft]);
    let unknown = "WARN lacre::audit event=token_refused code=session_unknown";
    scene.send(Request::get("/me").bearer(auth), 401, &[unknown]);

    let limited = "WARN lacre::audit event=signup_refused code=rate_limited";
    scene.send(sign_up("cyd@example.com"), 429, &[limited]);
    let by = "by=operator";
    let root = scene.operator(
        &[
            "users",
            "add",
            "root@example.com",
            "--id",
            "root",
            "--role",
            "admin",
        ],
        &[&format!(
            "INFO lacre::audit event=account_changed user=root change=created {by}"
        )],
    );
    assert!(root.contains("root@example.com"), "{root}");
    scene.operator(
        &["users", "disable", user],
        &[&format!(
            "INFO lacre::audit event=account_changed user={user} change=disabled {by}"
        )],
    );
    let shop: serde_json::Value =
        serde_json::from_str(&scene.operator(&["clients", "add", "till", "--json"], &[])).unwrap();
    let id = shop["id"].as_str().unwrap();
    let acted = format!("INFO lacre::audit event=operator_acted client={id}");
    scene
        .by_operators
        .push(format!("{acted} action=client_added {by}"));
    scene.operator(
        &["clients", "delete", id],
        &[&format!("{acted} action=client_deleted {by}")],
    );
}

/// Two accounts, which is as many as may sign up; the id of the first.
fn sign_ups(scene: &mut Scene) -> String {
    let mut first = None;
    for email in ["ada@example.com", "bob@example.com"] {
        let request = sign_up(email).header("X-Forwarded-For", CLIENT);
        let answer = scene.server.send(&request).expect(201);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let made =
            format!("INFO lacre::audit event=account_changed user={id} change=created by=owner");
        scene.note(answer, &[&made]);
        first = first.or(Some(id));
    }
    first.unwrap()
}

/// What was written, with these proxies trusted.
fn events(proxies: Option<&str>) -> BTreeMap<String, BTreeSet<String>> {
    let mut scene = Scene::start(proxies);
    let user = sign_ups(&mut scene);
    let token = log_ins(&mut scene, &user);
    refusals(&mut scene, &user, &token);
    changes(&mut scene, &user, &token);
    scene.compare()
}

/// The events that the page lists, each with the fields that it may have.
fn promised() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let (_, table) = page.split_once("| event | fields besides").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let words = row.split('`').skip(1).step_by(2).map(str::to_owned);
        let mut words: BTreeSet<String> = words.collect();
        words.extend(["request_id", "address"].map(str::to_owned));
        if words.contains("by") {
            words.extend(["client", "admin"].map(str::to_owned));
        }
        let name = row.split('`').nth(1).unwrap().to_owned();
        words.remove(&name);
        (name, words)
    })
    .collect()
}

#[test]
fn every_event_has_its_fields_and_the_address_of_the_client() {
    let mut promised = promised();
    // It takes a log that nobody reads (`stalled_log.rs`).
    assert!(promised.remove("refusals_dropped").is_some());
    for proxies in [None, Some("127.0.0.1")] {
        let seen = events(proxies);
        let names = |events: &BTreeMap<_, _>| events.keys().cloned().collect::<Vec<String>>();
        assert_eq!(
            names(&seen),
            names(&promised),
            "an event of the page has no request here"
        );
        for (event, fields) in seen {
            assert!(fields.is_subset(&promised[&event]), "{event}: {fields:?}");
        }
    }
}

/// Nothing of such a request was understood, so the address is that of the peer.
#[test]
fn a_request_that_is_no_http_is_one_line_with_an_address() {
    for (sent, status, code) in [
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n".to_vec(),
            400,
            "request_malformed",
        ),
        (
            b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            400,
            "request_malformed",
        ),
        (
            b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_vec(),
            400,
            "request_malformed",
        ),
        (
            [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 200_000]].concat(),
            431,
            "request_head_too_large",
        ),
    ] {
        let mut server = Setup::new()
            .env("LACRE_TRUSTED_PROXIES", "127.0.0.1")
            .start();
        for address in [server.public, server.management] {
            let mut connection = Connection::open(address).unwrap();
            // The server may refuse before it has read all.
            let _ = connection.write(&sent);
            assert_eq!(connection.answer(false).unwrap().status, status, "{code}");
        }
        server.stop();
        let written = server.written();
        let due = format!(" WARN lacre::http code={code} address=127.0.0.1");
        let lines = written.lines().filter(|line| line.ends_with(&due)).count();
        assert_eq!(lines, 2, "{written}");
        assert!(
            !written.contains("actix") && !written.contains("ERROR"),
            "{written}"
        );
    }
}
