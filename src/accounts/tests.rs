//! What accounts promise, checked on every engine: `SQLite` always, `PostgreSQL` where
//! `LACRE_TEST_POSTGRES` holds the URL of a server that may be filled with schemas.

mod changing;
mod clients;
mod credentials;
mod engine;
mod lasting;
mod listing;
mod owing;

use engine::{Engine, email, on_every_engine, password, presented};

use super::*;

/// Changes that owe nothing, as these tests make most of theirs.
impl Accounts {
    async fn update(&self, id: &UserId, change: Change) -> Result<Account, AccountsError> {
        let changed = self.change(id, change, None, None).await;
        changed.map(|(account, owed)| {
            assert_eq!(owed, None);
            account
        })
    }

    async fn set_password(&self, id: &UserId, new: Password) -> Result<Account, AccountsError> {
        let changed = self.change(id, Change::default(), Some(new), None).await;
        changed.map(|(account, _)| account)
    }

    /// Pays at once.
    async fn remove(&self, id: &UserId) -> Result<bool, AccountsError> {
        let owes = Owes {
            keystore: "a".to_owned(),
            reach: Reach::All,
        };
        let (deleted, debt) = self.delete(id, owes).await?;
        self.paid(&debt).await?;
        Ok(deleted)
    }
}
