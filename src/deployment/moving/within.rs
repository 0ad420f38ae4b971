//! A database as either side of a move between it and Redis: everything but the records stays in it, so it is never left.
//!
//! This room must never let the records in the database be used while nodes go by those on Redis.

use super::database::{held, records};
use super::error::MoveError;
use super::sides::{Arriving, Gone, Leaving, Step};
use crate::deployment::shared::on_redis;
use lacre_keystore::PostgresMove;
use lacre_keystore::moving::{Destination, Origin};

/// The records of a database in which the rest stays.
pub(super) struct Within<'d>(pub(super) &'d PostgresMove);

impl Leaving for Within<'_> {
    fn origin(&self) -> &dyn Origin {
        self.0
    }

    fn records(&self) -> Step<'_, u64> {
        records(self.0)
    }

    fn hold(&self, hold: bool) -> Step<'_, ()> {
        held(self.0, hold)
    }

    /// It stays.
    fn keyring(&self) -> Step<'_, Vec<u8>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn leave<'a>(&'a self, id: &'a str, _to: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let left = self.0.leave_for(&on_redis(id)).await;
            left.map_err(MoveError::source)
        })
    }

    fn again<'a>(&'a self, id: &'a str) -> Step<'a, Gone> {
        Box::pin(async move {
            self.0.again().await.map_err(MoveError::source)?;
            let elsewhere = self.0.elsewhere().await.map_err(MoveError::source)?;
            Ok(if elsewhere == Some(on_redis(id)) {
                Gone::Wholly
            } else {
                Gone::No
            })
        })
    }
}

impl Arriving for Within<'_> {
    fn begin<'a>(&'a self, id: &'a str, _deployment: &'a str) -> Step<'a, String> {
        Box::pin(async move {
            self.0.begin_within().await.map_err(MoveError::target)?;
            Ok(id.to_owned())
        })
    }

    fn destination(&self) -> &dyn Destination {
        self.0
    }

    fn furnish<'a>(&'a self, _keyring: &'a [u8]) -> Step<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn ready<'a>(&'a self, _id: &'a str) -> Step<'a, bool> {
        Box::pin(async move {
            self.0.ready_within().await.map_err(MoveError::target)?;
            Ok(true)
        })
    }

    fn again(&self) -> Step<'_, ()> {
        Box::pin(async move { self.0.again().await.map_err(MoveError::target) })
    }
}
