//! Services, each with rules of its own.

use super::*;

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
