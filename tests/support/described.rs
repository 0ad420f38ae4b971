//! Every answer of the public routes, held to `docs/openapi.json`: the client of the tests asks here about
//! each one before a test sees it.
//!
//! What the document doesn't have is not looked at: the management listener, the gateway, the dialects,
//! and requests that have no request line of HTTP/1.1. A request for no route has to be answered by a problem.

use super::http::Answer;
use crate::pages::page;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Header fields that mean something to a client: where one comes, the document has to have it.
const TELLING: [&str; 6] = [
    "allow",
    "location",
    "retry-after",
    "set-cookie",
    "www-authenticate",
    "x-request-id",
];

static DOCUMENT: LazyLock<Description> = LazyLock::new(|| {
    let text = std::fs::read_to_string(page::root().join("docs/openapi.json")).unwrap();
    Description::new(&serde_json::from_str(&text).unwrap())
});

/// By how many servers: one that is started again on a fixed port comes before the other has gone.
static LISTENERS: LazyLock<Mutex<HashMap<SocketAddr, usize>>> = LazyLock::new(Mutex::default);

fn servers_at<T>(address: SocketAddr, act: impl FnOnce(&mut usize) -> T) -> T {
    let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    act(listeners.entry(address).or_default())
}

/// As long as this lives, what is answered at its address is looked at.
#[derive(Debug)]
pub(crate) struct Described(SocketAddr);

impl Described {
    /// The public listener of a server that speaks in lacre's own form.
    pub(crate) fn listener(address: SocketAddr) -> Self {
        servers_at(address, |servers| *servers += 1);
        Self(address)
    }
}

impl Drop for Described {
    fn drop(&mut self) {
        servers_at(self.0, |servers| *servers -= 1);
    }
}

/// Whether what is answered there is to be looked at.
pub(crate) fn is_described(address: SocketAddr) -> bool {
    servers_at(address, |servers| *servers > 0)
}

/// What was asked: a method and a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    method: String,
    target: String,
}

impl Asked {
    /// From the beginning of a request; `None` where it has no whole request line.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let (method, rest) = line.split_once(' ')?;
        let target = rest.strip_suffix(" HTTP/1.1")?;
        let is_word = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        (is_word && target.starts_with('/')).then(|| Self {
            method: method.to_owned(),
            target: target.to_owned(),
        })
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Demands that the document has this answer to this request.
pub(crate) fn demand(asked: &Asked, answer: &Answer) {
    if let Err(why) = DOCUMENT.has(asked, answer) {
        let Asked { method, target } = asked;
        panic!(
            "docs/openapi.json doesn't have this answer to {method} {target}: {why}\n{answer:?}"
        );
    }
}

/// The document, with every reference replaced by what it names.
struct Description {
    paths: Map<String, Value>,
    problem: Value,
    /// By the text of a schema.
    compiled: Mutex<HashMap<String, &'static Validator>>,
}

impl Description {
    fn new(document: &Value) -> Self {
        let whole = resolved(document, document);
        Self {
            paths: whole["paths"].as_object().unwrap().clone(),
            problem: whole["components"]["schemas"]["problem"].clone(),
            compiled: Mutex::default(),
        }
    }

    fn has(&self, asked: &Asked, answer: &Answer) -> Result<(), String> {
        if is_of_the_parser(answer) {
            return Ok(());
        }
        let Some(operation) = self.operation(asked) else {
            return self.has_no_route(asked, answer);
        };
        let status = answer.status.to_string();
        let response = operation["responses"].get(&status);
        let response = response.ok_or_else(|| format!("no status {status}"))?;
        self.headers_fit(&response["headers"], answer)?;
        if asked.method == "HEAD" {
            return Ok(());
        }
        self.body_fits(&response["content"], answer)
    }

    /// `HEAD` is answered as `GET` is, without the content.
    fn operation(&self, asked: &Asked) -> Option<&Value> {
        let mut paths = self.paths.iter();
        let (_, path) = paths.find(|(pattern, _)| matches(pattern, asked.path()))?;
        path.get(match asked.method.as_str() {
            "HEAD" => "get".to_owned(),
            method => method.to_ascii_lowercase(),
        })
    }

