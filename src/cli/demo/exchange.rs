//! One request and its answer, sent and shown.
//!
//! This room must never show a whole token or a password, whoever sent it.

use super::super::failure::{self, Failure};
use super::super::printable::printable;
use reqwest::Method;
use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
/// More than any answer of the story takes.
const MAX_ANSWER: u64 = 256 * 1024;
/// Members of a body that hold a secret.
const TOKENS: [&str; 2] = ["auth", "refresh"];
/// Header fields that tell something.
const SHOWN: [&str; 5] = [
    "content-type",
    "cache-control",
    "www-authenticate",
    "retry-after",
    "x-request-id",
];

/// Talks with one server and shows what is said.
pub(super) struct Exchange {
    base: String,
    client: Client,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Exchange {
    /// `direct`: past any proxy, for a server of our own.
    pub(super) fn with(base: &str, direct: bool) -> Result<Self, Failure> {
        let builder = Client::builder()
            .timeout(TIMEOUT)
            .user_agent(concat!("lacre-demo/", env!("CARGO_PKG_VERSION")))
            // A token goes where it was meant to go.
            .redirect(Policy::none());
        let builder = if direct { builder.no_proxy() } else { builder };
        let client = builder
            .build()
            .map_err(|error| Failure::failed("demo_failed", error))?;
        Ok(Self {
            base: base.to_owned(),
            client,
        })
    }

    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let verb = Method::from_bytes(method.as_bytes())
            .map_err(|error| Failure::failed("demo_failed", error))?;
        let mut request = self.client.request(verb, format!("{}{path}", self.base));
        let mut shown = format!("> {method} {path}\n");
        if let Some(token) = token {
            request = request.bearer_auth(token);
            let _ = writeln!(shown, "> Authorization: Bearer {}", shortened(token));
        }
        if let Some(body) = body {
            request = request.json(body);
            let _ = write!(shown, "> Content-Type: application/json\n{}", pretty(body));
        }
        print(&shown)?;
        let answer = Answer::read(request.send().map_err(unreachable)?)?;
        print(&answer.shown())?;
        Ok(answer)
    }
}

impl Answer {
    fn read(response: Response) -> Result<Self, Failure> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut text = String::new();
        response
            .take(MAX_ANSWER)
            .read_to_string(&mut text)
            .map_err(|error| Failure::new(failure::UNAVAILABLE, "server_unreachable", error))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    pub(super) fn body(&self) -> &Value {
        &self.body
    }

    /// The code of a problem.
    pub(super) fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    pub(super) fn challenge(&self) -> Option<&str> {
        self.headers.get(WWW_AUTHENTICATE)?.to_str().ok()
    }

    /// A member that this step needs.
    pub(super) fn text(&self, step: u8, name: &str) -> Result<&str, Failure> {
        let text = self.body[name].as_str();
        text.ok_or_else(|| wrong(step, &format!("the answer has no {name}")))
    }

    fn shown(&self) -> String {
        let reason = reqwest::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let mut text = format!("< {} {}\n", self.status, reason.unwrap_or_default());
        for name in SHOWN {
            for value in self.headers.get_all(name) {
                let value = String::from_utf8_lossy(value.as_bytes());
                let _ = writeln!(text, "< {}: {value}", title(name));
            }
        }
        if self.body != Value::String(String::new()) {
            text += &pretty(&self.body);
        }
        text + "\n"
    }
}

/// The header field as it is mostly spelled: `WWW-Authenticate`.
fn title(name: &str) -> String {
    let word = |word: &str| match word {
        "www" => "WWW".to_owned(),
        "id" => "Id".to_owned(),
        word => word[..1].to_ascii_uppercase() + &word[1..],
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// A body over several lines, without its secrets.
fn pretty(body: &Value) -> String {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        for (name, value) in members.iter_mut() {
            if name == "password" {
                *value = "********".into();
            } else if TOKENS.contains(&name.as_str())
                && let Some(token) = value.as_str()
            {
                *value = shortened(token).into();
            }
        }
    }
    let text = match &body {
        Value::String(text) => text.clone(),
        body => serde_json::to_string_pretty(body).unwrap_or_default(),
    };
    text.lines().fold(String::new(), |mut indented, line| {
        let _ = writeln!(indented, "  {line}");
        indented
    })
}

/// A step that didn't end as the story tells.
pub(super) fn wrong(step: u8, why: &str) -> Failure {
    Failure::new(
        failure::FAILED,
        "demo_step_failed",
        format_args!("step {step}: {why}"),
    )
}

/// Enough of a token to know it again, too little to use it.
fn shortened(token: &str) -> String {
    let start: String = token.chars().take(12).collect();
    format!("{start}… ({} characters)", token.chars().count())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "{}", printable(text))?;
    Ok(stdout.flush()?)
}

#[allow(clippy::needless_pass_by_value)] // the form that `map_err` takes
fn unreachable(error: reqwest::Error) -> Failure {
    // The cause is what tells: "connection refused" stands at the end of the chain.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Failure::new(
        failure::UNAVAILABLE,
        "server_unreachable",
        format_args!("the server gives no answer: {cause}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_shows_no_token_and_no_password() {
        let secret = "s3cret-".repeat(20);
        let shown = pretty(&json!({
            "password": secret, "auth": secret, "refresh": secret, "crt": "handle", "n": 1,
        }));
        assert!(!shown.contains(&secret), "{shown}");
        assert!(shown.contains("\"password\": \"********\""), "{shown}");
        assert!(
            shown.contains("\"auth\": \"s3cret-s3cre… (140 characters)\""),
            "{shown}"
        );
        assert!(shown.contains("\"crt\": \"handle\""), "{shown}");
    }

    #[test]
    fn a_header_field_is_spelled_as_usual() {
        assert_eq!(title("www-authenticate"), "WWW-Authenticate");
        assert_eq!(title("x-request-id"), "X-Request-Id");
    }
}
