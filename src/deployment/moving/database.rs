//! A database as either side of a move.
//!
//! This room must never leave a database while a process may still go by it.

use super::error::MoveError;
use super::sides::{Arriving, Gone, Leaving, Step};
use lacre_keystore::moving::{Destination, Origin};
use lacre_keystore::{Moved, PostgresMove};

/// A database.
pub(super) struct Database(pub(super) PostgresMove);

/// Whether a store says that the records have left it by the move `id`.
pub(super) fn is_left(moved: Option<&Moved>, id: &str) -> bool {
    matches!(moved, Some(Moved::Left { id: left, .. }) if left == id)
}

/// How many records there are in a database that is left.
pub(super) fn records(database: &PostgresMove) -> Step<'_, u64> {
    Box::pin(async move { database.records().await.map_err(MoveError::source) })
}

/// Has a database that is left take no more changes, or take them again.
pub(super) fn held(database: &PostgresMove, hold: bool) -> Step<'_, ()> {
    Box::pin(async move {
        let done = if hold {
            database.hold().await
        } else {
            database.release().await
        };
        done.map_err(MoveError::source)
    })
}

impl Leaving for Database {
    fn origin(&self) -> &dyn Origin {
        &self.0
    }

    fn records(&self) -> Step<'_, u64> {
        records(&self.0)
    }

    fn hold(&self, hold: bool) -> Step<'_, ()> {
        held(&self.0, hold)
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

    fn again<'a>(&'a self, id: &'a str) -> Step<'a, Gone> {
        Box::pin(async move {
            self.0.again().await.map_err(MoveError::source)?;
            let moved = self.0.moved().await.map_err(MoveError::source)?;
            Ok(if is_left(moved.as_ref(), id) {
                Gone::Wholly
            } else {
                Gone::No
            })
        })
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

    fn again(&self) -> Step<'_, ()> {
        Box::pin(async move { self.0.again().await.map_err(MoveError::target) })
    }
}
