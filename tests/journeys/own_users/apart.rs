//! Users of one client never meet accounts, nor another client's users of the same id.

use super::{ended, handles, lives, shop, told};
use crate::journeys::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Client, Server, Setup, Token};
use serde_json::{Value, json};

/// The account with the id `ada`, and a session of it.
fn account(server: &Server) -> Token {
    let words = ["users", "add", "ada@example.com", "--id", "ada"];
    server.operator_telling(&[&words[..], &["--password-stdin"]].concat(), PASSWORD);
    server.get_token("ada@example.com", PASSWORD)
}

fn own_handles(server: &Server, token: &Token) -> Vec<String> {
    let all = server.sessions(&token.auth);
    let crt = |one: &Value| one["crt"].as_str().unwrap().to_owned();
    all.iter().map(crt).collect()
}

#[test]
fn one_id_is_three_users_who_never_meet() {
    let (server, shop) = shop();
    let desk = server.add_vouching("desk");
    let api = server.add_client("api");
    let of_account = account(&server);
    let body = json!({"id": "ada", "user_session": "basket", "roles": ["admin"]});
    let of_shop = server.vouched(&shop, body.clone());
    let of_desk = server.vouched(&desk, body);
    let on_behalf = Token::of(&server.client_token(&api, "ada", "basket"));
    // One name of a session is three sessions.
    let mut crts = vec![&of_account.crt, &of_shop.crt, &of_desk.crt, &on_behalf.crt];
    crts.sort_unstable();
    crts.dedup();
    assert_eq!(crts.len(), 4);

    // Who is whose.
    let whose = |client: &Client, token: &Token| {
        let told = told(&server, client, &token.auth);
        (told["sub"].clone(), told["client_id"].clone())
    };
    assert_eq!(whose(&shop, &of_shop), (json!("ada"), json!(shop.id)));
    assert_eq!(whose(&desk, &of_desk), (json!("ada"), json!(desk.id)));
    assert_eq!(whose(&shop, &of_account), (json!("ada"), json!("lacre")));
    for (client, token) in [(&shop, &of_desk), (&desk, &of_shop), (&api, &of_shop)] {
        assert_eq!(whose(client, token), (Value::Null, Value::Null));
    }

    // Lists.
    assert_eq!(
        handles(&server, &shop, "ada"),
        std::slice::from_ref(&of_shop.crt)
    );
    assert_eq!(
        handles(&server, &desk, "ada"),
        std::slice::from_ref(&of_desk.crt)
    );
    assert_eq!(
        own_handles(&server, &of_shop),
        std::slice::from_ref(&of_shop.crt)
    );
    let of_the_account = own_handles(&server, &of_account);
    assert_eq!(of_the_account.len(), 2, "{of_the_account:?}");
    assert!(!of_the_account.contains(&of_shop.crt) && !of_the_account.contains(&of_desk.crt));
    for user in [format!("{}/ada", shop.id), format!("{}/bea", shop.id)] {
        let listed = server.operator(&["keystore", "list", "--user", &user, "--json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let found = listed["sessions"].as_array().unwrap();
        assert_eq!(found.len(), usize::from(user.ends_with("ada")), "{listed}");
    }

    // Ends.
    for (client, crt) in [
        (&shop, &of_desk.crt),
        (&shop, &of_account.crt),
        (&shop, &on_behalf.crt),
        (&desk, &of_shop.crt),
    ] {
        let target = format!("/client/users/ada/sessions/{crt}");
        let foreign = server.by(client, "DELETE", &target, Value::Null);
        let nobodys = server.by(
            client,
            "DELETE",
            "/client/users/ada/sessions/unknown",
            Value::Null,
        );
        foreign.refused(404, "not_found");
        assert_eq!(foreign.without_id(), nobodys.without_id());
        let spare = format!("/client/users/ada/sessions?except={crt}");
        let spared = server.by(client, "DELETE", &spare, Value::Null);
        spared.refused(404, "not_found");
    }
    for token in [&of_shop, &of_desk] {
        let target = format!("/sessions/{}", of_account.crt);
        server
            .call("DELETE", &target, &token.auth)
            .refused(404, "not_found");
        server
            .revoke(&of_account.auth, &token.crt)
            .refused(404, "not_found");
    }
    lives(&server, &desk, &of_desk);
    let all = server.by(&shop, "DELETE", "/client/users/ada/sessions", Value::Null);
    assert_eq!(all.expect(200).json(), json!({"revoked": 1}));
    ended(&server, &shop, &of_shop);
    lives(&server, &desk, &of_desk);
    server.accepts(&of_account.auth);
    server.accepts(&on_behalf.auth);
    server.operator(&["users", "delete", "ada"]);
    server.refuses(&of_account.auth);
    lives(&server, &desk, &of_desk);
}

#[test]
fn what_a_client_says_opens_nothing_of_lacres_own() {
    let (server, shop) = shop();
    account(&server);
    let body =
        json!({"id": "ada", "roles": ["admin", "user"], "fresh": true, "permissions": ["read"]});
    let token = server.vouched(&shop, body);
    for (method, target) in [
        ("GET", "/me"),
        ("GET", "/headers"),
        ("GET", "/open"),
        ("GET", "/admin/users"),
        ("GET", "/admin/users/ada"),
        ("DELETE", "/admin/users/ada"),
        ("POST", "/reauth"),
        ("PUT", "/me/password"),
    ] {
        let request = Request::new(method, target).bearer(&token.auth);
        let body = json!({"password": PASSWORD, "current": PASSWORD, "new": "another horse"});
        let refused = server.send(&request.json(body));
        let problem = refused.refused(403, "insufficient_scope");
        assert_eq!(problem["missing"], "account", "{target}");
    }
    let shown = server.operator(&["users", "show", "ada", "--json"]);
    assert!(shown.contains("ada@example.com"), "{shown}");
    lives(&server, &shop, &token);
    server.refresh(&token).expect(200);
}

#[test]
fn a_service_lets_in_the_users_of_the_clients_that_it_names() {
    let server = Setup::new().start();
    let shop = server.add_vouching("shop");
    let desk = server.add_vouching("desk");
    let setup = server.setup().clone();
    let mut server = server;
    assert!(server.stop().success());
    let services = format!(
        "[service.none]\n[service.named]\nclients = [\"shop\"]\njwt = true\n[service.by_id]\nclients = [\"{}\"]\n\
         [service.admins]\nclients = [\"shop\"]\nroles = [\"admin\"]\n[service.open]\noptional = true\n",
        shop.id
    );
    let server = setup.gateway(&services).start();
    let of_account = account(&server);
    let of_shop = server.vouched(&shop, json!({"id": "ada", "roles": ["buyer"]}));
    let of_desk = server.vouched(&desk, json!({"id": "ada", "roles": ["admin"]}));
    let ask = |service: &str, token: &Token| {
        let request = Request::get(&format!("/authz/{service}"));
        server.ask(&request.bearer(&token.auth))
    };
    for service in ["none", "named", "by_id", "open"] {
        let answer = ask(service, &of_account).expect(200);
        assert_eq!(answer.header("remote-user"), Some("ada"));
        let client = matches!(service, "named" | "by_id").then_some("");
        assert_eq!(answer.header("remote-client"), client, "{service}");
        let lets_in = matches!(service, "named" | "by_id");
        let answer = ask(service, &of_shop);
        if lets_in {
            let answer = answer.expect(200);
            assert_eq!(answer.header("remote-user"), Some("ada"));
            assert_eq!(answer.header("remote-groups"), Some("buyer"));
            assert_eq!(answer.header("remote-client"), Some(&*shop.id));
        } else {
            assert_eq!(answer.status, 403, "{service}");
            assert_eq!(answer.json()["missing"], "account");
        }
        assert_eq!(ask(service, &of_desk).status, 403, "{service}");
    }
    for token in [&of_shop, &of_desk, &of_account] {
        assert_eq!(ask("admins", token).status, 403);
    }
    let jwt = ask("named", &of_shop);
    let jwt = jwt.header("authorization").unwrap();
    let claims =
        lacre::internals::token::base64url::decode(jwt.split('.').nth(1).unwrap().as_bytes());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("ada"), &json!(shop.id))
    );
    // A client that asks for a service sees of its own users what that would let in, as of all others.
    let bound = server.add_client_with("tills", &["--own-users", "--service", "none"]);
    let own = server.vouched(&bound, json!({"id": "ada"}));
    assert!(told(&server, &bound, &own.auth).is_null());
}

