//! Accounts and clients as they were read last, for as long as nothing was committed since.
//!
//! What is said of a row here is what the database would say at that moment: a commit of anybody's, of whatever
//! row, and it is asked again ([0062](../../../docs/decisions/0062-remembered-rows.md)).
//!
//! This room must never answer by a row without a look at the commits, and never keep a password's hash.

use std::hash::Hash;
use std::path::Path;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use tokio::sync::Mutex;

use super::commits::{Commits, Moment};
use super::row::Found;
use crate::accounts::client::{Client, ClientId, Fingerprint};
use crate::accounts::identity::UserId;

/// The most bytes of accounts, and of clients.
const ACCOUNTS: u64 = 8 << 20;
const CLIENTS: u64 = 1 << 20;
/// What a row takes besides its texts, and with them, to size the tables by.
const PLACE: usize = 512;
const ORDINARY: usize = 640;

/// A row, and when the database was asked for it.
#[derive(Clone)]
struct Row<T> {
    asked: Moment,
    bytes: usize,
    found: T,
}

#[derive(Clone)]
struct BySize;

impl<K, T> Weighter<K, Row<T>> for BySize {
    fn weight(&self, _: &K, row: &Row<T>) -> u64 {
        row.bytes as u64
    }
}

/// Rows of one table by their ids.
struct Rows<K, T>(Cache<K, Row<T>, BySize>);

impl<K: Eq + Hash + Clone, T: Clone> Rows<K, T> {
    fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(bytes).unwrap_or(usize::MAX) / ORDINARY)
            .weight_capacity(bytes)
            .build();
        let hasher = DefaultHashBuilder::default();
        Self(match options {
            Ok(options) => Cache::with_options(
                options,
                BySize,
                hasher,
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with(
                1,
                0,
                BySize,
                hasher,
                quick_cache::sync::DefaultLifecycle::default(),
            ),
        })
    }

    fn get(&self, id: &K, now: Moment) -> Option<T> {
        let row = self.0.get(id)?;
        (row.asked == now).then_some(row.found)
    }
}

/// What was read of a database of `SQLite`.
pub(super) struct Remembered {
    commits: Commits,
    /// Keeps the index of the log where it is.
    connection: Mutex<Option<AnyConnection>>,
    accounts: Rows<UserId, Found>,
    clients: Rows<ClientId, (Client, Fingerprint)>,
}

impl Remembered {
    /// Of the database at this path; `None` where commits can't be told.
    pub(super) async fn of(database: &Path, url: &str) -> Result<Option<Self>, sqlx::Error> {
        let mut connection = AnyConnection::connect(url).await?;
        let mode = connection.fetch_one("PRAGMA journal_mode").await?;
        let is_wal = mode.try_get::<String, _>(0)? == "wal";
        connection
            .fetch_optional("SELECT id FROM clients LIMIT 1")
            .await?;
        let commits = Commits::of(database).filter(|_| is_wal);
        let remembered = commits.map(|commits| Self {
            commits,
            connection: Mutex::new(Some(connection)),
            accounts: Rows::new(ACCOUNTS),
            clients: Rows::new(CLIENTS),
        });
        if remembered.is_none() {
            log::info!(
                "the accounts are read anew for each request: this file system doesn't tell of commits"
            );
        }
        Ok(remembered)
    }

    /// To be asked before the database is: what it says then isn't older.
    pub(super) fn now(&self) -> Option<Moment> {
        self.commits.now()
    }

    pub(super) fn account(&self, id: &UserId, now: Moment) -> Option<Found> {
        self.accounts.get(id, now)
    }

    pub(super) fn keep_account(&self, asked: Moment, found: &Found) {
        let account = &found.account;
        let lists = account.roles.iter().chain(&account.permissions);
        let lists: usize = lists.map(|word| word.len() + size_of::<String>()).sum();
        let name = account.name.as_ref().map_or(0, String::len);
        let texts = 2 * account.id.as_str().len() + 2 * account.email.as_str().len() + name;
        let row = Row {
            asked,
            bytes: PLACE + lists + texts,
            found: found.clone(),
        };
        self.accounts.0.insert(account.id.clone(), row);
    }

    pub(super) fn client(&self, id: &ClientId, now: Moment) -> Option<(Client, Fingerprint)> {
        self.clients.get(id, now)
    }

    pub(super) fn keep_client(&self, asked: Moment, found: &(Client, Fingerprint)) {
        let client = &found.0;
        let services = client.services.iter();
        let services: usize = services.map(|name| name.len() + size_of::<String>()).sum();
        let row = Row {
            asked,
            bytes: PLACE + 2 * client.id.as_str().len() + client.name.len() + services,
            found: found.clone(),
        };
        self.clients.0.insert(client.id.clone(), row);
    }

    /// Answers nothing any more, and closes its connection.
    pub(super) async fn close(&self) {
        self.commits.end();
        self.accounts.0.clear();
        self.clients.0.clear();
        if let Some(connection) = self.connection.lock().await.take() {
            let _ = connection.close().await;
        }
    }
}
