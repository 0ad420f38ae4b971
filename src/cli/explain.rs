//! `lacre token explain`: why a token, a session or a request is refused now.
//!
//! This room must never print the token, nor a claim without being asked for it.

use super::failure::Failure;
use super::out;
use super::place::Place;
use super::way::{Absent, Way, unexpected};
use clap::Args;
use lacre::internals::ops::{About, Answer, ExplainRequest, Explained, Request, Secret};
use serde_json::json;
use std::io::{IsTerminal as _, Read as _, Write as _};
use zeroize::Zeroizing;

/// The most bytes that are read as a token; far above what any guard accepts.
const MAX_TOKEN: u64 = 1 << 16;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A session's handle or a beginning of 8 characters or more, or the id of a request (`X-Request-Id`);
    /// without it a token is read from standard input
    #[arg(value_name = "NAME", allow_hyphen_values = true)]
    name: Option<String>,
    /// Show the claims of the token as well
    #[arg(long)]
    claims: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        let about = match self.name {
            Some(name) if name.contains('.') => return Err(not_here()),
            Some(name) => About::Name(name.trim_end_matches('…').to_owned()),
            None => About::Token(token()?),
        };
        let claims = self.claims;
        let request = Request::Explain(ExplainRequest { about, claims });
        let answer = Way::with(place, Absent::Fail, |way| way.ask(request))?;
        let Answer::Explained(explained) = answer else {
            return Err(unexpected());
        };
        let mut stdout = std::io::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", json_of(&explained)?)?;
        } else {
            out::write_fields(&mut stdout, fields(*explained)?)?;
        }
        Ok(())
    }
}

/// Reads a token from standard input, and takes the end of its line off.
fn token() -> Result<Secret, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let _ = writeln!(
            std::io::stderr(),
            "lacre: paste the token, then Enter and Ctrl-D"
        );
    }
    let mut text = Zeroizing::new(String::new());
    let read = stdin.lock().take(MAX_TOKEN).read_to_string(&mut text);
    match read {
        Ok(_) => Ok(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(Failure::failed(
            "token_malformed",
            "standard input is no text, and so no token",
        )),
        Err(error) => Err(Failure::failed(
            "input_unreadable",
            format_args!("standard input: {error}"),
        )),
    }
}

/// A token on the command line is seen by every user of the machine.
fn not_here() -> Failure {
    Failure::usage(
        "token_on_command_line",
        "this looks like a token: hand it over by standard input, where no other user of the machine sees it",
    )
}

fn fields(explained: Explained) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut fields = Vec::new();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            fields.push((name, value));
        }
    };
    let verdict = match (&explained.code, explained.accepted) {
        (_, true) => "accepted".to_owned(),
        (Some(code), false) => format!("refused ({code})"),
        (None, false) => "refused".to_owned(),
    };
    add("answer", Some(verdict));
    for reason in &explained.reasons {
        for (number, line) in wrapped(reason).into_iter().enumerate() {
            add(if number == 0 { "why" } else { "" }, Some(line));
        }
    }
    if let Some(request) = explained.request {
        add("request", Some(request.id));
        add("event", Some(request.event));
        add("address", request.address);
    }
    add("token", explained.kind);
    add("session", explained.handle);
    add("user", explained.user);
    if let Some(session) = explained.session {
        add("begun", Some(out::time(session.created_at)));
        add("last used", Some(out::time(session.last_seen_at)));
        add("used from", session.last_seen_address);
        add("expires", Some(out::time(session.expires_at)));
        add("generation", Some(session.generation.to_string()));
    }
    if let Some(end) = explained.end {
        add("ended", Some(out::time(end.at)));
        add("cause", Some(end.cause));
        add("by", Some(end.by));
        add("who", end.who);
        add(
            "receipt",
            end.receipt.map(|(seq, hash)| format!("{seq} {hash}")),
        );
    }
    if let Some(claims) = explained.claims {
        add("claims", Some(out::json(&claims)?));
    }
    Ok(fields)
}

/// A sentence in lines that fit a terminal beside the names of the fields.
fn wrapped(sentence: &str) -> Vec<String> {
    const LINE: usize = 66;
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn json_of(explained: &Explained) -> Result<String, Failure> {
    let request = explained.request.as_ref().map(
        |request| json!({"id": request.id, "event": request.event, "address": request.address}),
    );
    let session = explained.session.as_ref().map(super::keystore::shown);
    let end = explained.end.as_ref().map(|end| {
        let at = out::time(end.at);
        let receipt = super::receipts::named(end.receipt.as_ref());
        json!({"at": at, "cause": end.cause, "by": end.by, "who": end.who, "receipt": receipt})
    });
    out::json(&json!({
        "accepted": explained.accepted,
        "code": explained.code,
        "reasons": explained.reasons,
        "handle": explained.handle,
        "user": explained.user,
        "kind": explained.kind,
        "session": session,
        "end": end,
        "request": request,
        "claims": explained.claims,
    }))
}
