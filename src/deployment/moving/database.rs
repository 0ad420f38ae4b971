//! A database as either side of a move.
//!
//! This room must never leave a database while a process may still go by it.

use super::error::MoveError;
use super::sides::{Arriving, Leaving, Step};
use lacre_keystore::PostgresMove;
use lacre_keystore::moving::{Destination, Origin};

/// A database.
pub(super) struct Database(pub(super) PostgresMove);

impl Leaving for Database {
    fn origin(&self) -> &dyn Origin {
        &self.0
    }

    fn records(&self) -> Step<'_, u64> {
        Box::pin(async move { self.0.records().await.map_err(MoveError::source) })
    }

    fn hold(&self, hold: bool) -> Step<'_, ()> {
        Box::pin(async move {
            let done = if hold {
                self.0.hold().await
            } else {
                self.0.release().await
            };
            done.map_err(MoveError::source)
        })
    }

    fn keyring(&self) -> Step<'_, Vec<u8>> {
        Box::pin(async move {
            let common = self.0.common().await.map_err(MoveError::source)?;
            Ok(common.ok_or(MoveError::Nothing)?.sealed)
        })
    }

    fn leave<'a>(&'a self, id: &'a str, to: &'a str) -> Step<'a, ()> {
        Box::pin(async move { self.0.leave(id, to).await.map_err(MoveError::source) })
    }
}

impl Arriving for Database {
    fn begin<'a>(&'a self, id: &'a str, deployment: &'a str) -> Step<'a, String> {
        Box::pin(async move {
            let begun = self.0.begin(id, deployment).await;
            begun
                .map_err(MoveError::target)?
                .ok_or_else(|| MoveError::Used("the database that --to names".to_owned()))
        })
    }

    fn destination(&self) -> &dyn Destination {
        &self.0
    }

    fn furnish<'a>(&'a self, keyring: &'a [u8]) -> Step<'a, ()> {
        Box::pin(async move { self.0.furnish(keyring).await.map_err(MoveError::target) })
    }

    fn ready<'a>(&'a self, id: &'a str) -> Step<'a, bool> {
        Box::pin(async move { self.0.ready(id, None).await.map_err(MoveError::target) })
    }
}
