//! How a connection is set up, and which server answers on it.
//!
//! This room must never connect without the settings that make a commit durable.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::error::KeystoreError;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_millis(800);

/// What is asked of the server whatever its own defaults are: a commit is answered when it is durable, there
/// and on the synchronous standby, and a statement ends where nobody waits for it any more.
const SETTINGS: [(&str, &str); 4] = [
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "5s"),
];

/// How often a change is made again that another one was in the way of.
pub(super) const ATTEMPTS: usize = 16;

/// The server that a row is from: when it was started, in microseconds, and whether it only repeats another's
/// changes.
macro_rules! answering {
    () => {
        "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS leader, \
         pg_is_in_recovery() AS standby"
    };
}
pub(super) use answering;

/// The condition of a record that it is there, in a statement on `keystore_sessions`.
macro_rules! live {
    () => {
        "era = (SELECT era FROM keystore_meta)"
    };
}
pub(super) use live;

/// Whether connections to the database of this URL are encrypted and the server's certificate is checked, or need be
/// neither: a socket file, or an address of this machine. `None` where the URL can't be read.
#[must_use]
pub fn says_tls(url: &str) -> Option<bool> {
    let options = PgConnectOptions::from_str(url).ok()?;
    let host = options.get_host();
    let near = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let checked = matches!(
        options.get_ssl_mode(),
        PgSslMode::VerifyCa | PgSslMode::VerifyFull
    );
    Some(near || checked)
}

/// Since when the server leads that the polls are answered by, where it has taken the place of another one.
pub(in crate::shared) type LedSince = Arc<Mutex<Option<Instant>>>;

/// Whether a connection of this age leads to a server that another one has taken the place of, and which may live on.
pub(super) fn is_outdated(led: &LedSince, age: Duration) -> bool {
    let since = *led.lock().unwrap_or_else(PoisonError::into_inner);
    since.is_some_and(|since| age > since.elapsed())
}

/// Where the database is.
#[derive(Clone)]
pub(in crate::shared) struct Link(PgConnectOptions);

impl Link {
    pub(in crate::shared) fn of(url: &str) -> Result<Self, KeystoreError> {
        // The text of the error may repeat the URL, which may hold a password.
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| KeystoreError::unavailable("its URL can't be read"))?;
        Ok(Self(options.application_name("lacre").options(SETTINGS)))
    }

    /// One connection.
    pub(in crate::shared) async fn connect(&self) -> Result<PgConnection, KeystoreError> {
        let connecting = PgConnection::connect_with(&self.0);
        match tokio::time::timeout(CONNECTING, connecting).await {
            Ok(connected) => connected.map_err(|error| failed(&error)),
            Err(_) => Err(KeystoreError::unavailable("it can't be reached in time")),
        }
    }

    /// Connections that are made when they are needed. Outdated ones are given up.
    pub(in crate::shared) fn pool(&self, connections: u32, led: &LedSince) -> PgPool {
        let led = Arc::clone(led);
        PgPoolOptions::new()
            .before_acquire(move |_, about| {
                let outdated = is_outdated(&led, about.age);
                Box::pin(std::future::ready(Ok(!outdated)))
            })
            .max_connections(connections)
            .acquire_timeout(CONNECTING)
            // A broken one is told by the first question on it.
            .test_before_acquire(false)
            .connect_lazy_with(self.0.clone())
    }
}

/// A failure of the database, in words that hold nothing of what was sent.
pub(in crate::shared) fn failed(error: &sqlx::Error) -> KeystoreError {
    let code = error
        .as_database_error()
        .and_then(|database| database.code().map(std::borrow::Cow::into_owned));
    match code {
        Some(code) => KeystoreError::unavailable(format!("the database answers with error {code}")),
        None => KeystoreError::unavailable(error.to_string()),
    }
}

/// The answer to a question, or its failure by [`failed`].
pub(super) trait Told<T> {
    fn told(self) -> Result<T, KeystoreError>;
}

impl<T> Told<T> for Result<T, sqlx::Error> {
    fn told(self) -> Result<T, KeystoreError> {
        self.map_err(|error| failed(&error))
    }
}

/// Whether the same may succeed when it is tried again at once: another transaction was in the way.
fn in_the_way(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "55P03"))
}

/// Asks, and asks again where another transaction was in the way.
pub(in crate::shared) async fn repeated<T, A: Future<Output = Result<T, sqlx::Error>>>(
    ask: impl Fn() -> A,
) -> Result<T, KeystoreError> {
    for _ in 0..ATTEMPTS {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if in_the_way(&error) => {}
            // It may have been made all the same: then it isn't among what was told, and a poll brings it.
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(KeystoreError::StoreContended)
}

#[cfg(test)]
mod tests {
    use super::says_tls;

    #[test]
    fn a_url_says_whether_what_is_sent_can_be_read_on_the_way() {
        for (url, expected) in [
            ("postgres://lacre@127.0.0.1/lacre", Some(true)),
            ("postgres://lacre@[::1]:5432/lacre", Some(true)),
            ("postgres://lacre@localhost/lacre", Some(true)),
            ("postgres://lacre@%2Frun%2Fpostgresql/lacre", Some(true)),
            ("postgres://lacre@db.example/lacre", Some(false)),
            (
                "postgres://lacre@10.0.0.7/lacre?sslmode=prefer",
                Some(false),
            ),
            (
                "postgres://lacre@10.0.0.7/lacre?sslmode=require",
                Some(false),
            ),
            (
                "postgres://lacre@10.0.0.7/lacre?sslmode=verify-ca",
                Some(true),
            ),
            (
                "postgres://lacre@db.example/lacre?sslmode=verify-full",
                Some(true),
            ),
            ("no url", None),
        ] {
            assert_eq!(says_tls(url), expected, "{url}");
        }
    }
}
