//! What ends the sessions of a client's users.

use super::{ended, handles, lives, shop};
use crate::support::server::{Client, Server, Setup, Token};
use serde_json::{Value, json};

fn begin(server: &Server, client: &Client, id: &str) -> Token {
    server.vouched(client, json!({"id": id}))
}

#[test]
fn a_client_ends_one_session_all_and_all_but_one() {
    let (mut server, shop) = shop();
    let [one, two, three] = [(); 3].map(|()| begin(&server, &shop, "ada"));
    let bea = begin(&server, &shop, "bea");
    let target = |crt: &str| format!("/client/users/ada/sessions/{crt}");
    for _ in 0..2 {
        // One that has ended already is done.
        server
            .by(&shop, "DELETE", &target(&one.crt), Value::Null)
            .expect(204);
    }
    ended(&server, &shop, &one);
    for bad in [
        "?except=",
        "?except=current",
        "?Except=x",
        "?all",
        "?except=a&except=b",
    ] {
        let answer = server.by(
            &shop,
            "DELETE",
            &format!("/client/users/ada/sessions{bad}"),
            Value::Null,
        );
        assert!([400, 404].contains(&answer.status), "{bad}: {answer:?}");
    }
    lives(&server, &shop, &two);
    let spare = format!("/client/users/ada/sessions?except={}", two.crt);
    let answer = server.by(&shop, "DELETE", &spare, Value::Null).expect(200);
    assert_eq!(answer.json(), json!({"revoked": 1}));
    server.kill9();
    server.restart();
    ended(&server, &shop, &three);
    lives(&server, &shop, &two);
    lives(&server, &shop, &bea);
    let all = |server: &Server| {
        let answer = server.by(&shop, "DELETE", "/client/users/ada/sessions", Value::Null);
        answer.expect(200).json()
    };
    assert_eq!(all(&server), json!({"revoked": 1}));
    assert_eq!(all(&server), json!({"revoked": 0}));
    ended(&server, &shop, &two);
    server
        .by(&shop, "DELETE", &target(&bea.crt), Value::Null)
        .refused(404, "not_found");
    lives(&server, &shop, &bea);
    assert_eq!(
        handles(&server, &shop, "bea"),
        std::slice::from_ref(&bea.crt)
    );
}

#[test]
fn a_user_logs_out_and_ends_its_own_sessions() {
    let (server, shop) = shop();
    let [one, two, three, four] = [(); 4].map(|()| begin(&server, &shop, "ada"));
    let bea = begin(&server, &shop, "bea");
    assert_eq!(server.sessions(&one.auth).len(), 4);
    server.call("POST", "/logout", &one.auth).expect(204);
    ended(&server, &shop, &one);
    server.revoke(&two.auth, &three.crt).expect(204);
    ended(&server, &shop, &three);
    server
        .call("DELETE", "/sessions?except=current", &two.auth)
        .expect(200);
    ended(&server, &shop, &four);
    server
        .call("POST", "/logout", two.refresh.as_deref().unwrap())
        .expect(204);
    ended(&server, &shop, &two);
    lives(&server, &shop, &bea);
}

#[test]
fn a_spent_refresh_token_ends_the_session() {
    let setup = Setup::new()
        .gateway(super::SERVICES)
        .env("LACRE_REFRESH__GRACE", "0s");
    let server = setup.start();
    let shop = server.add_vouching("shop");
    let first = begin(&server, &shop, "ada");
    let second = Token::of(&server.refresh(&first));
    lives(&server, &shop, &second);
    server.refuses(&first.auth);
    server.refresh(&first).refused(401, "invalid_token");
    ended(&server, &shop, &second);
}

#[test]
fn operators_end_them_as_they_do_those_of_accounts() {
    let (server, shop) = shop();
    let desk = server.add_vouching("desk");
    let user = format!("{}/ada", shop.id);
    let of_desk = begin(&server, &desk, "ada");
    for words in [&["--user", &user][..], &["--client", &shop.id]] {
        let tokens = [begin(&server, &shop, "ada"), begin(&server, &shop, "ada")];
        let revoke = |more: &[&str]| {
            let all = [&["sessions", "revoke", "--json"][..], words, more].concat();
            let told: Value = serde_json::from_str(&server.operator(&all)).unwrap();
            told
        };
        let tried = revoke(&["--dry-run"]);
        lives(&server, &shop, &tokens[0]);
        let done = revoke(&[]);
        assert_eq!(tried["revoked"], done["revoked"], "{words:?}");
        for token in &tokens {
            ended(&server, &shop, token);
        }
    }
    let one = begin(&server, &shop, "ada");
    server.operator(&["sessions", "revoke", &one.crt]);
    ended(&server, &shop, &one);
    let why = server.operator(&["token", "explain", &one.crt]);
    assert!(
        why.contains(&user) && why.contains("revoked_by_admin"),
        "{why}"
    );
    lives(&server, &desk, &of_desk);
    server.operator(&["sessions", "revoke", "--all", "--yes"]);
    ended(&server, &desk, &of_desk);
}

#[test]
fn the_sessions_of_a_deleted_client_have_ended() {
    let (mut server, shop) = shop();
    let desk = server.add_vouching("desk");
    let tokens = ["ada", "bea"].map(|id| begin(&server, &shop, id));
    let of_desk = begin(&server, &desk, "ada");
    server.operator(&["clients", "delete", &shop.id]);
    for token in &tokens {
        ended(&server, &desk, token);
    }
    let gone = server.by(&shop, "POST", "/getToken", json!({"id": "ada"}));
    gone.refused(401, "invalid_client");
    server.kill9();
    server.restart();
    for token in &tokens {
        ended(&server, &desk, token);
    }
    lives(&server, &desk, &of_desk);
    // Another client of the same name has other users.
    let again = server.add_vouching("shop");
    assert_eq!(handles(&server, &again, "ada"), Vec::<String>::new());
}

#[test]
fn an_expired_session_is_refused_and_swept() {
    let setup = Setup::new()
        .gateway(super::SERVICES)
        .env("LACRE_SESSION__REFRESH_TTL", "1s")
        .env("LACRE_TOKEN__ACCESS_TTL", "1s");
    let server = setup.start();
    let shop = server.add_vouching("shop");
    let token = begin(&server, &shop, "ada");
    crate::support::wait::until("the session has expired", || {
        handles(&server, &shop, "ada").is_empty().then_some(())
    });
    ended(&server, &shop, &token);
}
