//! What accounts promise, checked on every engine: `SQLite` always, `PostgreSQL` where
//! `LACRE_TEST_POSTGRES` holds the URL of a server that may be filled with schemas.

mod authority;
mod changing;
mod clients;
mod copying;
mod credentials;
mod engine;
mod held;
mod importing;
mod lasting;
mod links;
mod listing;
mod outbox;
mod owning;
mod remembered;
mod workers;

use engine::{Engine, email, on_every_engine, password, presented};

use super::*;

/// Changes that end nothing, as these tests make most of theirs.
impl Accounts {
    async fn update(&self, id: &UserId, change: Change) -> Result<Account, AccountsError> {
        let changed = self.change(id, change, None, None).await;
        changed.map(|(account, row)| {
            assert_eq!(row, None);
            account
        })
    }

    async fn set_password(&self, id: &UserId, new: Password) -> Result<Account, AccountsError> {
        let changed = self.change(id, Change::default(), Some(new), None).await;
        changed.map(|(account, _)| account)
    }

    /// Pays at once.
    async fn remove(&self, id: &UserId) -> Result<bool, AccountsError> {
        let ends = Ends {
            keystore: "a".to_owned(),
            reach: Reach::All,
        };
        let (deleted, row) = self.delete(id, ends).await?;
        self.delivered(&row).await?;
        Ok(deleted)
    }
}
