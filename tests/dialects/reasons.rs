//! What a dialect tells of a token that was proven to be ours, and that it tells it of no other.

use super::{DIALECTS, speaking, with_token};
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};
use crate::support::wait::until;

const PASSWORD: &str = "correct horse battery";

fn ask(server: &Server, dialect: &str, resource: &str, token: &str) -> String {
    let (field, value) = with_token(dialect, token);
    told(&server.send(&Request::get(resource).header(field, &value)))
}

fn told(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.text())
}

/// A token for each state, made by the same deployment in lacre's own words.
struct Tokens {
    setup: Setup,
    expired: String,
    superseded: String,
    ended: String,
    elsewhere: String,
    ended_and_expired: String,
}

fn tokens() -> Tokens {
    let setup = Setup::new();
    let start = |name: &str, value: &str| setup.clone().env(name, value).start();
    let log_in = |server: &Server| server.get_token("ada@example.com", PASSWORD);
    let stop = |mut server: Server| assert!(server.stop().success());
    let server = start("LACRE_TOKEN__ACCESS_TTL", "1s");
    server.sign_up("ada@example.com", PASSWORD);
    let (expired, ended_and_expired) = (log_in(&server).auth, log_in(&server));
    stop(server);
    let server = start("LACRE_TOKEN__AUDIENCE", "elsewhere");
    let elsewhere = log_in(&server).auth;
    stop(server);
    let server = setup.start();
    let (superseded, ended) = (log_in(&server), log_in(&server));
    Token::of(&server.refresh(&superseded));
    server.call("POST", "/logout", &ended.auth).expect(204);
    let refresh = ended_and_expired.refresh.as_deref().unwrap();
    server.call("POST", "/logout", refresh).expect(204);
    until("the token expires", || {
        (server.call("GET", "/me", &expired).status == 401).then_some(())
    });
    stop(server);
    Tokens {
        setup,
        expired,
        superseded: superseded.auth,
        ended: ended.auth,
        elsewhere,
        ended_and_expired: ended_and_expired.auth,
    }
}

#[test]
fn a_reason_is_told_of_a_token_of_ours_alone() {
    let tokens = tokens();
    for (dialect, resource) in DIALECTS {
        let server = speaking(&tokens.setup, dialect).start();
        let ask = |token: &str| ask(&server, dialect, resource, token);
        let noise = ask("a.b.c");
        assert_eq!(ask(&tokens.ended), noise, "{dialect}");
        assert_eq!(ask(&tokens.ended_and_expired), noise, "{dialect}");
        let found =
            [&tokens.expired, &tokens.superseded, &tokens.elsewhere].map(|token| ask(token));
        let due = match dialect {
            "flask-jwt-extended" => [
                r#"401 {"msg":"Token has expired"}"#,
                r#"401 {"msg":"Token has been revoked"}"#,
                r#"422 {"msg":"Audience or issuer doesn't match"}"#,
            ],
            "auth0" => [
                r#"401 {"code":"token_expired","description":"Token expired."}"#,
                r#"401 {"code":"invalid_header","description":"Unable to parse authentication token."}"#,
                r#"401 {"code":"invalid_claims","description":"Incorrect claims. Please, check the audience and issuer."}"#,
            ],
            "api-users" => [
                r#"401 {"message":"Token expirou.","status":401,"sub_status":42}"#,
                r#"401 {"description":"The token has been revoked.","message":"As credenciais estão inválidas para log in.","status":401,"sub_status":5}"#,
                r#"401 {"description":"The issuer or the audience is another.","message":"As credenciais estão inválidas para log in.","status":401,"sub_status":9}"#,
            ],
            // They tell no reasons.
            _ => [noise.as_str(); 3],
        };
        assert_eq!(found.each_ref().map(String::as_str), due, "{dialect}");
    }
}
