//! Tokens of an outside issuer for sessions of ours, over HTTP and beside the commands.

mod accounts;
mod keys;
mod refusals;

pub(super) use refusals::wrong_tokens;

use crate::support::http::{Answer, Request};
use crate::support::https::Https;
use crate::support::issuer::{ISS, Published, SigningKey, Site, believing, claims, configure, set};
use crate::support::server::{Server, Setup, Token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MAKE: &str = "make_accounts = true\n";

fn exchange(server: &Server, token: &str) -> Answer {
    server.send(&Request::post("/getToken").json(json!({"user_session": token})))
}

fn session(server: &Server, token: &str) -> Token {
    Token::of(&exchange(server, token))
}

fn me(server: &Server, token: &Token) -> Answer {
    server.send(&Request::get("/me").bearer(&token.auth))
}

pub(super) fn with(subject: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims(subject);
    change(&mut claims);
    claims
}
