//! The console over HTTP, as a browser speaks it: forms, cookies, and what a browser says of a sender.
//! `browser.rs` looks at it in a real one.

mod browser;
mod forgery;
mod pages;
mod rights;

use super::PASSWORD;
use crate::support::http::{self, Answer, Request};
use crate::support::server::{Server, Setup, Token};
use std::collections::BTreeMap;

const OPS: &str = "ops@example.com";

/// A server with an administrator, and ada with a session.
struct Scene {
    server: Server,
    ada: Token,
}

impl Scene {
    fn set() -> Self {
        Self::with(&Setup::new())
    }

    fn with(setup: &Setup) -> Self {
        let server = setup.start();
        let ops = [
            "users",
            "add",
            OPS,
            "--role",
            "admin",
            "--id",
            "ops",
            "--password-stdin",
        ];
        server.operator_telling(&ops, PASSWORD);
        server.sign_up("ada@example.com", PASSWORD);
        let ada = server.get_token("ada@example.com", PASSWORD);
        Self { server, ada }
    }

    /// Somebody with a browser that is logged in.
    fn administrator(&self) -> Browser<'_> {
        let mut browser = Browser::at(&self.server);
        let entered = browser.logs_in(OPS, PASSWORD);
        assert_eq!((entered.status, location(&entered)), (303, "/console/"));
        browser
    }

    fn sessions_of(&self, user: &str) -> usize {
        let listed = self
            .server
            .operator(&["keystore", "list", "--user", user, "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        listed["sessions"].as_array().unwrap().len()
    }
}

/// A browser: it keeps cookies, and says who sent a form.
struct Browser<'a> {
    server: &'a Server,
    cookies: BTreeMap<String, String>,
    /// What it says of the sender.
    site: Option<&'static str>,
}

impl<'a> Browser<'a> {
    fn at(server: &'a Server) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
            site: Some("same-origin"),
        }
    }

    fn sends(&mut self, request: Request) -> Answer {
        let mut request = request;
        if let Some(site) = self.site {
            request = request.header("Sec-Fetch-Site", site);
        }
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            request = request.header("Cookie", &pairs.collect::<Vec<_>>().join("; "));
        }
        let answer = http::send(self.server.management, &request);
        for (_, line) in answer
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
        {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    fn gets(&mut self, target: &str) -> Answer {
        self.sends(Request::get(target))
    }

    fn posts(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.sends(Request::post(target).form(fields))
    }

    /// Opens the page with the form and sends it with these fields.
    fn fills_in(&mut self, page: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mark = mark_of(&self.gets(page));
        let mut all = vec![("form", mark.as_str())];
        all.extend_from_slice(fields);
        self.posts(target, &all)
    }

    fn logs_in(&mut self, user: &str, password: &str) -> Answer {
        let fields = [("user", user), ("password", password)];
        self.fills_in("/console/login", "/console/login", &fields)
    }

    /// Follows the answer to a form.
    fn follows(&mut self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, 303, "{answer:?}");
        let location = location(answer).to_owned();
        self.gets(&location).expect(200)
    }
}

fn location(answer: &Answer) -> &str {
    answer.header("location").unwrap()
}

/// The mark of the page's forms.
fn mark_of(page: &Answer) -> String {
    let text = page.text();
    let marker = "name=\"form\" value=\"";
    let at = text
        .find(marker)
        .unwrap_or_else(|| panic!("no form: {page:?}"));
    text[at + marker.len()..]
        .split('"')
        .next()
        .unwrap()
        .to_owned()
}

/// To the log-in.
fn is_sent_away(answer: &Answer) -> bool {
    answer.status == 303 && location(answer).starts_with("/console/login")
}

/// Demands that the page has this.
fn says(page: &Answer, text: impl AsRef<str>) {
    let text = text.as_ref();
    let page = String::from_utf8_lossy(&page.body);
    assert!(page.contains(text), "no {text:?} in {page}");
}
