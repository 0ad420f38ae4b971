//! A look at a database before anything of it is changed: its schema, and whose accounts it has.
//!
//! This room must never write, and never make a database where there is none.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use tokio::time::timeout;

use super::super::error::{AccountsError, invalid};
use super::super::owner::Owner;
use super::{QUERY_TIMEOUT, wal, within_timeout};

/// What stands in the table of the deployments until one has claimed the database: no deployment has so
/// short a name.
pub(super) const UNCLAIMED: &str = "unclaimed";

/// Where the steps done are written down; not sqlx's own name for it, which another program in the
/// same `PostgreSQL` database may use.
pub(super) const STEPS_DONE: &str = "lacre_schema";
/// Whose accounts they are, by the name of each deployment.
const DEPLOYMENTS: &str = "lacre_deployments";
const ACCOUNTS: &str = "accounts";

pub(super) const SQLITE_TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";
pub(super) const POSTGRES_TABLES: &str = "SELECT CAST(table_name AS TEXT) \
     FROM information_schema.tables WHERE table_schema = current_schema()";

/// What was found in a database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The schema's version, 0 where there is none.
    pub(super) schema: i64,
    has_accounts: bool,
    /// Those that have claimed the accounts; `None` in a schema that has no room for it.
    deployments: Option<Vec<String>>,
}

impl Seen {
    /// What is in the database at this URL, whose tables are listed by a question of its kind.
    pub(super) async fn in_database(
        url: &str,
        tables: &'static str,
    ) -> Result<Self, AccountsError> {
        let connecting = timeout(QUERY_TIMEOUT, AnyConnection::connect(url)).await;
        let mut connection = connecting
            .map_err(|_| sqlx::Error::PoolTimedOut)
            .flatten()
            .map_err(|error| at_start(&error))?;
        let seen = within_timeout(Self::ask(&mut connection, tables)).await?;
        within_timeout(connection.close()).await?;
        Ok(seen)
    }

    /// The same for a file, which `SQLite` doesn't get to see where it is empty: it would take a journal
    /// beside it for a stranger's and remove it.
    pub(super) async fn in_file(path: &Path, url: &str) -> Result<Self, AccountsError> {
        match path.metadata() {
            Ok(about) if about.len() > 0 => {}
            Ok(_) => return Ok(Self::default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(at_start(&sqlx::Error::Io(error))),
        }
        // Before `SQLite` opens it, which would have its index say what is left as if it were all.
        wal::has_all(path)?;
        // Read-only, so that a database of a newer version stays as it is to the last byte. Without a
        // journal nobody is writing, and none has to be made for reading.
        let mut journal = OsString::from(path);
        journal.push("-wal");
        let how = if Path::new(&journal).exists() {
            "mode=ro"
        } else {
            "mode=ro&immutable=true"
        };
        Self::in_database(&format!("{url}?{how}"), SQLITE_TABLES).await
    }

    async fn ask(
        connection: &mut AnyConnection,
        tables: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let tables = strings(connection, tables).await?;
        let has = |wanted: &str| tables.iter().any(|table| table == wanted);
        let mut seen = Self {
            has_accounts: has(ACCOUNTS),
            ..Self::default()
        };
        if has(STEPS_DONE) {
            let newest = "SELECT COALESCE(MAX(version), 0) FROM lacre_schema";
            seen.schema = connection.fetch_one(newest).await?.try_get(0)?;
        }
        if has(DEPLOYMENTS) {
            let names = "SELECT name FROM lacre_deployments";
            seen.deployments = Some(strings(connection, names).await?);
        }
        Ok(seen)
    }

    /// Whose the accounts are, to the deployment of this name; `from` is the schema that first had room
    /// for names.
    pub(super) fn owner(&self, deployment: &str, from: i64) -> Owner {
        let claimed_by = |name: &str| {
            let names = self.deployments.iter().flatten();
            names.map(String::as_str).any(|known| known == name)
        };
        if self.schema == 0 || !self.has_accounts {
            return Owner::NoAccounts;
        }
        match &self.deployments {
            None if self.schema < from => Owner::Nobody,
            Some(names) if !names.is_empty() => {
                if claimed_by(deployment) {
                    Owner::Ours
                } else if claimed_by(UNCLAIMED) {
                    Owner::Nobody
                } else {
                    Owner::Another
                }
            }
            // Somebody has emptied or removed the table.
            _ => Owner::NoAccounts,
        }
    }
}

async fn strings(
    connection: &mut AnyConnection,
    question: &'static str,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = connection.fetch_all(question).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Nobody but the operator is there to read while the program starts, so the log may say it all.
pub(super) fn at_start(error: &sqlx::Error) -> AccountsError {
    log::error!("the accounts can't be opened: {error}");
    match error {
        sqlx::Error::Configuration(_) => invalid("accounts.url", "is no usable database URL"),
        _ => AccountsError::AccountsUnavailable,
    }
}
