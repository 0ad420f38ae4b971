//! Bad input: a clear error with a stable code, nothing lost, and the next good request answered.

use super::PASSWORD;
use crate::support::http::{Answer, Connection, Request, send_bytes};
use crate::support::server::{Server, Token};
use lacre::internals::http::routes::ROUTES;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::time::Instant;

const LIMIT: usize = 64 * 1024;

/// A server with one account and one session, which have to be there at the end as well.
struct Witness {
    server: Server,
    token: Token,
}

impl Witness {
    fn new() -> Self {
        let server = Server::start();
        server.sign_up("ada@example.com", PASSWORD);
        let token = server.get_token("ada@example.com", PASSWORD);
        Self { server, token }
    }

    /// Sends these bytes and demands the status; then the server must be well.
    fn sends(&self, what: &str, bytes: &[u8], status: u16) -> Answer {
        let answer = send_bytes(self.server.public, bytes)
            .unwrap_or_else(|error| panic!("{what}: no answer: {error}"));
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        self.server.is_well();
        answer
    }

    /// A problem with this code.
    fn refused(&self, what: &str, request: &Request, status: u16, code: &str) -> Value {
        let answer = self.sends(what, &request.bytes(), status);
        assert_eq!(answer.json()["code"], code, "{what}");
        answer.refused(status, code)
    }

    /// Nothing that was there is lost, and nothing came about.
    fn still_there(&self) {
        self.server.accepts(&self.token.auth);
        let sessions = self.server.sessions(&self.token.auth);
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        assert_eq!(sessions[0]["crt"], self.token.crt);
        let metrics = self.server.manage("/metrics");
        let calm = "lacre_http_panics_total 0";
        assert!(metrics.text().lines().any(|line| line == calm));
    }
}

fn log_in(body: impl Into<Vec<u8>>) -> Request {
    Request::post("/getToken")
        .header("Content-Type", "application/json")
        .body(body)
}

fn padded(length: usize) -> String {
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "pad": ""}).to_string();
    let pad = "x".repeat(length - body.len());
    body.replace(r#""pad":"""#, &format!(r#""pad":"{pad}""#))
}

#[test]
fn bodies_that_are_too_large() {
    let witness = Witness::new();
    let body = padded(LIMIT);
    assert_eq!(body.len(), LIMIT);
    let answer = witness.sends("the limit", &log_in(body).bytes(), 200);
    let token = Token::of(&answer);
    witness
        .server
        .call("POST", "/logout", &token.auth)
        .expect(204);

    witness.refused(
        "one more",
        &log_in(padded(LIMIT + 1)),
        413,
        "body_too_large",
    );
    witness.refused(
        "a lot more",
        &log_in(padded(LIMIT * 100)),
        413,
        "body_too_large",
    );
    let announced = b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 99999999999\r\n\r\n";
    let answer = witness.sends("announced only", announced, 413);
    answer.refused(413, "body_too_large");
    witness.still_there();
}

/// Memory that the process has in use, in KiB.
fn resident_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse().unwrap()
}

#[test]
fn a_body_in_chunks_that_never_ends() {
    let witness = Witness::new();
    let before = resident_memory(&witness.server);
    let mut connection = Connection::open(witness.server.public).unwrap();
    let head = "POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    connection.write(head.as_bytes()).unwrap();
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    // A server that closes ends this early, one that reads on and forgets is fine as well.
    let mut written = 0;
    while written < 128 << 20 && connection.write(chunk.as_bytes()).is_ok() {
        written += chunk.len();
    }
    let answer = connection.answer(false).unwrap();
    answer.refused(413, "body_too_large");
    let after = resident_memory(&witness.server);
    assert!(
        after < before + (32 << 10),
        "{before} KiB, then {after} KiB"
    );
    witness.server.is_well();
    witness.still_there();
}

