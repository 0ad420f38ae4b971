//! How often somebody may try, and whom that never keeps out.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};
use crate::support::wait;
use serde_json::json;

const EMAIL: &str = "ada@example.com";
const WRONG: &str = "wrong horse battery";
const HOME: &str = "198.51.100.1";
const STRANGER: &str = "192.0.2.66";

/// A server behind a proxy, so that a test has many addresses; with an account.
fn start(settings: &[(&str, &str)]) -> Server {
    let mut setup = Setup::new().env("LACRE_TRUSTED_PROXIES", "127.0.0.1");
    for (name, value) in settings {
        setup = setup.env(&format!("LACRE_LIMITS__{name}"), value);
    }
    let server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    server
}

fn log_in(server: &Server, address: &str, email: &str, password: &str) -> Answer {
    let request = Request::post("/getToken").header("X-Forwarded-For", address);
    server.send(&request.json(json!({"email": email, "password": password})))
}

/// How many guesses are looked at before one is refused; the refusal.
fn guesses(server: &Server, address: &str, email: impl Fn(usize) -> String) -> (usize, Answer) {
    for count in 0..100 {
        let answer = log_in(server, address, &email(count), WRONG);
        if answer.status == 429 {
            return (count, answer);
        }
        answer.refused(401, "invalid_credentials");
    }
    panic!("nothing stops the guesser");
}

#[test]
fn a_guesser_is_stopped_and_the_user_gets_in() {
    let server = start(&[("LOGIN_PER_ACCOUNT", "10/1h")]);
    let (count, refused) = guesses(&server, STRANGER, |_| EMAIL.to_owned());
    assert_eq!(count, 10);
    refused.refused(429, "rate_limited");
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=360).contains(&seconds), "{seconds}");

    // The right password makes no difference there, and an unknown account none at all.
    log_in(&server, STRANGER, EMAIL, PASSWORD).refused(429, "rate_limited");
    let (unknown, refused_unknown) = guesses(&server, HOME, |_| "nobody@example.com".to_owned());
    assert_eq!(unknown, 10);
    assert_eq!(refused_unknown.json()["detail"], refused.json()["detail"]);

    Token::of(&log_in(&server, HOME, EMAIL, PASSWORD));
}

#[test]
fn many_accounts_from_one_address_are_one_attack() {
    let server = start(&[("LOGIN_PER_ADDRESS", "5/1h")]);
    Token::of(&log_in(&server, STRANGER, EMAIL, PASSWORD));
    let (count, refused) = guesses(&server, STRANGER, |n| format!("user{n}@example.com"));
    assert_eq!(count, 5);
    refused.refused(429, "rate_limited");
    // One answer for every name, also of one who has logged in there before; elsewhere everybody
    // does.
    for name in [EMAIL, "user1@example.com", "user7@example.com", "", "a@b@c"] {
        let answer = log_in(&server, STRANGER, name, PASSWORD);
        answer.refused(429, "rate_limited");
        assert_eq!(answer.json()["detail"], refused.json()["detail"], "{name}");
    }
    Token::of(&log_in(&server, HOME, EMAIL, PASSWORD));
    log_in(&server, HOME, "user7@example.com", WRONG).refused(401, "invalid_credentials");
}

/// By id or by e-mail, in whatever case, it is the same account; and a name that nobody has is as good
/// for as many guesses.
#[test]
fn an_account_is_counted_once_under_all_its_names() {
    let server = start(&[("LOGIN_PER_ACCOUNT", "6/1h")]);
    let id = server.sign_up("grace@example.com", PASSWORD).id;
    let by_id = |id: &str| {
        let request = Request::post("/getToken").header("X-Forwarded-For", STRANGER);
        server.send(&request.json(json!({"id": id, "password": WRONG})))
    };
    let by_email = |email: &str| log_in(&server, STRANGER, email, WRONG);
    for _ in 0..2 {
        by_id(&id).refused(401, "invalid_credentials");
        by_email("grace@example.com").refused(401, "invalid_credentials");
        by_email("GRACE@Example.com").refused(401, "invalid_credentials");
    }
    for refused in [by_id(&id), by_email("grace@example.com")] {
        refused.refused(429, "rate_limited");
    }
    for n in 0..6 {
        let spelling = ["nobody@example.com", "NoBody@example.COM"][n % 2];
        by_email(spelling).refused(401, "invalid_credentials");
    }
    for spelling in ["nobody@example.com", "NOBODY@EXAMPLE.COM"] {
        by_email(spelling).refused(429, "rate_limited");
    }
    by_id("nobody").refused(401, "invalid_credentials");
}

#[test]
fn right_passwords_do_not_count() {
    let server = start(&[("LOGIN_PER_ADDRESS", "2/1h"), ("LOGIN_PER_ACCOUNT", "2/1h")]);
    for _ in 0..10 {
        Token::of(&log_in(&server, HOME, EMAIL, PASSWORD));
    }
}

