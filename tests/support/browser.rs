//! Chromium without a window, driven over `WebDriver` (W3C): plain JSON over HTTP.

use super::skipped::skip;
use super::wait::{PATIENCE, until};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A browser with a profile of its own; it closes with the value.
pub(crate) struct Browser {
    driver: Child,
    client: Client,
    /// The URL of the `WebDriver` session.
    session: String,
    _profile: TempDir,
}

/// A tab of a browser.
pub(crate) struct Tab(String);

impl Browser {
    /// `None` where there is none: the test is skipped.
    pub(crate) fn open() -> Option<Self> {
        let is_there = |program: &str| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        if is_there("chromedriver") && is_there("chromium") {
            return Some(Self::start());
        }
        skip("chromium is absent", "run make browser");
        None
    }

    fn start() -> Self {
        let profile = TempDir::new().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let address = format!("http://127.0.0.1:{}", port.expect("chromedriver ended"));
        // Read on, so that the driver never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
        }}});
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        let mut browser = Self {
            driver,
            client,
            session: format!("{address}/session"),
            _profile: profile,
        };
        let begun = browser.command(Method::POST, "", Some(&wanted));
        let id = begun["sessionId"].as_str().unwrap();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    fn command(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.try_command(method, path, body);
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn try_command(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Value> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer: Value = request.send().unwrap().json().unwrap();
        let value = answer["value"].take();
        if value["error"].is_null() {
            Ok(value)
        } else {
            Err(value)
        }
    }

    /// Goes to a page and waits until it is there.
    pub(crate) fn visits(&self, url: &str) {
        self.command(Method::POST, "/url", Some(&json!({"url": url})));
    }

    /// The body of an asynchronous function that the page runs with these arguments as `a`; what it
    /// returns, or `"failed"` where it throws.
    pub(crate) fn runs(&self, function: &str, arguments: &Value) -> Value {
        let body = asynchronous(function, arguments);
        self.command(Method::POST, "/execute/async", Some(&body))
    }

    /// The page sends a form to this URL; the status in the problem that it lands on.
    pub(crate) fn sends_form(&self, url: &str, fields: &Value) -> Value {
        let before = self.command(Method::GET, "/url", None);
        let submit = "const form = document.createElement('form'); \
            form.method = 'POST'; form.action = a.url; \
            for (const [name, value] of Object.entries(a.fields)) { \
                const input = document.createElement('input'); \
                input.name = name; input.value = value; form.append(input); \
            } \
            document.body.append(form); setTimeout(() => form.submit(), 0);";
        self.runs(submit, &json!({"url": url, "fields": fields}));
        until("the form's answer", || {
            if self.command(Method::GET, "/url", None) == before {
                return None;
            }
            // While one page goes and the next one comes, neither runs anything.
            let read = asynchronous("return document.body?.innerText", &Value::Null);
            let text = self.try_command(Method::POST, "/execute/async", Some(&read));
            serde_json::from_str(text.ok()?.as_str()?).ok()
        })
    }

    /// Opens one more tab, which the browser stays in, and says which.
    pub(crate) fn opens_tab(&self) -> Tab {
        let opened = self.command(Method::POST, "/window/new", Some(&json!({"type": "tab"})));
        let tab = Tab(opened["handle"].as_str().unwrap().to_owned());
        self.goes_to(&tab);
        tab
    }

    /// The tab that the browser is in.
    pub(crate) fn tab(&self) -> Tab {
        let handle = self.command(Method::GET, "/window", None);
        Tab(handle.as_str().unwrap().to_owned())
    }

    pub(crate) fn goes_to(&self, tab: &Tab) {
        self.command(Method::POST, "/window", Some(&json!({"handle": tab.0})));
    }

    /// Closes a tab, whatever its page is doing; the browser has to go to another one then.
    pub(crate) fn closes(&self, tab: &Tab) {
        self.goes_to(tab);
        self.command(Method::DELETE, "/window", None);
    }

    /// From now on pages run no scripts, or do again. What the tests evaluate is none of a page's.
    pub(crate) fn runs_scripts(&self, runs: bool) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            &json!({"value": !runs}),
        );
    }

    /// A command of the `DevTools` protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.command(Method::POST, "/goog/cdp/execute", Some(&body))
    }

    /// The value of an expression, evaluated beside the page, whatever its policy says.
    pub(crate) fn evaluates(&self, expression: &str) -> Value {
        self.try_evaluates(expression)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_evaluates(&self, expression: &str) -> Result<Value, Value> {
        let body = json!({"cmd": "Runtime.evaluate", "params": {
            "expression": expression, "awaitPromise": true, "returnByValue": true,
        }});
        let mut evaluated = self.try_command(Method::POST, "/goog/cdp/execute", Some(&body))?;
        if evaluated["exceptionDetails"].is_null() {
            Ok(evaluated["result"]["value"].take())
        } else {
            Err(evaluated)
        }
    }

    /// Types into the field that this CSS selector finds.
    pub(crate) fn types(&self, field: &str, text: &str) {
        let place = format!("{}/value", self.element(field));
        self.command(Method::POST, &place, Some(&json!({"text": text})));
    }

    /// Clicks on what this CSS selector finds.
    pub(crate) fn clicks(&self, what: &str) {
        let place = format!("{}/click", self.element(what));
        self.command(Method::POST, &place, Some(&json!({})));
    }

    /// Clicks on the link or button that this CSS selector finds, and waits for the page behind it.
    pub(crate) fn goes_by(&self, what: &str) {
        let began = "document.readyState == 'complete' ? performance.timeOrigin : null";
        let before = self.evaluates(began);
        self.clicks(what);
        until("the next page", || {
            // While one page goes and the next one comes, nothing is evaluated.
            let now = self.try_evaluates(began).ok()?;
            (!now.is_null() && now != before).then_some(())
        });
    }

    fn element(&self, selector: &str) -> String {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.command(Method::POST, "/element", Some(&body));
        let id = found.as_object().unwrap().values().next().unwrap();
        format!("/element/{}", id.as_str().unwrap())
    }

    /// The address of the page that it is on.
    pub(crate) fn address(&self) -> String {
        let url = self.command(Method::GET, "/url", None);
        url.as_str().unwrap().to_owned()
    }

    /// What can be read on the page.
    pub(crate) fn reads(&self) -> String {
        let text = self.evaluates("document.body.innerText");
        text.as_str().unwrap().to_owned()
    }

    /// What the browser keeps for the page that it is on.
    pub(crate) fn cookies(&self) -> Vec<Value> {
        let cookies = self.command(Method::GET, "/cookie", None);
        cookies.as_array().unwrap().clone()
    }
}

/// What `WebDriver` is told for an asynchronous function.
fn asynchronous(function: &str, arguments: &Value) -> Value {
    let script = format!(
        "const [a, done] = arguments; \
         (async () => {{ {function} }})().then(done, () => done('failed'));"
    );
    json!({"script": script, "args": [arguments]})
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes the browser; after a failure it may be gone already.
        let _ = self.client.delete(&self.session).send();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