#[test]
fn bodies_that_are_no_object() {
    let witness = Witness::new();
    let deep = |open: &str, close: &str| {
        format!(
            r#"{{"email":{}1{}}}"#,
            open.repeat(10_000),
            close.repeat(10_000)
        )
    };
    let good = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let twice = r#"{"email":"ada@example.com","password":"no","password":"correct horse battery"}"#;
    let twice_by_escape =
        r#"{"email":"ada@example.com","password":"no","pa\u0073sword":"correct horse battery"}"#;
    for (what, body) in [
        ("arrays in arrays", deep("[", "]")),
        ("objects in objects", deep(r#"{"a":"#, "}")),
        ("arrays that don't end", "[".repeat(10_000)),
        ("nothing", String::new()),
        ("white space", "  \n".to_owned()),
        ("null", "null".to_owned()),
        ("an array", format!("[{good}]")),
        ("a text", r#""ada@example.com""#.to_owned()),
        ("two objects", format!("{good}{good}")),
        ("a comment", format!("/**/{good}")),
        ("a comma too many", good.replace('}', ",}")),
        ("cut off", good[..good.len() - 1].to_owned()),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a member twice", twice.to_owned()),
        ("a member twice by escapes", twice_by_escape.to_owned()),
        ("an unpaired surrogate", r#"{"email":"\ud800"}"#.to_owned()),
        ("a control character", "{\"email\":\"a\nb\"}".to_owned()),
        ("not a number", r#"{"email":NaN}"#.to_owned()),
        ("a form in JSON's name", "email=ada&password=b".to_owned()),
    ] {
        witness.refused(what, &log_in(body), 400, "body_malformed");
    }
    for (what, body) in [
        ("Latin-1", &b"{\"email\":\"\xe9\"}"[..]),
        ("UTF-16", b"\xff\xfe{\0}\0"),
        ("overlong", b"{\"email\":\"\xc0\xaf\"}"),
        ("a surrogate in UTF-8", b"{\"email\":\"\xed\xa0\x80\"}"),
    ] {
        witness.refused(what, &log_in(body), 400, "body_not_utf8");
    }
    for (what, body) in [
        (
            "a form field twice",
            "email=ada%40example.com&password=no&password=x",
        ),
        ("a form with a bad escape", "email=%zz&password=x"),
    ] {
        let request = Request::post("/getToken")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = witness.sends(what, &request.bytes(), 400);
        answer.refused(400, "body_malformed");
    }
    witness.still_there();
}

#[test]
fn members_that_are_missing_or_of_the_wrong_type() {
    let witness = Witness::new();
    let full = |target: &str| match target {
        "/signup" => json!({"email": "bea@example.com", "password": PASSWORD, "name": "Bea"}),
        _ => json!({
            "email": "ada@example.com", "password": PASSWORD, "user_session": "s", "label": "l",
        }),
    };
    for target in ["/signup", "/getToken", "/login"] {
        let names: Vec<String> = full(target).as_object().unwrap().keys().cloned().collect();
        for name in names {
            for wrong in [
                json!(1),
                json!(true),
                json!(["x"]),
                json!({"x": "y"}),
                json!(1e300),
            ] {
                let mut body = full(target);
                body[&name] = wrong.clone();
                let what = format!("{target}: {name} = {wrong}");
                let request = Request::post(target).json(body);
                let problem = witness.refused(&what, &request, 400, "body_wrong_type");
                assert_eq!(problem["field"], name, "{what}");
            }
        }
        for name in ["email", "password"] {
            let mut absent = full(target);
            absent.as_object_mut().unwrap().remove(name);
            let mut null = full(target);
            null[name] = Value::Null;
            for body in [absent, null] {
                let what = format!("{target} without {name}");
                let request = Request::post(target).json(body);
                // A session name alone could be a back end's or another issuer's request.
                let problem = witness.refused(&what, &request, 400, "body_missing_member");
                assert_eq!(problem["field"], name, "{what}");
            }
        }
        let request = Request::post(target).json(json!({}));
        witness.refused("nothing", &request, 400, "body_missing_member");
    }
    let both = json!({"email": "ada@example.com", "id": "x", "password": PASSWORD});
    let request = Request::post("/getToken").json(both);
    witness.refused("two names", &request, 400, "invalid_request");
    let long = json!({
        "email": "ada@example.com", "password": PASSWORD, "user_session": "x".repeat(4097),
    });
    let request = Request::post("/getToken").json(long);
    witness.refused("a long name", &request, 400, "body_wrong_type");
    let by_client_only = json!({"id": "x", "user_session": "s"});
    let request = Request::post("/getToken").json(by_client_only);
    witness.refused("no client", &request, 401, "invalid_client");
    witness.still_there();
}

#[test]
fn media_types_that_are_not_taken() {
    let witness = Witness::new();
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let request = || Request::post("/getToken").body(body.clone());
    let typed = |kind: &str| request().header("Content-Type", kind);
    for (what, request) in [
        ("none", request()),
        ("text", typed("text/plain")),
        ("XML", typed("application/xml")),
        ("multipart", typed("multipart/form-data; boundary=x")),
        ("UTF-16", typed("application/json; charset=utf-16")),
        (
            "two",
            typed("application/json").header("Content-Type", "text/plain"),
        ),
        (
            "gzip",
            typed("application/json").header("Content-Encoding", "gzip"),
        ),
        ("no body at all", Request::post("/getToken")),
    ] {
        witness.refused(what, &request, 415, "unsupported_media_type");
    }
    witness.still_there();
}

#[test]
fn heads_that_are_too_large() {
    let witness = Witness::new();
    let head = |fields: &str| format!("GET /open HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let flood = |count: usize, value: &str| {
        let mut fields = String::new();
        for i in 0..count {
            let _ = write!(fields, "X-{i}: {value}\r\n");
        }
        head(&fields)
    };
    let answer = witness.sends("33 KB", flood(33, &"x".repeat(1000)).as_bytes(), 431);
    answer.refused(431, "header_too_large");
    witness.sends("200 fields", flood(200, "x").as_bytes(), 431);
    witness.sends("a megabyte", flood(1000, &"x".repeat(1000)).as_bytes(), 431);
    let line = head(&format!("X: {}\r\n", "x".repeat(1 << 20)));
    witness.sends("a megabyte in one line", line.as_bytes(), 431);

    let long = Request::get(&format!("/open?{}", "x".repeat(20_000)));
    witness.refused("a long target", &long, 414, "uri_too_long");
    let path = Request::get(&format!("/{}", "x".repeat(20_000)));
    witness.refused("a long path", &path, 414, "uri_too_long");
    witness.still_there();
}

#[test]
fn credentials_that_are_too_many_or_of_another_kind() {
    let witness = Witness::new();
    let token = &witness.token.auth;
    let two = Request::get("/me").bearer(token).bearer(token);
    let answer = witness.sends("two", &two.bytes(), 400);
    answer.refused(400, "invalid_request");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="lacre", error="invalid_request""#)
    );
    let bare = Request::get("/me").header("Authorization", "Bearer");
    witness.refused("no token", &bare, 400, "invalid_request");

    for scheme in ["Basic YTpi", "Digest x", "Negotiate x", "Bear x", "x", ""] {
        let request = Request::get("/me").header("Authorization", scheme);
        let answer = witness.sends(scheme, &request.bytes(), 401);
        answer.refused(401, "no_credentials");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="lacre""#),
            "{scheme}"
        );
    }
    // The scheme is compared in any case (RFC 9110 §11.1).
    let lower = Request::get("/me").header("Authorization", &format!("bearer {token}"));
    witness.sends("lower case", &lower.bytes(), 200);

    let body = json!({"id": "x", "user_session": "s"});
    for basic in ["Basic !!!!", "Basic", "Basic YWI=", "Basic YTpi"] {
        let request = Request::post("/getToken").header("Authorization", basic);
        let answer = witness.sends(basic, &request.json(body.clone()).bytes(), 401);
        answer.refused(401, "invalid_client");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Basic realm="lacre", charset="UTF-8""#)
        );
    }
    let mut both = body;
    both["password"] = json!(PASSWORD);
    let request = Request::post("/getToken").basic("a", "b").json(both);
    witness.refused("a password as well", &request, 400, "invalid_request");
    witness.still_there();
}

/// RFC 9110 §9.3.2: as GET, without the content; for whoever may and for whoever may not.
#[test]
fn head_is_get_without_the_content() {
    let witness = Witness::new();
    let server = &witness.server;
    let paths = ROUTES.iter().filter(|row| row.method == "GET");
    let mut asked = 0;
    for row in paths {
        let target = row.pattern.replace("{id}", "nobody");
        for token in [Some(&witness.token.auth), None] {
            let ask = |method: &str| {
                let request = Request::new(method, &target);
                server.send(&match token {
                    Some(token) => request.bearer(token),
                    None => request,
                })
            };
            let (get, head) = (ask("GET"), ask("HEAD"));
            assert_eq!(head.status, get.status, "{target}");
            assert_eq!(head.body, b"", "{target}");
            let fields = |answer: &Answer| -> Vec<String> {
                let named = answer
                    .headers
                    .iter()
                    .map(|(name, value)| match name.as_str() {
                        "x-request-id" | "date" => name.clone(),
                        _ => format!("{name}: {value}"),
                    });
                let mut fields: Vec<String> = named.collect();
                fields.sort_unstable();
                fields
            };
            // Times are to the second: those of the session itself don't change.
            assert_eq!(fields(&head), fields(&get), "{target}");
            asked += 1;
        }
    }
    assert!(asked >= 14, "{asked}");
    witness.still_there();
}

#[test]
fn what_real_clients_write_is_understood() {
    let witness = Witness::new();
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    for (name, value) in [
        ("Content-Type", "application/json; v=1"),
        ("Content-Encoding", "identity"),
    ] {
        let mut request = Request::post("/getToken").header(name, value);
        if name != "Content-Type" {
            request = request.header("Content-Type", "application/json");
        }
        witness.server.send(&request.body(body.clone())).expect(200);
    }
    let spaced = format!("Bearer    {}", witness.token.auth);
    let request = Request::get("/headers").header("Authorization", &spaced);
    witness.server.send(&request).expect(200);
}

#[test]
fn methods_and_routes_that_are_not_there() {
    let witness = Witness::new();
    let token = &witness.token.auth;
    for (method, target, allow) in [
        ("GET", "/signup", "POST"),
        ("GET", "/getToken", "POST"),
        ("PUT", "/login", "POST"),
        ("POST", "/open", "GET, HEAD"),
        ("POST", "/headers", "GET, HEAD"),
        ("DELETE", "/me", "GET, HEAD"),
        ("GET", "/logout", "POST"),
        ("POST", "/sessions", "DELETE, GET, HEAD"),
        ("GET", "/sessions/x", "DELETE"),
        ("BREW", "/getToken", "POST"),
    ] {
        let what = format!("{method} {target}");
        let request = Request::new(method, target).bearer(token);
        let answer = witness.sends(&what, &request.bytes(), 405);
        answer.refused(405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(", "), allow, "{what}");
    }
    for target in [
        "/",
        "/nowhere",
        "/ME",
        "/me/",
        "//me",
        "/me%00",
        "/../me",
        "/sessions/x/y",
        "/getToken/x",
        "/%ff",
    ] {
        let request = Request::get(target).bearer(token);
        witness.refused(target, &request, 404, "not_found");
    }
    for crt in [
        "x",
        "%00",
        "..",
        "%2e%2e%2fme",
        "a b",
        &"A".repeat(129),
        "*",
    ] {
        let target = format!("/sessions/{}", crt.replace(' ', "%20"));
        let request = Request::delete(&target).bearer(token);
        witness.refused(&target, &request, 404, "not_found");
    }
    witness.still_there();
}

#[test]
fn what_is_hardly_http() {
    let witness = Witness::new();
    let token = &witness.token.auth;
    let old = format!("GET /headers HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    let answer = witness.sends("HTTP/1.0", old.as_bytes(), 200);
    assert_eq!(answer.text(), "Access Granted");

    for (what, bytes) in [
        ("noise", &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..]),
        ("no version", b"GET /open\r\n\r\n"),
        ("a version of tomorrow", b"GET /open HTTP/9.9\r\n\r\n"),
        ("a header without a colon", b"GET /open HTTP/1.1\r\nHost a\r\n\r\n"),
        ("a folded header", b"GET /open HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n"),
        ("NUL in a header", b"GET /open HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
        (
            "two lengths",
            b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        ),
        (
            "a length below zero",
            b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        ),
        (
            "length and chunks (request smuggling)",
            b"POST /getToken HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        witness.sends(what, bytes, 400);
    }
    witness.still_there();
}

#[test]
fn clients_that_stop_in_the_middle() {
    let witness = Witness::new();
    let began = Instant::now();
    let heads = [
        "",
        "G",
        "GET /open HTTP/1.1\r\nHo",
        "POST /getToken HTTP/1.1\r\n",
    ];
    let mut silent: Vec<Connection> = heads
        .iter()
        .map(|head| {
            let mut connection = Connection::open(witness.server.public).unwrap();
            connection.write(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    let mut half = Connection::open(witness.server.public).unwrap();
    let bytes = log_in(padded(2000)).bytes();
    half.write(&bytes[..1000]).unwrap();
    // One that says that nothing more will come, in the middle of a body.
    let mut gone = Connection::open(witness.server.public).unwrap();
    gone.write(&bytes[..1000]).unwrap();
    gone.finish().unwrap();

    witness.server.is_well();
    for connection in &mut silent {
        // 408 without a body, or nothing where not a byte had come; then the end.
        if let Ok(answer) = connection.answer(false) {
            assert_eq!((answer.status, answer.text()), (408, ""));
        }
        assert!(connection.is_closed());
        witness.server.is_well();
    }
    half.answer(false).unwrap().refused(408, "request_timeout");
    println!("silent clients were cut off after {:?}", began.elapsed());
    witness.server.is_well();
    witness.still_there();
}

#[test]
fn five_hundred_connections_that_are_abandoned() {
    let witness = Witness::new();
    let bytes = log_in(padded(2000)).bytes();
    for _ in 0..2 {
        let open: Vec<TcpStream> = (0..500)
            .map(|i| {
                let mut stream = TcpStream::connect(witness.server.public).unwrap();
                std::io::Write::write_all(&mut stream, &bytes[..i * 3]).unwrap();
                stream
            })
            .collect();
        witness.server.is_well();
        drop(open);
        witness.server.is_well();
    }
    witness.still_there();
}

#[test]
fn a_body_of_too_many_members_is_told_so_everywhere() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD).auth;
    let names: Vec<String> = (0..5_000).map(|n| format!("m{n}")).collect();
    let json: serde_json::Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!(1))).collect();
    let json = Value::Object(json);
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let bearer = |method: &str, target: &str| Request::new(method, target).bearer(&token);
    let sent = [
        Request::post("/signup").form(&fields),
        Request::post("/getToken").form(&fields),
        Request::post("/login").json(json.clone()),
        Request::post("/refresh").json(json.clone()),
        bearer("POST", "/reauth").json(json.clone()),
        bearer("PUT", "/me/password").json(json),
    ];
    for request in &sent {
        server.send(request).refused(400, "body_too_many_members");
    }
    // An unknown member more is no fault.
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "newer": [1, 2, 3]});
    server
        .send(&Request::post("/getToken").json(body))
        .expect(200);
}
