//! What a monitor sees: the numbers of `/metrics` after known events, and that the page, its
//! documentation, the alert rules and the dashboard speak of the same names.

use super::PASSWORD;
use crate::nodes::Deployment;
use crate::support::http::Request;
use crate::support::server::{Server, Setup, Token};
use crate::support::skipped::skip;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EMAIL: &str = "ada@example.com";

struct Page(String);

impl Page {
    fn of(server: &Server) -> Self {
        Self(server.manage("/metrics").expect(200).text().to_owned())
    }

    fn value(&self, series: &str) -> f64 {
        let line = self.0.lines().find_map(|line| {
            let rest = line.strip_prefix(series)?;
            rest.strip_prefix(' ')
        });
        line.unwrap_or_else(|| panic!("no {series} in\n{}", self.0))
            .parse()
            .unwrap()
    }

    /// The names of all families.
    fn families(&self) -> BTreeSet<String> {
        let types = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        types
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The words of a text that have the form of one of our metrics.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("lacre_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

/// The family that a series of this name belongs to.
fn family<'a>(name: &'a str, families: &BTreeSet<String>) -> Option<&'a str> {
    let of_histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| {
        name.strip_suffix(part)
            .filter(|name| families.contains(*name))
    });
    of_histogram
        .or(Some(name))
        .filter(|name| families.contains(*name))
}

