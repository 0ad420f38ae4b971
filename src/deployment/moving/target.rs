//! Where sessions are moved to, as an operator names it.
//!
//! This room must never show what a URL has of secrets.

use super::error::MoveError;
use lacre_keystore::{redis_says_tls, says_tls};
use std::fmt;
use std::path::PathBuf;

/// A store that sessions are moved to.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// The database of this URL.
    Postgres(String),
    /// The servers of Redis of this URL.
    Redis(String),
    /// A data directory.
    Directory(PathBuf),
}

impl Target {
    /// What `--to` says.
    pub fn parse(text: &str) -> Result<Self, MoveError> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            // The driver would take the rest from its defaults.
            Some("postgres" | "postgresql")
                if text
                    .split_once("://")
                    .is_some_and(|(_, rest)| !rest.is_empty())
                    && says_tls(text).is_some() =>
            {
                Ok(Self::Postgres(text.to_owned()))
            }
            Some("redis" | "rediss" | "redis+cluster" | "rediss+cluster")
                if redis_says_tls(text).is_some() =>
            {
                Ok(Self::Redis(text.to_owned()))
            }
            Some("sled") => {
                let path = text.trim_start_matches("sled:").trim_start_matches("//");
                if path.is_empty() {
                    return Err(MoveError::NoTarget);
                }
                Ok(Self::Directory(PathBuf::from(path)))
            }
            None if text.contains('/') => Ok(Self::Directory(PathBuf::from(text))),
            _ => Err(MoveError::NoTarget),
        }
    }

    /// The same with a path that doesn't depend on where one is.
    pub fn absolute(self) -> std::io::Result<Self> {
        match &self {
            Self::Directory(path) => std::path::absolute(path).map(Self::Directory),
            Self::Postgres(_) | Self::Redis(_) => Ok(self),
        }
    }

    /// What `keystore.engine` is then.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::Directory(_) => "sled",
        }
    }

    /// All of it, for whoever opens it: it may have a password.
    #[must_use]
    pub fn expose(&self) -> String {
        match self {
            Self::Postgres(url) | Self::Redis(url) => url.clone(),
            Self::Directory(path) => format!("sled:{}", path.display()),
        }
    }
}

/// What a URL has behind its scheme.
fn rest(url: &str) -> &str {
    url.split_once("://").map_or("", |(_, rest)| rest)
}

/// Without user, password and parameters.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => {
                let rest = rest(url).split(['?', '#']).next().unwrap_or_default();
                let place = rest.rsplit('@').next().unwrap_or_default();
                write!(f, "postgres://{place}")
            }
            Self::Redis(url) => {
                let scheme = url.split_once("://").map_or("redis", |(scheme, _)| scheme);
                // As the store reads it: a password may have what begins the parameters.
                let place = rest(url).rsplit('@').next().unwrap_or_default();
                let place = place.split('?').next().unwrap_or_default();
                write!(f, "{scheme}://{place}")
            }
            Self::Directory(path) => write!(f, "sled:{}", path.display()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_its_place_and_none_of_its_secrets() {
        for (text, engine, shown) in [
            (
                "postgres://lacre:p%40ss@db.example:5432/lacre?sslmode=verify-full&password=x",
                "postgres",
                "postgres://db.example:5432/lacre",
            ),
            (
                "postgresql://127.0.0.1/a",
                "postgres",
                "postgres://127.0.0.1/a",
            ),
            ("sled:/var/lib/lacre", "sled", "sled:/var/lib/lacre"),
            ("sled:///var/lib/lacre", "sled", "sled:/var/lib/lacre"),
            ("sled:data", "sled", "sled:data"),
            ("./data", "sled", "sled:./data"),
            (
                "rediss+cluster://lacre:pass?word@a,b:7001?sslrootcert=ca.pem",
                "redis",
                "rediss+cluster://a,b:7001",
            ),
            ("redis://127.0.0.1/3", "redis", "redis://127.0.0.1/3"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.engine(), &*target.to_string()), (engine, shown));
            assert!(!format!("{target:?}").contains("pass"));
            assert_eq!(Target::parse(&target.expose()).unwrap(), target);
        }
        for none in [
            "",
            "data",
            "sled:",
            "mysql://db/a",
            "postgres:",
            "postgres://",
            "http://a/b",
            "redis://",
            "redis://a,b",
            "rediss:a",
        ] {
            let refused = Target::parse(none).unwrap_err();
            assert_eq!(refused.code(), "migration_target_invalid", "{none}");
        }
    }
}
