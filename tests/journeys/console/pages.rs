//! What the pages say, and what they keep to themselves.

use super::*;

/// Every page that is asked for by its address alone.
const PAGES: [&str; 9] = [
    "/console/",
    "/console/users",
    "/console/sessions",
    "/console/explain",
    "/console/receipts",
    "/console/keys",
    "/console/keys/rotate",
    "/console/health",
    "/console/login",
];

/// The id of ada's account.
fn ada(scene: &Scene) -> String {
    let shown = scene
        .server
        .operator(&["users", "show", "ada@example.com", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    shown["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_is_found_by_its_user_ended_and_proven_ended() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let found = ops.gets("/console/users?q=ADA").expect(200);
    let id = ada(&scene);
    says(&found, format!("/console/user?id={id}"));
    assert!(!found.text().contains(">ops@example.com</bdi></a>"));
    let user = ops.gets(&format!("/console/user?id={id}")).expect(200);
    let of_session = format!("/console/session?name={}", scene.ada.crt);
    says(&user, &of_session);
    let session = ops.gets(&of_session).expect(200);
    assert!(session.text().contains("End this session"));
    let ended = ops.fills_in(
        &of_session,
        "/console/session/end",
        &[("handle", &scene.ada.crt)],
    );
    let proof = ops.follows(&ended);
    for said in [
        "1 session has ended.",
        "Refused",
        "revoked_by_admin",
        "<bdi>ops</bdi>",
    ] {
        says(&proof, said);
    }
    assert!(!proof.text().contains("End this session"));
    scene.server.refuses(&scene.ada.auth);
    // The page leads to the receipt.
    let receipts = format!("/console/receipts?name={}", scene.ada.crt);
    says(&proof, &receipts);
    let receipt = ops.gets(&receipts).expect(200);
    for said in ["Receipt 2", &scene.ada.crt, "revoked_by_admin", "<pre>ey"] {
        says(&receipt, said);
    }
    assert!(!receipt.text().contains(&id), "it names no user");
    // Ending it once more is done.
    let again = ops.fills_in(
        &of_session,
        "/console/session/end",
        &[("handle", &scene.ada.crt)],
    );
    assert!(ops.follows(&again).text().contains("nothing left to end"));
}

#[test]
fn a_token_is_explained_and_written_nowhere() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let explain = |ops: &mut Browser<'_>, token: &str, claims: bool| {
        let mut fields = vec![("token", token)];
        if claims {
            fields.push(("claims", "yes"));
        }
        ops.fills_in("/console/explain", "/console/explain", &fields)
    };
    let token = &scene.ada.auth;
    let part = &token[200..260];
    let good = explain(&mut ops, token, false).expect(200);
    says(&good, "Accepted");
    assert!(!good.text().contains("ada@example.com"));
    // As it is copied out of a terminal.
    let broken = format!("  {}\r\n{} \n", &token[..100], &token[100..]);
    let claims = explain(&mut ops, &broken, true).expect(200);
    says(&claims, "&quot;email&quot;: &quot;ada@example.com&quot;");
    scene
        .server
        .operator(&["sessions", "revoke", "--user", "ada@example.com"]);
    let dead = explain(&mut ops, token, false).expect(200);
    for said in ["Refused", "session_unknown", "revoked_by_admin", "operator"] {
        says(&dead, said);
    }
    let noise = explain(&mut ops, "<script>alert(1)</script>", false).expect(200);
    says(&noise, "Refused");
    explain(&mut ops, " \n", false).expect(422);
    for page in [good, claims, dead, noise] {
        assert!(!page.text().contains(part) && !page.text().contains("alert(1)"));
    }
    assert!(!scene.server.written().contains(part));
}

#[test]
fn sessions_are_searched_by_address_and_last_use() {
    let scene = Scene::with(&Setup::new().env("LACRE_TRUSTED_PROXIES", "127.0.0.1"));
    let from = |address: &str| {
        let body =
            serde_json::json!({"email": "ada@example.com", "password": PASSWORD, "label": address});
        let request = Request::post("/getToken").header("X-Forwarded-For", address);
        Token::of(&scene.server.send(&request.json(body)));
    };
    from("203.0.113.7");
    from("203.0.114.7");
    let mut ops = scene.administrator();
    let mut labels = |query: &str| {
        let page = ops.gets(&format!("/console/sessions?{query}")).expect(200);
        let text = page.text().to_owned();
        ["203.0.113.7", "203.0.114.7"].map(|label| text.contains(&format!("<bdi>{label}</bdi>")))
    };
    assert_eq!(labels(""), [true, true]);
    assert_eq!(labels("address=203.0.113.0%2F24"), [true, false]);
    assert_eq!(
        labels("address=203.0.114.7&within=1h&user=ada%40example.com"),
        [false, true]
    );
    assert_eq!(labels("idle=30d"), [false, false]);
    assert_eq!(labels("user=ops"), [false, false]);
    for (query, fault) in [
        ("address=10.0.0.1%2F8", "address-fault"),
        ("user=a%40b.example", "user-fault"),
    ] {
        let page = ops.gets(&format!("/console/sessions?{query}")).expect(422);
        says(&page, format!(r#"aria-describedby="{fault}""#));
    }
}

#[test]
fn hostile_text_is_shown_and_does_nothing() {
    let scene = Scene::set();
    let hostile =
        "</td><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\u{2066}\u{200b}\"' & é";
    let long = "x".repeat(4096);
    for (agent, label) in [
        (
            hostile.replace(['é', '\u{202e}', '\u{2066}', '\u{200b}'], ""),
            hostile,
        ),
        (long.clone(), &long),
    ] {
        let body =
            serde_json::json!({"email": "ada@example.com", "password": PASSWORD, "label": label});
        let request = Request::post("/getToken")
            .header("User-Agent", &agent)
            .json(body);
        Token::of(&scene.server.send(&request));
    }
    let name = "<b onclick=alert(1)>ada";
    scene
        .server
        .operator(&["users", "set", "ada@example.com", "--name", name]);
    let mut ops = scene.administrator();
    let query = serde_urlencoded::to_string([("q", hostile)]).unwrap();
    let id = ada(&scene);
    let mut seen = 0;
    for page in [
        "/console/users".to_owned(),
        format!("/console/users?{query}"),
        format!("/console/user?id={id}"),
        format!("/console/sessions?{query}&user={id}"),
        "/console/sessions?address=%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(),
        format!(
            "/console/user?{}",
            serde_urlencoded::to_string([("id", "<script>alert(1)</script>")]).unwrap()
        ),
        "/console/login?next=%22%3E%3Cscript%3Ealert(1)".to_owned(),
    ] {
        let answer = ops.gets(&page);
        let text = answer.text();
        for live in ["<script", "<img", "<b on"] {
            assert!(!text.contains(live), "{live} in {page}: {text}");
        }
        // Nothing turns the text around it, but for what the administrator has typed, in its own field.
        let typed = text.matches("type=\"search\" value=").count();
        for turning in ['\u{202e}', '\u{2066}', '\u{200b}'] {
            assert!(text.matches(turning).count() <= typed, "{page}");
        }
        seen += text.matches("\\u{202e}").count();
    }
    assert!(seen >= 2, "it is shown: {seen}");
    let user = ops.gets(&format!("/console/user?id={id}")).expect(200);
    says(&user, "&lt;script&gt;alert(1)");
}

#[test]
fn every_page_has_the_strict_headers_and_no_script() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let mut stranger = Browser::at(&scene.server);
    for page in PAGES {
        let answers = [
            ops.gets(page),
            stranger.gets(page),
            ops.gets("/console/nowhere"),
        ];
        for answer in answers {
            for (name, value) in [
                (
                    "content-security-policy",
                    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                     base-uri 'none'",
                ),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-opener-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{page}");
            }
            for forbidden in [
                "<script",
                " style=",
                "javascript:",
                " onclick",
                "http://",
                "https://",
            ] {
                assert!(!answer.text().contains(forbidden), "{forbidden} in {page}");
            }
        }
    }
    let overview = ops.gets("/console/").expect(200);
    let sheet = overview
        .text()
        .split("href=\"/console/style")
        .nth(1)
        .unwrap();
    let sheet = format!("/console/style{}", sheet.split('"').next().unwrap());
    let sheet = stranger.gets(&sheet).expect(200);
    assert_eq!(
        sheet.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert_eq!(
        sheet.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert!(sheet.header("etag").is_some());
}

#[test]
fn an_address_that_is_no_good_is_told_as_a_page() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    for (address, status) in [
        ("/console/session", 400),
        ("/console/user", 400),
        ("/console/users?q=a&q=b", 400),
        ("/console/session?name=a", 400),
        ("/console/session?name=abcdefgh", 404),
        ("/console/sessions?after=x", 400),
        ("/console/users?after=%20", 400),
        ("/console/nowhere", 404),
    ] {
        let page = ops.gets(address);
        assert_eq!(page.status, status, "{address}");
        let kind = page.header("content-type");
        assert_eq!(kind, Some("text/html; charset=utf-8"), "{address}");
        says(&page, "To the overview");
    }
}

#[test]
fn the_overview_counts_what_the_log_says() {
    let scene = Scene::set();
    for _ in 0..3 {
        scene
            .server
            .try_get_token("ada@example.com", "wrong horse battery")
            .refused(401, "invalid_credentials");
    }
    scene.server.refuses("noise");
    let mut ops = scene.administrator();
    let page = ops.gets("/console/").expect(200);
    let text = page.text();
    assert!(text.contains("2 succeeded, 3 failed."), "{text}");
    for row in [
        "<div>Log-in</div></td><td role=\"cell\" data-head=\"Reason\"><div><code>invalid_credentials</code></div></td>\
         <td role=\"cell\" data-head=\"Times\"><div>3</div>",
        "<code>token_malformed</code></div></td><td role=\"cell\" data-head=\"Times\"><div>1</div>",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(text.contains("role=\"img\"") && text.contains("<desc"));
}

#[test]
fn keys_and_health_are_told_without_a_key() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let keys = ops.gets("/console/keys").expect(200);
    says(&keys, "seals records");
    says(&keys, "signs tokens");
    let health = ops.gets("/console/health").expect(200);
    for said in [
        "Ready",
        "keystore",
        "accounts",
        "MiB",
        env!("CARGO_PKG_VERSION"),
    ] {
        says(&health, said);
    }
}

#[test]
fn the_console_is_on_the_management_listener_alone_and_can_be_left_out() {
    let scene = Scene::set();
    scene
        .server
        .send(&Request::get("/console/"))
        .refused(404, "not_found");
    scene
        .server
        .send(&Request::get("/console/login"))
        .refused(404, "not_found");
    let without = Setup::new().env("LACRE_CONSOLE__ENABLED", "false").start();
    without.manage("/console/").refused(404, "not_found");
    without.manage("/livez").expect(200);
}

#[test]
fn the_log_of_ends_is_shown_with_its_last_receipts_and_says_why_it_is_not_written() {
    let setup = Setup::new();
    let scene = Scene::with(&setup);
    let mut ops = scene.administrator();
    let page = ops.gets("/console/receipts").expect(200);
    for said in [
        "No session has ended since the start.",
        ">yes</span>",
        "Last line",
    ] {
        says(&page, said);
    }
    scene
        .server
        .operator(&["sessions", "revoke", &scene.ada.crt]);
    let page = ops.gets("/console/receipts").expect(200);
    says(&page, format!("/console/receipts?name={}", scene.ada.crt));
    let short = format!("/console/receipts?name={}…", &scene.ada.crt[..8]);
    says(
        &ops.gets(&short.replace('…', "%E2%80%A6")).expect(200),
        "Receipt 2",
    );
    let live = scene.server.get_token("ada@example.com", PASSWORD);
    for (name, status) in [
        (live.crt.as_str(), 404),
        ("nobody-knows", 404),
        ("x%00y", 422),
    ] {
        let page = ops
            .gets(&format!("/console/receipts?name={name}"))
            .expect(status);
        says(&page, r#"aria-describedby="name-fault""#);
    }
    // What was written is gone.
    let file = setup.data().join("receipts");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, "another\n").unwrap();
    let page = ops.gets("/console/receipts").expect(200);
    for said in [
        ">no</span>",
        "receipts_rolled_back",
        "follow when the log can be written",
    ] {
        says(&page, said);
    }
    std::fs::write(&file, whole).unwrap();
    says(&ops.gets("/console/receipts").expect(200), ">yes</span>");
}

#[test]
fn keys_are_rotated_with_the_password_and_nobody_is_logged_out() {
    let scene = Scene::set();
    let mut ops = scene.administrator();
    let rotate = |ops: &mut Browser<'_>, password: &str| {
        let page = "/console/keys/rotate";
        ops.fills_in(page, page, &[("password", password)])
    };
    let ids = || {
        let status = scene.server.operator(&["keys", "status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        ["master", "signing"].map(|kind| status[kind].as_array().unwrap().len())
    };
    for (password, due) in [("", 422), ("wrong horse battery", 403)] {
        let answer = rotate(&mut ops, password);
        assert_eq!(answer.status, due);
        assert_eq!(ids(), [1, 1]);
    }
    says(
        &ops.gets("/console/keys").expect(200),
        "Put new keys in their place",
    );
    let rotated = rotate(&mut ops, PASSWORD);
    says(&ops.follows(&rotated), "New keys are in use");
    assert_eq!(ids(), [1, 2]);
    scene.server.accepts(&scene.ada.auth);
    assert_eq!(ops.gets("/console/").status, 200);
    let log = scene.server.written();
    for action in [
        "master_key_rotated",
        "signing_key_rotated",
        "master_key_removed",
    ] {
        let event = format!("action={action} by=admin");
        assert!(log.contains(&event), "{event}: {log}");
    }
}

#[test]
fn what_the_doctor_finds_is_shown() {
    let scene = Scene::with(&Setup::new().env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "off"));
    let health = scene.administrator().gets("/console/health").expect(200);
    for said in [
        "limits_off",
        "limits.login_per_address is off",
        "owners and modes are right",
    ] {
        says(&health, said);
    }
}
