//! A real database for each test, and the gestures of the suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;

use super::{
    Account, Accounts, Email, HashingSettings, LoginName, NewAccount, Password, PresentedPassword,
};
use crate::accounts::AccountsError;
use crate::clock::FixedClock;
use crate::lacre::testing::skipped;

/// Runs each test on `SQLite`, and on `PostgreSQL` where there is one.
macro_rules! on_every_engine {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&crate::accounts::tests::engine::Engine::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(engine) = crate::accounts::tests::engine::Engine::postgres().await {
                    super::$test(&engine).await;
                    engine.end().await;
                }
            })*
        }
    };
}
pub(super) use on_every_engine;

/// One database of one test's own.
pub(super) struct Engine {
    pub(super) url: String,
    pub(super) clock: Arc<FixedClock>,
    pub(super) dir: Option<TempDir>,
    schema: Option<(String, String)>,
}

impl Engine {
    pub(super) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            url: Accounts::sqlite_url(&dir.path().join("accounts.sqlite")),
            clock: Arc::new(FixedClock::at(1_000)),
            dir: Some(dir),
            schema: None,
        }
    }

    pub(super) async fn postgres() -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        #[allow(clippy::disallowed_methods)] // the tests' own switch, no setting of the program
        let Ok(server) = std::env::var("LACRE_TEST_POSTGRES") else {
            skipped::skip(
                "no account was kept in PostgreSQL",
                "set LACRE_TEST_POSTGRES, or run .ci/with-postgres make test",
            );
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let schema = format!("lacre_test_{}_{number}", std::process::id());
        let fresh = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        run(&server, &fresh).await;
        let glue = if server.contains('?') { '&' } else { '?' };
        Some(Self {
            url: format!("{server}{glue}options=-c%20search_path%3D{schema}"),
            clock: Arc::new(FixedClock::at(1_000)),
            dir: None,
            schema: Some((server, schema)),
        })
    }

    pub(super) async fn end(&self) {
        if let Some((server, schema)) = &self.schema {
            run(server, &format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }

    /// Opens the accounts with the cheapest hashes there are.
    pub(super) async fn open(&self) -> Accounts {
        self.try_open(cheap()).await.unwrap()
    }

    pub(super) async fn try_open(
        &self,
        hashing: HashingSettings,
    ) -> Result<Accounts, AccountsError> {
        let clock = Arc::clone(&self.clock);
        let random = Box::new(UnwrapErr(SysRng));
        Accounts::open(&self.url, hashing, clock, random).await
    }

    /// Does to the database what this program wouldn't.
    pub(super) async fn meddle(&self, sql: &str) {
        run(&self.url, sql).await;
    }
}

async fn run(url: &str, sql: &str) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    connection
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap();
    connection.close().await.unwrap();
}

pub(super) fn cheap() -> HashingSettings {
    HashingSettings {
        memory_kib: 16,
        iterations: 1,
        lanes: 1,
        threads: 1,
        queue: 64,
        queue_per_address: 64,
    }
}

pub(super) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(super) fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

pub(super) fn presented(text: &str) -> PresentedPassword {
    PresentedPassword::parse(text).unwrap()
}

impl Accounts {
    /// An account with a password.
    pub(super) async fn sign_up(&self, address: &str, secret: &str) -> Account {
        let mut new = NewAccount::with_email(email(address));
        new.password = Some(password(secret));
        self.create(new).await.unwrap()
    }

    pub(super) async fn log_in(&self, name: &str, secret: &str) -> Result<Account, AccountsError> {
        let named = self.look_up(&LoginName::parse(name)).await?;
        self.authenticate(named, presented(secret)).await
    }
}
