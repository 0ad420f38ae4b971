//! `/authz/{service}`: may this request go on, and whose is it?

use super::super::PASSWORD;
use super::{ask, start, start_as};
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

const IDENTITY: [&str; 4] = [
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
];

/// Demands a 200 that every proxy understands.
fn lets_in(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, &b""[..]),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("www-authenticate"), None);
    is_small(answer);
}

/// Demands a denial that every proxy understands.
fn denies(answer: &Answer, status: u16, challenge: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(challenge),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // HEAD has no body.
    if !answer.body.is_empty() {
        assert_eq!(answer.json()["status"], status);
    }
    for name in IDENTITY {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
    is_small(answer);
}

const NO_TOKEN: &str = r#"Bearer realm="lacre""#;
const BAD_TOKEN: &str = r#"Bearer realm="lacre", error="invalid_token""#;
const NOT_ENOUGH: &str = r#"Bearer realm="lacre", error="insufficient_scope""#;

/// nginx fails where all fields together have more than 4 kB.
fn is_small(answer: &Answer) {
    let fields = answer.headers.iter();
    let bytes: usize = fields
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    assert!(bytes < 4000, "{bytes}: {answer:?}");
}

#[test]
fn a_good_token_is_let_in_and_the_service_is_told_whose_it_is() {
    let (server, token) = start("[service.wiki]");
    let me = server.call("GET", "/me", &token.auth).json();
    let answer = ask(&server, "wiki", &token.auth);
    lets_in(&answer);
    assert_eq!(answer.header("remote-user"), me["id"].as_str());
    assert_eq!(answer.header("remote-email"), Some("ada@example.com"));
    assert_eq!(
        answer.header("remote-name"),
        Some(""),
        "sent, though there is nothing to say"
    );
    assert_eq!(answer.header("remote-groups"), Some("user,clerk"));
    assert_eq!(answer.header("authorization"), None);
}

#[test]
fn the_name_of_an_account_is_told_and_breaks_out_of_no_field() {
    let (server, ada) = start("[service.wiki]\njwt = true");
    let named = |token: &str| {
        let answer = ask(&server, "wiki", token);
        lets_in(&answer);
        assert_eq!(answer.header("remote-groups"), Some("user,clerk"));
        answer.header("remote-name").unwrap().to_owned()
    };
    let mut token = ada;
    // Control characters are in no name; what is left of what could end a field is encoded.
    for (name, told) in [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Zoë 海, 100%", "Zo%C3%AB %E6%B5%B7%2C 100%25"),
        (
            " a\u{2028}Remote-Groups: admin ",
            "%20a%E2%80%A8Remote-Groups: admin%20",
        ),
        ("=?utf-8?b?QQ==?=\\\"", "=?utf-8?b?QQ==?=\\\""),
        ("", ""),
    ] {
        server.operator(&["users", "set", "ada@example.com", "--name", name]);
        let before = named(&token.auth);
        // The rights are what they were, so the token stays good and says what it said.
        assert_eq!(named(&token.auth), before);
        token = Token::of(&server.refresh(&token).expect(200));
        assert_eq!(named(&token.auth), told, "{name:?}");
        let me = server.call("GET", "/me", &token.auth).json();
        assert_eq!(me["session"]["claims"], Value::Null, "{me}");
        let forwarded = ask(&server, "wiki", &token.auth);
        assert!(
            !claims_of(&forwarded).to_string().contains("ame\":"),
            "{forwarded:?}"
        );
    }
    for bad in ["a\r\nRemote-Groups: admin", "a\u{0}", "a\u{7f}", "a\u{85}b"] {
        let body = json!({"email": "eve@example.com", "password": PASSWORD, "name": bad});
        let refused = server.send(&Request::post("/signup").json(body));
        assert_eq!(refused.status, 422, "{bad:?}: {refused:?}");
    }
}

#[test]
fn a_name_that_no_token_has_room_for_keeps_nobody_out() {
    let setup = Setup::new().env("LACRE_LIMITS__TOKEN", "2KiB");
    let (server, _) = start_as(setup, "[service.wiki]");
    server.operator(&[
        "users",
        "set",
        "ada@example.com",
        "--name",
        &"🔑".repeat(200),
    ]);
    let token = server.get_token("ada@example.com", PASSWORD);
    let answer = ask(&server, "wiki", &token.auth);
    lets_in(&answer);
    assert_eq!(answer.header("remote-name"), Some(""));
}

#[test]
fn whoever_has_no_good_token_is_denied_with_one_challenge() {
    let (server, token) = start("[service.wiki]");
    denies(&server.ask(&Request::get("/authz/wiki")), 401, NO_TOKEN);
    denies(&ask(&server, "wiki", "nonsense"), 401, BAD_TOKEN);
    denies(
        &ask(&server, "wiki", token.refresh.as_deref().unwrap()),
        401,
        BAD_TOKEN,
    );
    // 400 elsewhere, of which nginx would make a 500.
    let two = Request::get("/authz/wiki")
        .bearer(&token.auth)
        .bearer(&token.auth);
    denies(&server.ask(&two), 401, BAD_TOKEN);
    for empty in ["Bearer", "Bearer "] {
        let request = Request::get("/authz/wiki").header("Authorization", empty);
        denies(&server.ask(&request), 401, BAD_TOKEN);
    }
    let basic = Request::get("/authz/wiki").basic("ada", "secret");
    denies(&server.ask(&basic), 401, NO_TOKEN);
    assert!(!server.written().contains(&token.auth));
}

#[test]
fn an_end_holds_from_the_next_request_on() {
    let (server, token) = start("[service.wiki]");
    lets_in(&ask(&server, "wiki", &token.auth));
    server.call("POST", "/logout", &token.auth).expect(204);
    denies(&ask(&server, "wiki", &token.auth), 401, BAD_TOKEN);
    let again = server.get_token("ada@example.com", PASSWORD);
    lets_in(&ask(&server, "wiki", &again.auth));
    server.operator(&["users", "disable", "ada@example.com"]);
    denies(&ask(&server, "wiki", &again.auth), 401, BAD_TOKEN);
}

#[test]
fn each_service_has_rules_of_its_own() {
    let (server, token) = start(
        "[service.clerks]\nroles = [\"auditor\", \"clerk\"]\n[service.auditors]\nroles = [\"auditor\"]\n\
         [service.readers]\npermissions = [\"read\"]\n[service.writers]\npermissions = [\"read\", \"write\"]\n\
         [service.fresh]\nfresh = true",
    );
    lets_in(&ask(&server, "clerks", &token.auth));
    lets_in(&ask(&server, "readers", &token.auth));
    lets_in(&ask(&server, "fresh", &token.auth));
    let denied = ask(&server, "auditors", &token.auth);
    denies(&denied, 403, NOT_ENOUGH);
    assert_eq!(denied.json()["missing"]["role"], "auditor");
    let denied = ask(&server, "writers", &token.auth);
    let scope = r#"Bearer realm="lacre", error="insufficient_scope", scope="write""#;
    denies(&denied, 403, scope);
    let refreshed = server.refresh(&token).json();
    let refreshed = refreshed["auth"].as_str().unwrap();
    denies(&ask(&server, "fresh", refreshed), 403, NOT_ENOUGH);
    lets_in(&ask(&server, "clerks", refreshed));
}

#[test]
fn an_optional_service_lets_in_who_has_no_token_and_denies_a_bad_one() {
    let (server, token) = start("[service.blog]\noptional = true\njwt = true");
    let answer = server.ask(&Request::get("/authz/blog"));
    lets_in(&answer);
    for name in IDENTITY {
        assert_eq!(
            answer.header(name),
            Some(""),
            "{name} would pass from the client"
        );
    }
    assert_eq!(answer.header("authorization"), Some(""));
    denies(&ask(&server, "blog", "nonsense"), 401, BAD_TOKEN);
    let answer = ask(&server, "blog", &token.auth);
    lets_in(&answer);
    assert_eq!(answer.header("remote-email"), Some("ada@example.com"));
}

#[test]
fn a_service_that_is_not_configured_is_404_for_everybody() {
    let (server, token) = start("[service.wiki]");
    for path in [
        "/authz/",
        "/authz",
        "/authz/wik",
        "/authz/wikis",
        "/authz/WIKI",
        "/authz//wiki",
        "/",
    ] {
        for request in [Request::get(path), Request::get(path).bearer(&token.auth)] {
            assert_eq!(server.ask(&request).status, 404, "{path}");
        }
    }
    // Nothing of the public listener's is here, and the other way round.
    for path in ["/me", "/login", "/livez", "/metrics", "/openapi.json"] {
        assert_eq!(
            server.ask(&Request::get(path).bearer(&token.auth)).status,
            404,
            "{path}"
        );
    }
    server
        .call("GET", "/authz/wiki", &token.auth)
        .refused(404, "not_found");
}

#[test]
fn the_clients_path_query_method_and_body_decide_nothing() {
    let (server, token) = start("[service.wiki]\n[service.admin]\nroles = [\"admin\"]");
    let long = format!("/authz/wiki?{}", "q".repeat(40_000));
    let targets = [
        "/authz/wiki/",
        "/authz/wiki/deep/er?token=x&a=b",
        "/authz/wiki/../admin",
        "/authz/wiki/%2e%2e/admin",
        "/authz/wiki//authz/admin",
        "/authz/wiki?token=not-looked-at",
        "/authz/wiki/%00%ff",
        &long,
    ];
    for target in targets {
        let request = Request::get(target).bearer(&token.auth);
        lets_in(&server.ask(&request));
        denies(&server.ask(&Request::get(target)), 401, NO_TOKEN);
    }
    for target in [
        "/authz/admin/../wiki",
        "/authz/admin?x=/authz/wiki",
        "/authz/admin/wiki",
    ] {
        let answer = server.ask(&Request::get(target).bearer(&token.auth));
        denies(&answer, 403, NOT_ENOUGH);
    }
    for method in [
        "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "FETCH",
    ] {
        let mut request = Request::new(method, "/authz/wiki").bearer(&token.auth);
        if method == "POST" {
            request = request
                .body("token=x")
                .header("Content-Type", "application/json");
        }
        lets_in(&server.ask(&request));
        let refused = server.ask(&Request::new(method, "/authz/wiki"));
        assert_eq!(refused.status, 401, "{method}");
    }
    let many = Request::get("/authz/wiki").header("X-Large", &"a".repeat(60_000));
    lets_in(&server.ask(&many.bearer(&token.auth)));
}

#[test]
fn a_handshake_and_an_expectation_mean_nothing_here() {
    let (server, token) = start("[service.wiki]");
    let handshake = Request::get("/authz/wiki")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    lets_in(&server.ask(&handshake.clone().bearer(&token.auth)));
    denies(&server.ask(&handshake), 401, NO_TOKEN);
    let mut connection = Connection::open(server.gateway()).unwrap();
    for _ in 0..3 {
        lets_in(
            &connection
                .send(&Request::get("/authz/wiki").bearer(&token.auth))
                .unwrap(),
        );
    }
}

#[test]
fn what_the_client_writes_itself_reaches_no_service() {
    let (server, token) = start("[service.wiki]\n[service.blog]\noptional = true");
    let spoofed = |service: &str| {
        let mut request = Request::get(&format!("/authz/{service}"));
        for name in [
            "Remote-User",
            "Remote_User",
            "Remote-Groups",
            "X-Forwarded-User",
        ] {
            request = request.header(name, "admin");
        }
        request
    };
    let answer = server.ask(&spoofed("wiki").bearer(&token.auth));
    lets_in(&answer);
    assert_eq!(answer.header("remote-groups"), Some("user,clerk"));
    assert_eq!(server.ask(&spoofed("blog")).header("remote-user"), Some(""));
    let answers = [answer, server.ask(&spoofed("blog"))];
    assert!(
        answers
            .iter()
            .all(|answer| answer.headers.iter().all(|(_, value)| value != "admin"))
    );
}

#[test]
fn a_service_chooses_its_fields() {
    let (server, token) = start(
        "[service.wiki]\nheaders = [\"X-User=email\", \"X-Rights=permissions\", \"X-Session=session\", \
         \"X-Client=client\"]\n[service.mute]\nheaders = []",
    );
    let answer = ask(&server, "wiki", &token.auth);
    lets_in(&answer);
    let told = ["x-user", "x-rights", "x-session", "x-client"].map(|name| answer.header(name));
    assert_eq!(
        told,
        [
            Some("ada@example.com"),
            Some("read"),
            Some(&*token.crt),
            Some("")
        ]
    );
    assert_eq!(answer.header("remote-user"), None);
    lets_in(&ask(&server, "mute", &token.auth));
}

#[test]
fn what_would_be_told_of_somebody_is_denied_rather_than_cut_off() {
    let (mut server, _) =
        start("[service.wiki]\nheaders = [\"X-Rights=permissions\"]\njwt = true\n[service.small]");
    let mut words = vec![
        "users".to_owned(),
        "set".to_owned(),
        "ada@example.com".to_owned(),
    ];
    for n in 0..60 {
        words.extend([
            "--permission".to_owned(),
            format!("{n:02}{}", "p".repeat(30)),
        ]);
    }
    server.operator(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let token = server.get_token("ada@example.com", PASSWORD);
    lets_in(&ask(&server, "small", &token.auth));
    let answer = ask(&server, "wiki", &token.auth);
    denies(&answer, 403, NOT_ENOUGH);
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("longer than a proxy reads")
    );
    assert!(server.stop().success());
    assert!(server.written().contains("identity_too_long"));
}

/// What a JWT says.
fn claims_of(answer: &Answer) -> Value {
    let jwt = answer.header("authorization").unwrap();
    let claims = jwt
        .strip_prefix("Bearer ")
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[test]
fn a_jwt_is_made_for_each_request_and_opens_nothing_here() {
    let (mut server, token) = start("[service.wiki]\naudience = \"https://wiki.test\"\njwt = true");
    let [one, two] = [(); 2].map(|()| ask(&server, "wiki", &token.auth));
    lets_in(&one);
    let (said, again) = (claims_of(&one), claims_of(&two));
    assert_ne!(said["jti"], again["jti"]);
    assert_eq!(said["aud"], "https://wiki.test");
    assert_eq!(said["sid"], token.crt);
    assert_eq!(
        (&said["scope"], &said["client_id"]),
        (&"read".into(), &"lacre".into())
    );
    assert_eq!(
        said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(),
        30
    );
    let jwt = one
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    server.refuses(jwt);
    denies(&ask(&server, "wiki", jwt), 401, BAD_TOKEN);
    server
        .call("POST", "/refresh", jwt)
        .refused(401, "invalid_token");
    server
        .call("POST", "/logout", jwt)
        .refused(401, "invalid_token");
    assert!(server.stop().success());
    assert!(!server.written().contains(jwt), "no JWT in the log");
}

/// The cookies of a browser that has logged in, and the value of the one that scripts read.
fn cookies(server: &Server) -> (String, String) {
    let answer = server
        .try_get_token("ada@example.com", PASSWORD)
        .expect(200);
    let lines = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let pairs: Vec<_> = lines
        .map(|(_, line)| line.split(';').next().unwrap().to_owned())
        .collect();
    let proof = pairs
        .iter()
        .find_map(|pair| pair.strip_prefix("__Host-lacre_csrf="));
    (pairs.join("; "), proof.unwrap().to_owned())
}

#[test]
fn with_cookies_every_method_that_a_proxy_names_has_to_be_safe() {
    let setup = Setup::new().env("LACRE_TOKEN__LOCATIONS", "header,cookie");
    let (server, token) = start_as(
        setup,
        "[service.wiki]\n[service.api]\nlocations = [\"header\"]",
    );
    let (cookies, proof) = cookies(&server);
    let request = |method: &str, hints: &[(&str, &str)]| {
        let request = Request::new(method, "/authz/wiki").header("Cookie", &cookies);
        hints.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    };
    let (forwarded, original) = ("X-Forwarded-Method", "X-Original-Method");
    lets_in(&server.ask(&request("GET", &[])));
    lets_in(&server.ask(&request("HEAD", &[(forwarded, "GET")])));
    for (method, hints) in [
        ("POST", &[][..]),
        ("POST", &[(forwarded, "GET")]),
        ("GET", &[(forwarded, "POST")]),
        ("HEAD", &[(original, "DELETE")]),
        ("GET", &[(forwarded, "GET"), (original, "PUT")]),
        ("GET", &[(forwarded, "GET"), (forwarded, "POST")]),
        ("GET", &[(forwarded, "get")]),
    ] {
        let bare = request(method, hints);
        denies(&server.ask(&bare), 403, NOT_ENOUGH);
        let proven = bare.header("X-CSRF-TOKEN", &proof);
        lets_in(&server.ask(&proven));
        let other_site = proven.header("Sec-Fetch-Site", "cross-site");
        denies(&server.ask(&other_site), 403, NOT_ENOUGH);
    }
    // A token in the header is sent on purpose.
    let header = Request::post("/authz/wiki").bearer(&token.auth);
    lets_in(&server.ask(&header.clone().header(forwarded, "POST")));
    let both = header.header("Cookie", &cookies);
    denies(&server.ask(&both), 401, BAD_TOKEN);
    let elsewhere = Request::get("/authz/api").header("Cookie", &cookies);
    denies(&server.ask(&elsewhere), 401, NO_TOKEN);
}

#[test]
fn a_service_may_keep_authorization_for_itself() {
    let setup = Setup::new().env("LACRE_TOKEN__LOCATIONS", "header,cookie");
    let (server, _) = start_as(setup, "[service.wiki]\nlocations = [\"cookie\"]");
    let (cookies, _) = cookies(&server);
    let request = Request::get("/authz/wiki")
        .basic("wiki", "secret")
        .header("Cookie", &cookies);
    lets_in(&server.ask(&request));
    let request = Request::get("/authz/wiki")
        .bearer("a.token.of.its.own")
        .header("Cookie", &cookies);
    lets_in(&server.ask(&request));
}

#[test]
fn the_gateway_is_told_before_the_last_line_and_may_be_a_socket_file() {
    let (mut server, token) = start("[service.wiki]");
    let printed = server.written();
    let lines: Vec<_> = printed
        .lines()
        .filter(|line| line.contains(" on "))
        .collect();
    let at = |text: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(text))
            .unwrap()
    };
    assert!(at("management on http://") < at("gateway on http://"));
    assert!(at("gateway on http://") < at("listening on http://"));
    assert!(server.stop().success());
    let path = server.setup().home().join("gateway.sock");
    let listen = format!("unix:{}", path.display());
    let mut server = server
        .setup()
        .clone()
        .env("LACRE_GATEWAY__LISTEN", &listen)
        .start();
    assert!(server.written().contains(&format!("gateway on {listen}\n")));
    let mut stream = UnixStream::connect(&path).unwrap();
    let request = Request::get("/authz/wiki")
        .bearer(&token.auth)
        .header("Connection", "close");
    stream.write_all(&request.bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nremote-email: ada@example.com\r\n"),
        "{answer}"
    );
    assert!(server.stop().success());
    assert!(!path.exists());
}

