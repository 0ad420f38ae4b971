//! `docs/http.md`: every request of the page is sent as it stands there, and answered as it says; and
//! every route has its section.

use super::page::{Block, Page};
use crate::support::server::{Server, Setup};
use lacre::internals::http::routes::ROUTES;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGE: &str = "docs/http.md";
/// Of the gateway and the management listener, which no table has.
const OTHERS: [&str; 8] = [
    "any /authz/{service}",
    "POST /oauth2/introspect",
    "POST /oauth2/revoke",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
];

/// A server with the configuration of the page.
fn server(blocks: &[Block]) -> Server {
    let named = |block: &&Block| block.file.as_deref() == Some("lacre.toml");
    let configuration = blocks.iter().find(named).unwrap();
    Setup::new().gateway(&configuration.text).start()
}

/// The text with the addresses of this server in the place of the page's.
fn placed(text: &str, server: &Server) -> String {
    text.replace("127.0.0.1:8080", &server.public.to_string())
        .replace("127.0.0.1:9090", &server.management.to_string())
        .replace("127.0.0.1:9091", &server.gateway().to_string())
}

/// What each of these blocks printed, pasted one after the other into one shell.
fn pasted(blocks: &[&str], server: &Server) -> Vec<String> {
    let home = server.setup().home();
    let said = |number: usize| home.join(format!("said.{number}"));
    let mut script = "set -eu\n".to_owned();
    for (number, block) in blocks.iter().enumerate() {
        let block = placed(block, server);
        let said = said(number).display().to_string();
        script = format!("{script}{{\n{block}}} > {said} 2>&1\n");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_lacre")).parent().unwrap();
    let ran = Command::new("bash")
        .args(["-c", &format!("PATH=\"$1:$PATH\"\n{script}"), "bash"])
        .arg(program)
        .current_dir(home)
        // Nothing of the tester's own configuration; bash has a search path of its own.
        .env_clear()
        .env("LACRE_DATA_DIR", server.data())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let read = |number| std::fs::read_to_string(said(number)).unwrap_or_default();
    let said: Vec<String> = (0..blocks.len()).map(read).collect();
    assert!(ran.status.success(), "{ran:?}\n{}", said.join("\n---\n"));
    said
}

/// Whether a text is this one, where `…` stands for anything.
fn reads(shown: &str, text: &str) -> bool {
    match shown.split_once('…') {
        None => shown == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(end, _)| end).chain([rest.len()]);
            ends.any(|end| reads(after, &rest[end..]))
        }),
    }
}

/// The same of values. A last member `…` of a list stands for any others, wherever they are.
fn shows(shown: &Value, value: &Value) -> bool {
    match (shown, value) {
        (Value::String(shown), _) if shown == "…" => true,
        (Value::String(shown), Value::String(text)) => reads(shown, text),
        (Value::Array(shown), Value::Array(values)) => match shown.split_last() {
            Some((last, shown)) if last == "…" => {
                let is_there = |shown| values.iter().any(|value| shows(shown, value));
                shown.iter().all(is_there)
            }
            _ => shown.len() == values.len() && shown.iter().zip(values).all(|(s, v)| shows(s, v)),
        },
        (Value::Object(shown), Value::Object(values)) => {
            let known = |(name, value)| shown.get(name).is_some_and(|shown| shows(shown, value));
            shown.len() == values.len() && values.iter().all(known)
        }
        _ => shown == value,
    }
}

/// What is wrong with an answer, by the block that shows it: the status, the fields that it shows, the body.
fn differs(shown: &str, said: &str) -> Option<String> {
    let said = said.replace("\r\n", "\n");
    let parts = |text: &str| {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        (head.trim_end().to_owned(), body.trim_end().to_owned())
    };
    let ((shown_head, shown_body), (head, body)) = (parts(shown), parts(&said));
    let mut fields = shown_head.lines();
    if fields.next() != head.lines().next() {
        return Some("another status".to_owned());
    }
    for field in fields {
        if !head.lines().any(|line| reads(field, line.trim_end())) {
            return Some(format!("no field `{field}`"));
        }
    }
    let same = match (
        serde_json::from_str(&shown_body),
        serde_json::from_str(&body),
    ) {
        (Ok(shown), Ok(body)) => shows(&shown, &body),
        _ => reads(&shown_body, &body),
    };
    (!same).then(|| "another body".to_owned())
}

