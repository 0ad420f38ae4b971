//! `lacre health`: whether a server is ready, for images that have no HTTP client.
//!
//! This room must never open the deployment, and never wait without end.

use super::failure::{self, Failure};
use super::place::Place;
use super::printable::printable;
use clap::Args;
use lacre::internals::config::{Config, Listen};
use reqwest::blocking::{Client, ClientBuilder};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::fmt::Display;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// More than the three seconds within which `/readyz` answers.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than readiness has to say.
const MAX_ANSWER: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lacre health\n  lacre health http://127.0.0.1:9090\n  lacre health unix:/run/lacre/management.sock\n\nExit status: 0 where the server is ready, 69 where it isn't or doesn't answer within five seconds."
)]
pub(crate) struct Health {
    /// The management listener, http://HOST:PORT or unix:PATH [default: that of the configuration]
    #[arg(value_name = "URL", value_parser = target)]
    url: Option<Target>,
}

/// Where to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// The URL of `/readyz`.
    Url(String),
    /// A socket file.
    Unix(PathBuf),
}

/// `http://…`, with or without `/readyz`, or `unix:PATH`.
fn target(text: &str) -> Result<Target, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Target::Unix(path.into()));
    }
    let parsed = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    let whole = matches!(parsed.scheme(), "http" | "https")
        && parsed.has_host()
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    if !whole {
        return Err("it is http://HOST:PORT, the management listener, or unix:PATH".to_owned());
    }
    let base = text.trim_end_matches('/');
    let base = base.strip_suffix("/readyz").unwrap_or(base);
    Ok(Target::Url(format!("{base}/readyz")))
}

impl Health {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self.url {
            Some(target) => is_ready(&target)?,
            None => ask_configured(&place.resolve(&[], false)?)?,
        }
        Ok(writeln!(std::io::stdout(), "ready")?)
    }
}

/// Fails unless the server of this configuration says that it is ready.
pub(super) fn ask_configured(config: &Config) -> Result<(), Failure> {
    is_ready(&of(&config.management_listen)?)
}

fn is_ready(target: &Target) -> Result<(), Failure> {
    let builder = Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(Policy::none());
    let (status, body) = ask(builder, target)?;
    match (status, &body["code"]) {
        (200, _) if body["ready"] == true => Ok(()),
        (503, Value::String(code)) => Err(not_ready(&body, code)),
        _ => Err(Failure::new(
            failure::UNAVAILABLE,
            "not_lacre",
            format_args!("what answers there is not lacre's management listener: {status}"),
        )),
    }
}

/// Where this listener is reached from the same machine.
fn of(listen: &Listen) -> Result<Target, Failure> {
    match listen {
        Listen::Tcp(address) => Ok(Target::Url(format!("http://{}/readyz", reached(*address)))),
        Listen::Unix(path) => Ok(Target::Unix(path.clone())),
        Listen::Systemd => Err(Failure::usage(
            "address_unknown",
            "systemd chooses the address of management_listen: name it, http://HOST:PORT or unix:PATH",
        )),
    }
}

/// The address that all addresses of this machine stand for.
fn reached(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The whole answer, within the timeout: that of the client begins anew with each part that comes.
fn ask(builder: ClientBuilder, target: &Target) -> Result<(u16, Value), Failure> {
    let (tell, told) = mpsc::channel();
    let target = target.clone();
    // Nobody waits for it any more where it takes longer; it ends with the process.
    std::thread::spawn(move || tell.send(answer(builder, &target)));
    told.recv_timeout(TIMEOUT).unwrap_or_else(|_| {
        Err(Failure::new(
            failure::UNAVAILABLE,
            "server_unreachable",
            "no whole answer has come within five seconds",
        ))
    })
}

fn answer(builder: ClientBuilder, target: &Target) -> Result<(u16, Value), Failure> {
    let (builder, url) = match target {
        Target::Url(url) => (builder, url.as_str()),
        Target::Unix(path) => (
            builder.unix_socket(path.as_path()),
            "http://localhost/readyz",
        ),
    };
    let client = builder.build().map_err(unreachable)?;
    let answer = client.get(url).send().map_err(unreachable)?;
    let status = answer.status().as_u16();
    let mut text = String::new();
    let mut bounded = answer.take(MAX_ANSWER);
    bounded.read_to_string(&mut text).map_err(unreachable)?;
    Ok((status, serde_json::from_str(&text).unwrap_or_default()))
}

fn not_ready(body: &Value, code: &str) -> Failure {
    let stores = body["stores"].as_object().into_iter().flatten();
    let down = stores.filter(|(_, state)| *state == "down");
    let mut why: Vec<_> = down.map(|(store, _)| format!("{store} is down")).collect();
    if let Some(log) = body["log"].as_str() {
        why.push(format!("the log is not written: {log}"));
    }
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", why.join(", "))
    };
    Failure::new(
        failure::UNAVAILABLE,
        printable(code).to_string(),
        format_args!("the server is not ready{why}"),
    )
}

/// With its causes, for the first alone says that sending failed.
fn unreachable(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let told: &dyn Display = &text;
    Failure::new(failure::UNAVAILABLE, "server_unreachable", told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_that_of_the_listener_or_of_its_readiness() {
        let url = |text: &str| Target::Url(text.to_owned());
        for (text, due) in [
            ("http://127.0.0.1:9090", url("http://127.0.0.1:9090/readyz")),
            ("http://[::1]:9090/", url("http://[::1]:9090/readyz")),
            ("http://a:1/readyz", url("http://a:1/readyz")),
            ("https://a/behind/it", url("https://a/behind/it/readyz")),
            ("unix:/run/a.sock", Target::Unix("/run/a.sock".into())),
        ] {
            assert_eq!(target(text), Ok(due), "{text}");
        }
        for bad in [
            "",
            "127.0.0.1:9090",
            "ftp://a",
            "http://",
            "http://a?b",
            "http://a/#b",
        ] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_loopback() {
        for (address, due) in [
            ("0.0.0.0:9090", "http://127.0.0.1:9090/readyz"),
            ("[::]:9090", "http://[::1]:9090/readyz"),
            ("192.0.2.1:9090", "http://192.0.2.1:9090/readyz"),
        ] {
            assert_eq!(
                of(&address.parse().unwrap()),
                Ok(Target::Url(due.to_owned()))
            );
        }
        assert!(of(&Listen::Systemd).is_err());
    }

    #[test]
    fn what_is_down_is_named() {
        let body = serde_json::json!({
            "code": "store_unavailable",
            "stores": {"accounts": "down", "keystore": "up"},
            "log": "full",
        });
        let failure = not_ready(&body, "store_unavailable");
        assert!(failure.is("store_unavailable"));
        let text = format!("{failure:?}");
        assert!(
            text.contains("accounts is down, the log is not written: full"),
            "{text}"
        );
    }
}
