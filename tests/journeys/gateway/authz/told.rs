//! What a service is told of who is let in.

use super::*;

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