#[test]
fn every_request_of_the_page_is_answered_as_it_says() {
    let blocks = Page::named(PAGE).blocks();
    let server = server(&blocks);
    let is_request =
        |block: &&Block| block.language == "sh" && !block.text.starts_with("lacre serve");
    let requests: Vec<&str> = blocks
        .iter()
        .filter(is_request)
        .map(|block| &*block.text)
        .collect();
    let mut said = pasted(&requests, &server).into_iter();
    let (mut wrong, mut compared) = (Vec::new(), 0);
    let mut before = (String::new(), String::new());
    for block in &blocks {
        if is_request(&block) {
            before = (block.text.clone(), said.next().unwrap());
        } else if matches!(&*block.language, "http" | "text") {
            compared += 1;
            let shown = placed(&block.text, &server);
            if let Some(why) = differs(&shown, &before.1) {
                wrong.push(format!("{why}:\n{}{}\nshown:\n{shown}", before.0, before.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(compared > ROUTES.len(), "only {compared} answers are shown");
    server.is_well();
}

#[test]
fn every_route_has_its_section_and_the_index_leads_to_it() {
    let page = Page::named(PAGE);
    let headings: Vec<&str> = page
        .prose()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let mut due: Vec<String> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.pattern))
        .collect();
    due.extend(OTHERS.map(str::to_owned));
    for section in &due {
        let found = headings
            .iter()
            .filter(|heading| *heading == section)
            .count();
        assert_eq!(found, 1, "sections of `{section}` in {PAGE}");
        let (_, text) = page.text.split_once(&format!("\n### {section}\n")).unwrap();
        let text = text.split("\n### ").next().unwrap();
        let (request, answer) = (
            text.find("```sh\n"),
            text.find("```http\n").or(text.find("```text\n")),
        );
        assert!(
            request.is_some() && request < answer,
            "`{section}` lacks a request or its answer"
        );
        let anchor: String = section
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let (index, _) = page.text.split_once("\n## ").unwrap();
        assert!(
            index.contains(&format!("(#{anchor})")),
            "the index lacks `{section}`"
        );
    }
    for heading in headings {
        assert!(
            due.iter().any(|section| section == heading),
            "`{heading}` is no route"
        );
    }
}

#[test]
fn an_answer_is_told_from_another() {
    let said = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n{\"id\":\"x1\",\"n\":[1,2,3]}";
    for same in [
        "HTTP/1.1 200 OK\nA: b\n\n{\"n\": [1, 2, 3], \"id\": \"x…\"}\n",
        "HTTP/1.1 200 OK\n\n{\"id\": \"…\", \"n\": [1, \"…\"]}\n",
        "HTTP/1.1 200 OK\nC: …\n\n{\"id\": \"x1\", \"n\": \"…\"}\n",
    ] {
        assert_eq!(differs(same, said), None, "{same}");
    }
    for other in [
        "HTTP/1.1 201 OK\n\n{\"id\": \"…\", \"n\": [1, 2, 3]}\n",
        "HTTP/1.1 200 OK\nA: c\n\n{\"id\": \"…\", \"n\": [1, 2, 3]}\n",
        "HTTP/1.1 200 OK\n\n{\"id\": \"y…\", \"n\": [1, 2, 3]}\n",
        "HTTP/1.1 200 OK\n\n{\"id\": \"…\", \"n\": [1, 2]}\n",
        "HTTP/1.1 200 OK\n\n{\"id\": \"…\", \"n\": [4, \"…\"]}\n",
        "HTTP/1.1 200 OK\n\n{\"id\": \"…\"}\n",
        "HTTP/1.1 200 OK\n\n{\"id\": \"…\", \"n\": [1, 2, 3], \"more\": 1}\n",
        "HTTP/1.1 200 OK\n",
    ] {
        assert!(differs(other, said).is_some(), "{other}");
    }
}
