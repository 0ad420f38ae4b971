//! Where a store is: its URL, read.
//!
//! This room must never put a password into an error.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::error::KeystoreError;

/// The port where a URL names none.
const PORT: u16 = 6379;

/// One server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Where a store is, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cluster: bool,
    pub(super) tls: bool,
    /// One server, or some of a cluster's.
    pub(super) addresses: Vec<Address>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) database: i64,
    /// The authorities that sign the servers' certificates; nothing for those that the machine trusts.
    pub(super) authorities: Option<PathBuf>,
}

impl Place {
    /// `redis://` or `rediss://` and a server, `redis+cluster://` or `rediss+cluster://` and servers with commas between;
    /// before them `user:password@`, behind them `?sslrootcert=FILE`, with what is special in a URL as `%xx`.
    pub(super) fn of(url: &str) -> Result<Self, KeystoreError> {
        read(url).ok_or_else(|| KeystoreError::unavailable("its URL can't be read"))
    }
}

fn read(url: &str) -> Option<Place> {
    let (scheme, rest) = url.split_once("://")?;
    let (cluster, tls) = match scheme {
        "redis" => (false, false),
        "rediss" => (false, true),
        "redis+cluster" => (true, false),
        "rediss+cluster" => (true, true),
        _ => return None,
    };
    let (who, rest) = match rest.rsplit_once('@') {
        Some((who, rest)) => (Some(who), rest),
        None => (None, rest),
    };
    let (user, password) = who
        .map(|who| who.split_once(':').unwrap_or((who, "")))
        .unwrap_or_default();
    let (user, password) = (decoded(user)?, decoded(password)?);
    let (rest, authorities) = match rest.split_once('?') {
        Some((rest, parameter)) => (rest, Some(parameter.strip_prefix("sslrootcert=")?)),
        None => (rest, None),
    };
    let authorities = match authorities {
        Some(file) if tls && !file.is_empty() => Some(PathBuf::from(decoded(file)?.as_str())),
        Some(_) => return None,
        None => None,
    };
    let (servers, database) = rest.split_once('/').unwrap_or((rest, ""));
    let database = match database {
        "" => 0,
        number if !cluster => number.parse().ok().filter(|number| *number >= 0)?,
        _ => return None,
    };
    let addresses = servers.split(',').map(address);
    let addresses = addresses.collect::<Option<Vec<_>>>()?;
    if !cluster && addresses.len() > 1 {
        return None;
    }
    Some(Place {
        cluster,
        tls,
        addresses,
        user: (!user.is_empty()).then(|| user.to_string()),
        password: (!password.is_empty()).then_some(password),
        database,
        authorities,
    })
}

/// The text with what stands for `%xx`.
fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn address(text: &str) -> Option<Address> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() || host.contains(['?', '#', '/', ' ']) {
        return None;
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => PORT,
    };
    Some(Address {
        host: host.to_owned(),
        port,
    })
}

/// Whether connections to the servers of this URL are encrypted, or needn't be: addresses of this machine. `None` where
/// the URL can't be read.
#[must_use]
pub fn redis_says_tls(url: &str) -> Option<bool> {
    let place = read(url)?;
    let near = place.addresses.iter().all(|address| {
        let host = address.host.parse::<IpAddr>();
        address.host == "localhost" || host.is_ok_and(|host| host.is_loopback())
    });
    Some(place.tls || near)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster, addresses, ..
        } = self;
        write!(f, "Place(cluster {cluster}, {addresses:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(url: &str) -> Vec<String> {
        let place = Place::of(url).unwrap();
        place.addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_url_names_one_server_or_some_of_a_cluster() {
        assert_eq!(servers("redis://127.0.0.1"), ["127.0.0.1:6379"]);
        assert_eq!(servers("rediss://[::1]:7000/3"), ["[::1]:7000"]);
        assert_eq!(
            servers("redis+cluster://a,b:7001,[::1]"),
            ["a:6379", "b:7001", "[::1]:6379"]
        );
        let place = Place::of("rediss+cluster://a").unwrap();
        assert!(place.cluster && place.tls);
        let place = Place::of("redis://a/7").unwrap();
        assert!(!place.cluster && !place.tls && place.database == 7);
        assert_eq!(place.authorities, None);
        let place = Place::of("rediss://ann@a/7?sslrootcert=%2Fetc/ca.pem").unwrap();
        assert_eq!(place.authorities, Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(place.database, 7);
    }

    #[test]
    fn user_and_password_are_read_and_never_shown() {
        let place = Place::of("redis://ann:p%40ss%3Aword@a").unwrap();
        assert_eq!(place.user.as_deref(), Some("ann"));
        assert_eq!(place.password.as_ref().unwrap().as_str(), "p@ss:word");
        assert!(!format!("{place:?}").contains("word"));
        let place = Place::of("redis://:word@a").unwrap();
        assert_eq!(place.user, None);
        assert!(place.password.is_some());
    }

    #[test]
    fn what_cant_be_read_is_refused_without_its_text() {
        for url in [
            "secret-word",
            "http://secret-word",
            "redis://",
            "redis://a:0",
            "redis://a:secret-word",
            "redis://a,b",
            "redis+cluster://a,,b",
            "redis+cluster://a/1",
            "redis://a/-1",
            "redis://a?secret-word",
            "redis://a?sslrootcert=secret-word",
            "rediss://a?sslrootcert=",
            "redis://u:%zz@a",
            "redis://[::1",
        ] {
            let error = Place::of(url).unwrap_err();
            assert!(!error.to_string().contains("secret-word"), "{error}");
        }
    }

    #[test]
    fn a_url_says_whether_what_is_sent_can_be_read_on_the_way() {
        for (url, expected) in [
            ("redis://127.0.0.1", Some(true)),
            ("redis+cluster://localhost,[::1]:1", Some(true)),
            ("redis+cluster://localhost,10.0.0.7", Some(false)),
            ("rediss+cluster://10.0.0.7", Some(true)),
            ("redis://db.example", Some(false)),
            ("no url", None),
        ] {
            assert_eq!(redis_says_tls(url), expected, "{url}");
        }
    }
}