#[test]
fn who_is_no_trusted_proxy_can_not_choose_an_address() {
    let server = Setup::new()
        .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "3/1h")
        .start();
    server.sign_up(EMAIL, PASSWORD);
    for n in 0..3 {
        log_in(&server, &format!("192.0.2.{n}"), EMAIL, WRONG).refused(401, "invalid_credentials");
    }
    log_in(&server, "192.0.2.9", EMAIL, PASSWORD).refused(429, "rate_limited");
}

#[test]
fn the_wait_ends() {
    let server = start(&[("LOGIN_PER_ACCOUNT", "1/1s")]);
    let status = |password: &str| log_in(&server, STRANGER, EMAIL, password).status;
    wait::until("a guess is refused", || {
        (status(WRONG) == 429).then_some(())
    });
    wait::until("the password is taken", || {
        (status(PASSWORD) == 200).then_some(())
    });
}

#[test]
fn a_thief_of_a_token_does_not_guess_the_password_either() {
    let server = start(&[("LOGIN_PER_ACCOUNT", "4/1h")]);
    let token = Token::of(&log_in(&server, HOME, EMAIL, PASSWORD));
    let send = |method: &str, target: &str, address: &str, body: serde_json::Value| {
        let request = Request::new(method, target).bearer(&token.auth);
        server.send(&request.header("X-Forwarded-For", address).json(body))
    };
    let change = json!({"current": WRONG, "new": "another horse battery"});
    for _ in 0..2 {
        send("POST", "/reauth", STRANGER, json!({"password": WRONG}))
            .refused(401, "invalid_credentials");
        send("PUT", "/me/password", STRANGER, change.clone()).refused(401, "invalid_credentials");
    }
    send("POST", "/reauth", STRANGER, json!({"password": PASSWORD})).refused(429, "rate_limited");
    send("PUT", "/me/password", STRANGER, change).refused(429, "rate_limited");
    send("POST", "/reauth", HOME, json!({"password": PASSWORD})).expect(200);
}

#[test]
fn back_ends_are_not_held_up_by_their_neighbours() {
    let server = start(&[("LOGIN_PER_ADDRESS", "3/1h")]);
    let client = server.add_client("shop");
    let id = server.sign_up("grace@example.com", PASSWORD).id;
    let ask = |secret: &str| {
        let request = Request::post("/getToken").header("X-Forwarded-For", HOME);
        let request = request.basic(&client.id, secret);
        server.send(&request.json(json!({"id": id, "user_session": "s"})))
    };
    for _ in 0..10 {
        ask(&client.secret).expect(200);
    }
    let (count, _) = guesses(&server, HOME, |n| format!("user{n}@example.com"));
    assert_eq!(count, 3);
    ask(&client.secret).expect(200);

    // A wrong secret is counted, and then there is one answer for every client.
    let other = |secret: &str| {
        let request = Request::post("/getToken").header("X-Forwarded-For", STRANGER);
        let request = request.basic(&client.id, secret);
        server.send(&request.json(json!({"id": id, "user_session": "s"})))
    };
    for _ in 0..3 {
        other("wrong").refused(401, "invalid_client");
    }
    other(&client.secret).refused(429, "rate_limited");
    for _ in 0..3 {
        ask("wrong").refused(401, "invalid_client");
    }
    ask(&client.secret).refused(429, "rate_limited");
    let request = Request::post("/getToken").header("X-Forwarded-For", HOME);
    let unknown = request.basic("client_0123456789abcdef", "wrong");
    let unknown = unknown.json(json!({"id": id, "user_session": "s"}));
    server.send(&unknown).refused(429, "rate_limited");
}

#[test]
fn a_back_end_that_asks_for_many_tokens_at_once_gets_them_all() {
    let mut server = start(&[("LOGIN_PER_ADDRESS", "3/1h")]);
    let client = server.add_client("shop");
    let id = server.sign_up("grace@example.com", PASSWORD).id;
    for _ in 0..3 {
        // What is remembered of a client is forgotten with the process.
        server.stop();
        server.restart();
        std::thread::scope(|scope| {
            for n in 0..24 {
                let (server, client, id) = (&server, &client, &id);
                scope.spawn(move || {
                    server
                        .client_token(client, id, &format!("s{n}"))
                        .expect(200)
                });
            }
        });
    }
}

#[test]
fn sign_ups_are_counted_for_each_address() {
    let server = start(&[("SIGNUP_PER_ADDRESS", "2/1h")]);
    let sign_up = |n: usize, address: &str| {
        let body = json!({"email": format!("user{n}@example.com"), "password": PASSWORD});
        let request = Request::post("/signup").header("X-Forwarded-For", address);
        server.send(&request.json(body))
    };
    sign_up(1, STRANGER).expect(201);
    sign_up(1, STRANGER).refused(409, "account_exists");
    sign_up(2, STRANGER).refused(429, "rate_limited");
    sign_up(2, HOME).expect(201);
    Token::of(&log_in(&server, STRANGER, EMAIL, PASSWORD));
}

#[test]
fn limits_can_be_turned_off() {
    let server = start(&[("LOGIN_PER_ADDRESS", "off"), ("LOGIN_PER_ACCOUNT", "off")]);
    for _ in 0..15 {
        log_in(&server, STRANGER, EMAIL, WRONG).refused(401, "invalid_credentials");
    }
}