#[test]
fn each_event_is_counted_by_its_outcome_its_reason_or_its_cause() {
    let server = Setup::new().env("LACRE_REFRESH__GRACE", "0s").start();
    let before = Page::of(&server);
    let theft = r#"lacre_sessions_ended_total{cause="refresh_reused"}"#;
    assert!(
        before.value(theft).abs() < f64::EPSILON,
        "there from the start, so that 1 is a rise"
    );

    server.sign_up(EMAIL, PASSWORD);
    for wrong in ["wrong horse", "wrong cart", "wrong staple"] {
        let body = json!({"email": EMAIL, "password": wrong});
        server
            .send(&Request::post("/getToken").json(body))
            .expect(401);
    }
    let [stolen, left, kept] = [(); 3].map(|()| server.get_token(EMAIL, PASSWORD));
    server.accepts(&kept.auth);
    Token::of(&server.refresh(&stolen));
    server.refresh(&stolen).expect(401);
    server.call("POST", "/logout", &left.auth).expect(204);
    server.refuses(&left.auth);
    server.refuses("malformed");
    server.call("GET", "/admin/users", &kept.auth).expect(403);

    let page = Page::of(&server);
    for (series, due) in [
        (r#"lacre_log_ins_total{outcome="succeeded"}"#, 3.0),
        (r#"lacre_log_ins_total{outcome="invalid_credentials"}"#, 3.0),
        (r#"lacre_sessions_started_total{by="owner"}"#, 3.0),
        (theft, 1.0),
        (r#"lacre_sessions_ended_total{cause="logout"}"#, 1.0),
        (r#"lacre_sessions_ended_total{cause="expired"}"#, 0.0),
        (r#"lacre_account_changes_total{change="created"}"#, 1.0),
        (r#"lacre_access_denied_total{code="role_missing"}"#, 1.0),
        (r#"lacre_tokens_refused_total{code="token_malformed"}"#, 1.0),
        (r#"lacre_tokens_refused_total{code="session_unknown"}"#, 1.0),
        ("lacre_session_issue_duration_seconds_count", 3.0),
        ("lacre_keystore_records", 1.0),
    ] {
        let found = page.value(series);
        assert!(
            (found - due).abs() < f64::EPSILON,
            "{series}: {found}, not {due}"
        );
    }
    let version = format!(
        r#"lacre_build_info{{version="{}"}}"#,
        env!("CARGO_PKG_VERSION")
    );
    assert!((page.value(&version) - 1.0).abs() < f64::EPSILON);
    for grows in [
        "lacre_keystore_changes_total",
        "lacre_keystore_flushes_total",
        "lacre_keystore_flush_seconds_total",
        "lacre_content_keys",
        "lacre_receipts_written",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_threads",
    ] {
        assert!(page.value(grows) > 0.0, "{grows}");
    }
    assert!(page.value("process_max_fds") >= page.value("process_open_fds"));
}

/// A token that is good is opened anew once, and each that is refused; a token in use never.
#[test]
fn opening_a_token_anew_is_timed() {
    const OPENED: &str = "lacre_token_open_duration_seconds_count";
    let server = Server::start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    let before = Page::of(&server).value(OPENED);
    for _ in 0..20 {
        server.accepts(&token.auth);
    }
    let good = Page::of(&server).value(OPENED) - before;
    assert!(good <= 1.0, "{good}");
    for _ in 0..5 {
        server.refuses("malformed");
    }
    let both = Page::of(&server).value(OPENED) - before;
    assert!((both - good - 5.0).abs() < f64::EPSILON, "{both}");
}

#[test]
fn the_documentation_explains_every_metric_and_no_other() {
    let server = Server::start();
    server.send(&Request::get("/open")).expect(200);
    let page = Page::of(&server);
    assert_eq!(explained("operating.md"), page.families());
}

/// What a page explains of metrics.
fn explained(page: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(docs().join(page)).unwrap();
    let table = page.split("| metric | look out for |").nth(1).unwrap();
    names(table.split("\n\n").next().unwrap())
}

/// Nodes have what every server has, and what the page about them explains.
#[test]
fn the_documentation_explains_every_metric_of_a_node() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [node] = deployment.start();
    let mut both = explained("operating.md");
    both.extend(explained("scaling.md"));
    assert_eq!(Page::of(&node).families(), both);
}

#[test]
fn alerts_and_dashboard_ask_for_what_is_there() {
    let server = Server::start();
    server.send(&Request::get("/open")).expect(200);
    let mut families = Page::of(&server).families();
    families.extend(explained("scaling.md"));
    for file in ["alerts.yml", "alerts_test.yml", "grafana.json"] {
        let text = std::fs::read_to_string(docs().join("monitoring").join(file)).unwrap();
        let named = names(&text);
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in named {
            assert!(family(&name, &families).is_some(), "{file}: {name}");
        }
    }
}

/// `promtool`, given this on its standard input.
fn promtool(arguments: &[&str], input: &str) -> Option<()> {
    let started = Command::new("promtool")
        .args(arguments)
        .current_dir(docs().join("monitoring"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        skip("promtool is absent", "run .ci/need monitoring");
        return None;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    // `check metrics` says what it would like better, and succeeds.
    let complaint = arguments == ["check", "metrics"] && !said.is_empty();
    assert!(!complaint, "{said}");
    Some(())
}

#[test]
fn prometheus_has_nothing_against_the_page() {
    let server = Server::start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    server.accepts(&token.auth);
    server.refuses("malformed");
    promtool(&["check", "metrics"], &Page::of(&server).0);
}

#[test]
fn prometheus_has_nothing_against_the_rules_and_fires_them() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts_test.yml"], "");
}

/// Grafana puts its variables in; the rest is an expression of Prometheus.
#[test]
fn prometheus_reads_each_expression_of_the_dashboard() {
    let text = std::fs::read_to_string(docs().join("monitoring/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let expressions = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap());
    let rules: Vec<Value> = expressions
        .enumerate()
        .map(|(number, expression)| {
            let expression = expression
                .replace("$__rate_interval", "5m")
                .replace("$instance", ".*");
            assert!(!expression.contains('$'), "{expression}");
            json!({"record": format!("panel:{number}"), "expr": expression})
        })
        .collect();
    assert!(rules.len() > 20, "{}", rules.len());
    // JSON is YAML.
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    let group = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(file.path(), group.to_string()).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()], "");
}
