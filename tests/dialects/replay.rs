//! Transcripts: exchanges in a file, replayed byte for byte.
//!
//! A request is written as it goes over the wire; `${length}` is the length of its body, `${name}` what
//! was set or read before. Of the answer the status, the named header fields and the whole body are
//! compared; `${=name}` reads what stands there up to the next quote.

use crate::support::http::{Answer, send_bytes};
use crate::support::server::Server;
use std::collections::BTreeMap;

/// What stands between a request and its answer, and between two exchanges.
const ANSWERED: &str = "\n---\n";
const NEXT: &str = "\n===\n";

/// Replays a transcript and gives the number of its exchanges.
pub(super) fn replay(
    server: &Server,
    transcript: &str,
    known: &mut BTreeMap<String, String>,
) -> usize {
    let exchanges: Vec<&str> = transcript.split(NEXT).collect();
    for exchange in &exchanges {
        let exchange = without_comments(exchange);
        let (request, due) = exchange.split_once(ANSWERED).expect(&exchange);
        let answer = send_bytes(server.public, &wire(request, known)).unwrap();
        if let Err(why) = compare(due.trim_end_matches('\n'), &answer, known) {
            panic!("{why}\nin {exchange}\n{answer:?}\n{}", answer.text());
        }
    }
    exchanges.len()
}

fn without_comments(exchange: &str) -> String {
    let lines = exchange.trim_start().lines();
    let kept: Vec<&str> = lines.filter(|line| !line.starts_with("# ")).collect();
    kept.join("\n")
}

fn filled(text: &str, known: &BTreeMap<String, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    })
}

/// The request as it goes over the wire.
fn wire(request: &str, known: &BTreeMap<String, String>) -> Vec<u8> {
    let request = filled(request, known);
    let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
    let head = head.replace("${length}", &body.len().to_string());
    assert!(!head.contains("${"), "{head}");
    format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")).into_bytes()
}

fn compare(due: &str, answer: &Answer, known: &mut BTreeMap<String, String>) -> Result<(), String> {
    let (head, body) = due.split_once("\n\n").unwrap_or((due, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    if status != Some(&answer.status.to_string()) {
        return Err(format!("status {}", answer.status));
    }
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or(line)?;
        let found = answer.header(name);
        if found != Some(value) {
            return Err(format!("{name}: {found:?}"));
        }
    }
    read(&filled(body, known), answer.text(), known)
}

/// Demands that the whole of `found` is `due`, and keeps what stands where it says so.
fn read(due: &str, found: &str, known: &mut BTreeMap<String, String>) -> Result<(), String> {
    let Some((before, rest)) = due.split_once("${=") else {
        return if due == found {
            Ok(())
        } else {
            Err(format!("{found:?} is not {due:?}"))
        };
    };
    let (name, after) = rest.split_once('}').ok_or("a name without an end")?;
    let rest = found.strip_prefix(before);
    let rest = rest.ok_or_else(|| format!("{found:?} doesn't begin with {before:?}"))?;
    let end = rest.find('"').unwrap_or(rest.len());
    if end == 0 {
        return Err(format!("{name} is empty"));
    }
    known.insert(name.to_owned(), rest[..end].to_owned());
    read(after, &rest[end..], known)
}

#[test]
fn a_body_is_compared_and_read() {
    let mut known = BTreeMap::new();
    let due = r#"{"a":"${=a}","b":1}"#;
    read(due, r#"{"a":"x.y","b":1}"#, &mut known).unwrap();
    assert_eq!(known["a"], "x.y");
    let request = "POST / HTTP/1.1\nContent-Length: ${length}\n\n{\"t\":\"${a}\"}";
    let sent = String::from_utf8(wire(request, &known)).unwrap();
    assert_eq!(
        sent,
        "POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n{\"t\":\"x.y\"}"
    );
    for other in [
        r#"{"a":"x","b":2}"#,
        r#"{"b":1,"a":"x"}"#,
        r#"{"a":"","b":1}"#,
    ] {
        assert!(read(due, other, &mut known).is_err(), "{other}");
    }
}