    /// A refusal in the form of all others, or a preflight of a browser.
    fn has_no_route(&self, asked: &Asked, answer: &Answer) -> Result<(), String> {
        if asked.method == "OPTIONS" && answer.status == 204 {
            return Ok(());
        }
        if answer.status < 400 {
            return Err("no such route".to_owned());
        }
        if asked.method == "HEAD" {
            return Ok(());
        }
        let schema = json!({
            "allOf": [self.problem],
            "properties": {"status": {"const": answer.status}},
        });
        self.body_fits(
            &json!({"application/problem+json": {"schema": schema}}),
            answer,
        )
    }

    fn headers_fit(&self, described: &Value, answer: &Answer) -> Result<(), String> {
        let none = Map::new();
        let described = described.as_object().unwrap_or(&none);
        for (name, header) in described {
            let came = answer.headers.iter();
            let mut came = came
                .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                .peekable();
            if came.peek().is_none() && header["required"] == true {
                return Err(format!("the header `{name}` is missing"));
            }
            for (_, value) in came {
                self.fits(&header["schema"], &json!(value))
                    .map_err(|why| format!("the header `{name}`: {why}"))?;
            }
        }
        for (name, _) in &answer.headers {
            let is_told = described
                .keys()
                .any(|known| known.eq_ignore_ascii_case(name));
            if TELLING.contains(&name.as_str()) && !is_told {
                return Err(format!("a header `{name}`"));
            }
        }
        Ok(())
    }

    fn body_fits(&self, described: &Value, answer: &Answer) -> Result<(), String> {
        let kind = answer.header("content-type");
        let Some(described) = described.as_object() else {
            return if answer.body.is_empty() && kind.is_none() {
                Ok(())
            } else {
                Err("a body".to_owned())
            };
        };
        let kind = kind.ok_or("no content type")?;
        let kind = kind.split(';').next().unwrap_or_default();
        let media = described
            .get(kind)
            .ok_or_else(|| format!("no content type {kind}"))?;
        let text = std::str::from_utf8(&answer.body).map_err(|_| "no UTF-8")?;
        let body = if kind.ends_with("json") {
            serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?
        } else {
            json!(text)
        };
        self.fits(&media["schema"], &body)
            .map_err(|why| format!("the body: {why}"))
    }

    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = *compiled
            .entry(schema.to_string())
            .or_insert_with(|| compile(schema));
        drop(compiled);
        let faults: Vec<String> = validator
            .iter_errors(value)
            .map(|fault| format!("{fault} (at `{}`)", fault.instance_path()))
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("; "))
        }
    }
}

/// Lives as long as the process: there is one for each kind of answer.
fn compile(schema: &Value) -> &'static Validator {
    let options = jsonschema::options();
    let options = options
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true);
    Box::leak(Box::new(options.build(schema).unwrap()))
}

/// What isn't HTTP never reaches a route, nor what gives an answer its id: such an answer has no field of ours.
fn is_of_the_parser(answer: &Answer) -> bool {
    const FIELDS: [&str; 3] = ["connection", "content-length", "date"];
    let mut names = answer.headers.iter().map(|(name, _)| name.as_str());
    matches!(answer.status, 400 | 408 | 431)
        && answer.body.is_empty()
        && answer.header("connection") == Some("close")
        && names.all(|name| FIELDS.contains(&name))
}

/// Whether this path is one of those that the pattern stands for.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut names, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (names.next(), segments.next()) {
            (None, None) => return true,
            (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => {}
            (Some(name), Some(segment)) if name == segment => {}
            _ => return false,
        }
    }
}

/// The same value with the part of `document` that each reference names in its place.
fn resolved(value: &Value, document: &Value) -> Value {
    match value {
        Value::Object(members) => {
            if let Some(place) = members.get("$ref") {
                let place = place.as_str().unwrap().strip_prefix('#').unwrap();
                return resolved(document.pointer(place).unwrap(), document);
            }
            let members = members.iter();
            members
                .map(|(name, value)| (name.clone(), resolved(value, document)))
                .collect()
        }
        Value::Array(values) => values
            .iter()
            .map(|value| resolved(value, document))
            .collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests;
