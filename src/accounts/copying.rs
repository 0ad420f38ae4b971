//! All that a database of accounts has, row by row, for a backup; and put in the place of another's.
//!
//! This room must never leave half of a copy in a database.

use super::Accounts;
use super::copy::{CopiedRow, Replaced, TakenIn};
use super::error::AccountsError;
use super::store::{MirrorKey, Replacement, Store};
use rand::CryptoRng;

pub use super::store::Snapshot;

impl Accounts {
    /// The database as it is at this moment, however long it takes to read.
    pub async fn snapshot(&self) -> Result<Snapshot, AccountsError> {
        self.inner.store.snapshot().await
    }

    /// As [`snapshot`](Self::snapshot), and nothing is changed until it is dropped. Of a `SQLite` database, which has
    /// one writer.
    pub async fn held(&self) -> Result<Snapshot, AccountsError> {
        self.inner.store.held().await
    }

    /// As [`take_copy`](Self::take_copy), row by row from another database.
    pub async fn take_from(
        url: &str,
        into: TakenIn<'_>,
        random: &mut (dyn CryptoRng + Send),
        from: &mut Snapshot,
    ) -> Result<Replaced, AccountsError> {
        let store = Store::open(url, MirrorKey::generate(random)).await?;
        let replacement: Result<Replacement, _> = store.replacement().await;
        let replaced = match replacement {
            Ok(replacement) => replacement.take_from(into, from).await,
            Err(error) => Err(error),
        };
        store.close().await;
        replaced
    }

    /// Makes the database at `url` have the rows of a copy, and no others: all of it or nothing. Its
    /// schema is made, or brought up to date, before.
    ///
    /// An account that is disabled there stays disabled. What the change of an account ends, the outbox
    /// has to be delivered for: sessions of accounts that are gone, closed, or whose password is another,
    /// and the access tokens of those whose rights are others.
    pub async fn take_copy<E: From<AccountsError>>(
        url: &str,
        into: TakenIn<'_>,
        random: &mut (dyn CryptoRng + Send),
        rows: impl FnMut() -> Result<Option<CopiedRow>, E>,
    ) -> Result<Replaced, E> {
        let store = Store::open(url, MirrorKey::generate(random)).await?;
        let replacement: Result<Replacement, _> = store.replacement().await;
        let replaced = match replacement {
            Ok(replacement) => replacement.take(into, rows).await,
            Err(error) => Err(error.into()),
        };
        store.close().await;
        replaced
    }
}
