//! A schema of a test's own in the `PostgreSQL` that `LACRE_TEST_POSTGRES` names.

use super::skipped::skip;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// A schema that is removed with the value.
#[derive(Debug)]
pub(crate) struct Schema {
    server: String,
    name: String,
    url: String,
}

impl Schema {
    /// An empty one; `None`, said on standard error, where there is no server.
    #[allow(clippy::disallowed_methods)] // the tests' own switch, no setting of the program
    pub(crate) fn new() -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let Ok(server) = std::env::var("LACRE_TEST_POSTGRES") else {
            skip(
                "no account was kept in PostgreSQL",
                "set LACRE_TEST_POSTGRES, or run .ci/with-postgres make test",
            );
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lacre_journey_{}_{number}", std::process::id());
        let glue = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{glue}options=-c%20search_path%3D{name}");
        let schema = Self { server, name, url };
        schema.on_server(format!("CREATE SCHEMA {}", schema.name));
        Some(schema)
    }

    /// For `accounts.url`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn on_server(&self, sql: String) {
        block_on(async {
            let mut connection = connected(&self.server).await;
            connection.execute(AssertSqlSafe(sql)).await.unwrap();
            connection.close().await.unwrap();
        });
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.on_server(format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// A connection to any database.
pub(crate) async fn connected(url: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await.unwrap()
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}
