//! `lacre demo`: the whole story against a server, each request and answer shown.
//!
//! This room must never show a whole token or a password, and never touch another deployment than
//! its own throw-away one or the one that it was given.

mod exchange;
mod server;

use super::failure::Failure;
use clap::Args;
use exchange::{Answer, Exchange, wrong};
use futures_util::StreamExt as _;
use lacre::internals::entropy;
use rand::Rng as _;
use serde_json::json;
use server::OwnServer;
use std::io::Write as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// What a shell gives for a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lacre demo\n  lacre demo --url http://127.0.0.1:8080\n\nWithout --url a server of its own is started on free ports and in a new directory, and both are removed afterwards. The server of --url has to take sign-ups; the account that is made stays."
)]
pub(crate) struct Demo {
    /// The server to tell it with [default: one of its own]
    #[arg(long, value_name = "URL", value_parser = base_url)]
    url: Option<String>,
}

/// `http://host…` or `https://host…`, without a slash at its end.
fn base_url(text: &str) -> Result<String, String> {
    let parsed = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("it begins with http:// or https://".to_owned());
    }
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
        return Err("it has a host and at most a path".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Before the server is there: whoever ends us from now on ends it, too.
        let _guard = runtime.enter();
        let mut stops = lacre::internals::http::server::stop_signals()?;
        let (own, place) = if let Some(url) = self.url {
            (None, Place::Given(url))
        } else {
            let (own, lines) = OwnServer::start()?;
            (Some(own), Place::Own(lines))
        };
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || tell.send(place.tell()));
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = told => ended.unwrap_or_else(|_| Err(Failure::failed(
                    "demo_failed", "the demo broke off",
                ))),
                _ = stops.next() => Err(Failure::new(INTERRUPTED, "interrupted", "interrupted")),
            }
        });
        let stopped = own.map_or(Ok(()), OwnServer::stop);
        ended.and(stopped)
    }
}

/// Where the server is.
enum Place {
    Given(String),
    Own(server::Lines),
}

impl Place {
    fn tell(self) -> Result<(), Failure> {
        let (url, own) = match self {
            Self::Given(url) => (url, false),
            Self::Own(lines) => (lines.url()?, true),
        };
        story(&Exchange::with(&url, own)?)?;
        if !own {
            let _ = writeln!(
                std::io::stderr(),
                "lacre: the account stays; `lacre users delete` takes it away"
            );
        }
        Ok(())
    }
}

fn story(server: &Exchange) -> Result<(), Failure> {
    let (name, password) = (random(9), random(24));
    let email = format!("demo-{}@example.com", name.to_ascii_lowercase());

    say("1. Without a token nobody gets in.")?;
    let answer = server.send("GET", "/me", None, None)?;
    expect(1, &answer, 401)?;

    say("2. Sign up.")?;
    let account = json!({"email": email, "password": &*password, "name": "Demo"});
    let answer = server.send("POST", "/signup", None, Some(&account))?;
    if answer.code() == Some("signup_closed") {
        return Err(Failure::failed(
            "signup_closed",
            "this server takes no sign-ups: start it with `--dev` or with LACRE_SIGNUP=open, or \
             run `lacre demo` without --url",
        ));
    }
    expect(2, &answer, 201)?;

    say("3. Log in: the answer holds a token that only this session's key opens.")?;
    let credentials = json!({"email": email, "password": &*password});
    let answer = server.send("POST", "/getToken", None, Some(&credentials))?;
    expect(3, &answer, 200)?;
    let token = Zeroizing::new(answer.text(3, "auth")?.to_owned());
    let handle = answer.text(3, "crt")?.to_owned();

    say("4. With the token the door opens.")?;
    let answer = server.send("GET", "/me", Some(&token), None)?;
    expect(4, &answer, 200)?;
    if answer.text(4, "email")? != email {
        return Err(wrong(4, "the answer is about another account"));
    }

    say("5. The user sees the own sessions.")?;
    let answer = server.send("GET", "/sessions", Some(&token), None)?;
    expect(5, &answer, 200)?;
    let is_ours = |session: &serde_json::Value| {
        session["crt"] == handle.as_str() && session["current"] == true
    };
    if !answer
        .body()
        .as_array()
        .is_some_and(|all| all.iter().any(is_ours))
    {
        return Err(wrong(5, "the session is not among them"));
    }

    say("6. End the session: its key is destroyed.")?;
    let path = format!("/sessions/{handle}");
    let answer = server.send("DELETE", &path, Some(&token), None)?;
    expect(6, &answer, 204)?;

    say("7. The same token is noise now.")?;
    let answer = server.send("GET", "/me", Some(&token), None)?;
    expect(7, &answer, 401)?;
    let challenge = answer.challenge().unwrap_or_default();
    if !challenge.contains("error=\"invalid_token\"") {
        return Err(wrong(7, "the challenge doesn't say invalid_token"));
    }
    say("Done: 401, sign-up, token, 200, revoke, 401.")
}

/// `bytes` random bytes as letters and digits.
fn random(bytes: usize) -> Zeroizing<String> {
    let mut rng = (entropy::system())();
    let mut raw = Zeroizing::new(vec![0; bytes]);
    rng.fill_bytes(&mut raw);
    let hex = raw.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Zeroizing::new(
        hex.filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect(),
    )
}

fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}\n")?;
    Ok(stdout.flush()?)
}

fn expect(step: u8, answer: &Answer, status: u16) -> Result<(), Failure> {
    if answer.status == status {
        return Ok(());
    }
    let got = answer.status;
    Err(wrong(step, &format!("expected {status}, got {got}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_base() {
        assert_eq!(base_url("http://a:1/").unwrap(), "http://a:1");
        assert_eq!(base_url("https://a/auth").unwrap(), "https://a/auth");
        for bad in [
            "a:1",
            "ftp://a",
            "http://a?x",
            "http://a#x",
            "http://me@a",
            "",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_two_demos_make_the_same_account() {
        assert_eq!(random(9).len(), 18);
        assert_ne!(*random(9), *random(9));
    }
}
