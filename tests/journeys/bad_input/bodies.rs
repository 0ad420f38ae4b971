//! Bodies that are too much, or not what a route takes.

use super::*;

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