/// `client_…/id` is a client's user for operators, also where somebody has an account with that address.
#[test]
fn an_operator_who_names_a_clients_user_means_that_user() {
    let (server, shop) = shop();
    let user = format!("{}/ada@example.com", shop.id);
    let of_account = {
        let body = json!({"email": user, "password": PASSWORD});
        server
            .send(&Request::post("/signup").json(body))
            .expect(201);
        server.get_token(&user, PASSWORD)
    };
    let of_shop = server.vouched(&shop, json!({"id": "ada@example.com"}));
    server.operator(&["sessions", "revoke", "--user", &user]);
    ended(&server, &shop, &of_shop);
    server.accepts(&of_account.auth);
}

#[test]
fn the_cap_counts_each_user_alone() {
    let setup = Setup::new()
        .gateway("")
        .env("LACRE_SESSION__MAX_PER_USER", "2");
    let server = setup.start();
    let (shop, desk) = (server.add_vouching("shop"), server.add_vouching("desk"));
    let begin = |client: &Client, id: &str| server.vouched(client, json!({"id": id}));
    let others = [
        begin(&desk, "ada"),
        begin(&desk, "ada"),
        begin(&shop, "bea"),
    ];
    let of_shop = [(); 3].map(|()| begin(&shop, "ada"));
    assert_eq!(handles(&server, &shop, "ada").len(), 2);
    let live = of_shop
        .iter()
        .filter(|token| !told(&server, &shop, &token.auth).is_null());
    assert_eq!(live.count(), 2);
    for token in &others[..2] {
        lives(&server, &desk, token);
    }
    lives(&server, &shop, &others[2]);
}
