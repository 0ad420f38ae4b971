//! The origin of a web page (RFC 6454), as `cors.origins` names it and as browsers send it.
//!
//! This room must never take two spellings for one origin: browsers have one, and a list that is
//! compared byte by byte must not hold another.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Longer than any name of a host with its scheme and port.
const MAX_LENGTH: usize = 300;

/// A scheme, a host and, unless it is the scheme's own, a port: `https://app.example.org`,
/// `http://localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

/// The text is no origin as browsers send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "no origin such as https://app.example.org: a scheme, a host in lower case, a port where it isn't the usual one, and nothing behind it"
)]
pub struct NotAnOrigin;

impl WebOrigin {
    /// The text, as a browser sends it in `Origin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WebOrigin {
    type Err = NotAnOrigin;

    /// Strict: neither `*` nor `null`, no path, no upper case, no port that browsers leave out. A name
    /// in other letters than ASCII is written as browsers do (`xn--…`).
    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let (scheme, authority) = text.split_once("://").ok_or(NotAnOrigin)?;
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside of the brackets belongs to the address.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let usual = match scheme {
            "http" => Some("80"),
            "https" => Some("443"),
            _ => None,
        };
        let good = text.len() <= MAX_LENGTH
            && is_scheme(scheme)
            && is_host(host)
            && port.is_none_or(|port| is_port(port) && Some(port) != usual);
        good.then(|| Self(text.to_owned())).ok_or(NotAnOrigin)
    }
}

/// RFC 3986 §3.1, in lower case; pages from elsewhere than a host have schemes of their own.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner
            .strip_suffix(']')
            .map(str::parse::<std::net::Ipv6Addr>);
        return matches!(address, Some(Ok(address)) if format!("[{address}]") == text);
    }
    !text.is_empty()
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        })
}

fn is_port(text: &str) -> bool {
    !text.starts_with('0')
        && text
            .parse::<u16>()
            .is_ok_and(|port| port.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in [
            "https://app.example.org",
            "https://app.example.org:8443",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:3000",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert_eq!(good.parse::<WebOrigin>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_would_never_be_sent_is_refused() {
        for bad in [
            "",
            "*",
            "null",
            "https://*",
            "https://*.example.org",
            "app.example.org",
            "https://",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://app.example.org?q",
            "https://app.example.org#f",
            "https://user@app.example.org",
            "https://App.example.org",
            "HTTPS://app.example.org",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://app.example.org:",
            "https://app.example.org:0",
            "https://app.example.org:080",
            "https://app.example.org:65536",
            "https://app.example.org:+1",
            "https://app..example.org",
            "https://bücher.example",
            "https://app.example.org ",
            " https://app.example.org",
            "https://app.example.org\n",
            "http://[::1",
            "http://[0:0::1]",
            "http://::1",
            "https://a.example, https://b.example",
        ] {
            assert_eq!(bad.parse::<WebOrigin>(), Err(NotAnOrigin), "{bad:?}");
        }
    }
}