#[test]
fn without_an_address_there_is_no_gateway() {
    let server = Setup::new().config("[service.wiki]").start();
    assert!(!server.written().contains("gateway on"));
    server.is_well();
}

#[test]
fn a_gateway_that_browsers_could_reach_is_refused_unless_it_is_said_twice() {
    let public = Setup::new()
        .without_dev()
        .env("LACRE_GATEWAY__LISTEN", "0.0.0.0:0");
    public
        .start_refused()
        .with(78, "config_gateway_public")
        .saying("gateway.public = true");
    let server = public.env("LACRE_GATEWAY__PUBLIC", "true").start();
    assert!(server.written().contains("gateway on http://0.0.0.0:"));
    let dev = Setup::new().env("LACRE_GATEWAY__LISTEN", "0.0.0.0:0");
    dev.start_refused().with(78, "config_dev_not_loopback");
    Setup::new()
        .config("[service.a]\n[service.b]\naudience = \"a\"")
        .start_refused()
        .with(78, "config_service_unusable")
        .saying("service.b: its audience `a` is that of service.a");
}

#[test]
fn what_the_gateway_answers_is_counted_and_logged_like_every_request() {
    let (mut server, token) = start("[service.wiki]");
    lets_in(&ask(&server, "wiki", &token.auth));
    denies(&ask(&server, "wiki", "nonsense"), 401, BAD_TOKEN);
    let page = server.manage("/metrics").expect(200);
    for (status, count) in [("200", 1), ("401", 1)] {
        let line = page.text().lines().find(|line| {
            line.starts_with("lacre_http_requests_total{")
                && line.contains("/authz/wiki")
                && line.contains(status)
        });
        let line = line.unwrap_or_else(|| panic!("{}", page.text()));
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
    server.manage("/readyz").expect(200);
    assert!(server.stop().success());
    assert!(server.written().contains("token_refused"));
}

#[test]
fn the_keys_of_forwarded_jwts_are_published_and_stay() {
    let (mut server, token) = start("[service.wiki]\njwt = true");
    let kid = |server: &Server| {
        let set = server
            .ask(&Request::get("/.well-known/jwks.json"))
            .expect(200)
            .json();
        let keys = set["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 1);
        for (name, value) in [
            ("kty", "EC"),
            ("crv", "P-256"),
            ("use", "sig"),
            ("alg", "ES256"),
        ] {
            assert_eq!(keys[0][name], value);
        }
        assert_eq!(keys[0].as_object().unwrap().len(), 7, "nothing private");
        keys[0]["kid"].as_str().unwrap().to_owned()
    };
    let before = kid(&server);
    let answer = ask(&server, "wiki", &token.auth);
    let jwt = answer
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let header = URL_SAFE_NO_PAD
        .decode(jwt.split('.').next().unwrap())
        .unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        (&header["typ"], &header["kid"]),
        (&"at+jwt".into(), &before.clone().into())
    );
    assert!(server.stop().success());
    server.restart();
    assert_eq!(kid(&server), before);
}

#[test]
fn the_metadata_names_what_is_served_and_no_more() {
    let (server, _) = start("");
    let target = "/.well-known/oauth-authorization-server";
    let said = server.ask(&Request::get(target)).expect(200).json();
    assert_eq!(said["issuer"], crate::support::server::ISSUER);
    for (name, value) in said.as_object().unwrap() {
        if let Some(path) = value
            .as_str()
            .and_then(|url| url.strip_prefix("http://lacre.test/"))
        {
            let status = server.ask(&Request::get(&format!("/{path}"))).status;
            assert!([200, 405].contains(&status), "{name}: {status}");
        }
    }
    assert_eq!(
        said["response_types_supported"].as_array().unwrap().len(),
        0
    );
    assert_eq!(said["grant_types_supported"].as_array().unwrap().len(), 0);
    assert_eq!(said["token_endpoint"], Value::Null);
}
