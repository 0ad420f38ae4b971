//! Servers of Redis as either side of a move. The rest of the deployment is in a database: it comes along, or stays there.
//!
//! This room must never let the records on Redis be used before the database says that they are there.

use super::database::is_left;
use super::error::MoveError;
use super::sides::{Arriving, Gone, Leaving, Step};
use super::target::Target;
use crate::deployment::shared::on_redis;
use lacre_keystore::moving::{Destination, Origin};
use lacre_keystore::{Journal, Moved, PostgresMove, RedisMove, redis_look};
use std::time::Duration;

/// Servers that records leave.
pub(super) struct Departures<'d> {
    pub(super) records: RedisMove,
    pub(super) rest: &'d PostgresMove,
    /// Whether the rest stays in the database.
    pub(super) rest_stays: bool,
    /// The ends that servers may have lost which take the place of others.
    pub(super) journal: Journal,
}

impl Leaving for Departures<'_> {
    fn origin(&self) -> &dyn Origin {
        &self.records
    }

    fn records(&self) -> Step<'_, u64> {
        Box::pin(async move { self.records.records().await.map_err(MoveError::source) })
    }

    fn hold(&self, hold: bool) -> Step<'_, ()> {
        Box::pin(async move {
            if hold {
                return self.records.hold().await.map_err(MoveError::source);
            }
            // Whatever becomes of the one, the other is given free.
            let rest = if self.rest_stays {
                Ok(())
            } else {
                self.rest.release().await
            };
            self.records
                .release()
                .await
                .and(rest)
                .map_err(MoveError::source)
        })
    }

    fn keyring(&self) -> Step<'_, Vec<u8>> {
        Box::pin(async move {
            if !self.rest_stays {
                self.rest.hold().await.map_err(MoveError::source)?;
            }
            let common = self.rest.common().await.map_err(MoveError::source)?;
            Ok(common.ok_or(MoveError::Nothing)?.sealed)
        })
    }

    /// The servers first: of those that are left by now and a database that isn't, the move is gone on with.
    fn leave<'a>(&'a self, id: &'a str, to: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let moved = self.records.moved().await.map_err(MoveError::source)?;
            if !is_left(moved.as_ref(), id) {
                let left = self.records.leave(id, to).await;
                if !left.map_err(MoveError::source)? {
                    return Err(MoveError::HoldOver);
                }
            }
            if self.rest_stays {
                return Ok(());
            }
            self.rest.leave(id, to).await.map_err(MoveError::source)
        })
    }

    fn again<'a>(&'a self, id: &'a str) -> Step<'a, Gone> {
        Box::pin(async move {
            self.rest.again().await.map_err(MoveError::source)?;
            self.records.again().await.map_err(MoveError::source)?;
            let moved = self.records.moved().await.map_err(MoveError::source)?;
            if !is_left(moved.as_ref(), id) {
                let prepared = self.records.prepare(&self.journal).await;
                prepared.map_err(MoveError::source)?;
                return Ok(Gone::No);
            }
            let rest = self.rest.moved().await.map_err(MoveError::source)?;
            if self.rest_stays || is_left(rest.as_ref(), id) {
                return Ok(Gone::Wholly);
            }
            Ok(Gone::Partly)
        })
    }
}

/// Where the rest of a deployment is whose records come to Redis.
enum Rest<'d> {
    /// It comes along into this database.
    Comes(Box<PostgresMove>),
    /// It is there, and stays.
    Stays(&'d PostgresMove),
}

/// Servers that records come to.
pub(super) struct Arrivals<'d> {
    records: RedisMove,
    rest: Rest<'d>,
    lease: Duration,
}

impl<'d> Arrivals<'d> {
    /// Fails where the servers of this URL can't be arrived at. Nothing is changed.
    pub(super) async fn check(
        url: &str,
        deployment: &str,
        target: &Target,
    ) -> Result<(), MoveError> {
        let looked = redis_look(url).await.map_err(MoveError::target)?;
        let weak = looked.weaknesses.iter();
        if let Some(weakness) = weak.clone().find(|weakness| weakness.forbids_serving()) {
            return Err(MoveError::Weak(weakness.advice()));
        }
        match looked.moved {
            Some(Moved::Coming { about, .. }) if about == deployment => Ok(()),
            Some(Moved::Left { .. }) => Ok(()),
            None if looked.deployment.is_none() => Ok(()),
            _ => Err(MoveError::Used(target.to_string())),
        }
    }

    /// With the rest in a database that it comes to.
    pub(super) async fn new(
        url: &str,
        id: &str,
        (rest, lease): (PostgresMove, Duration),
    ) -> Result<Self, MoveError> {
        let records = RedisMove::open(url, id).await.map_err(MoveError::target)?;
        let rest = Rest::Comes(Box::new(rest));
        Ok(Self {
            records,
            rest,
            lease,
        })
    }

    /// With the rest in the database that the records leave.
    pub(super) async fn beside(
        url: &str,
        id: &str,
        (rest, lease): (&'d PostgresMove, Duration),
    ) -> Result<Self, MoveError> {
        let records = RedisMove::open(url, id).await.map_err(MoveError::target)?;
        let rest = Rest::Stays(rest);
        Ok(Self {
            records,
            rest,
            lease,
        })
    }
}

impl Arriving for Arrivals<'_> {
    fn begin<'a>(&'a self, id: &'a str, deployment: &'a str) -> Step<'a, String> {
        Box::pin(async move {
            let used =
                || MoveError::Used("what --to names, or the database of the accounts,".to_owned());
            let (id, database) = match &self.rest {
                Rest::Comes(rest) => {
                    let begun = rest.begin(id, deployment).await;
                    (begun.map_err(MoveError::target)?.ok_or_else(used)?, &**rest)
                }
                Rest::Stays(rest) => (id.to_owned(), *rest),
            };
            // Ends of an earlier time on Redis don't count against what comes now.
            let journalled = database.journalled().await.map_err(MoveError::target)?;
            let begun = self
                .records
                .begin((&id, deployment), self.lease, journalled)
                .await;
            if begun.map_err(MoveError::target)? {
                return Ok(id);
            }
            Err(used())
        })
    }

    fn destination(&self) -> &dyn Destination {
        &self.records
    }

    fn furnish<'a>(&'a self, keyring: &'a [u8]) -> Step<'a, ()> {
        Box::pin(async move {
            if let Rest::Comes(rest) = &self.rest {
                rest.furnish(keyring).await.map_err(MoveError::target)?;
            }
            self.records.confirm().await.map_err(MoveError::target)
        })
    }

    fn ready<'a>(&'a self, id: &'a str) -> Step<'a, bool> {
        Box::pin(async move {
            if !self.records.ready(id).await.map_err(MoveError::target)? {
                return Ok(false);
            }
            match &self.rest {
                Rest::Comes(rest) => {
                    let ready = rest.ready(id, Some(&on_redis(id))).await;
                    ready.map_err(MoveError::target)
                }
                Rest::Stays(rest) => {
                    rest.clear().await.map_err(MoveError::target)?;
                    Ok(true)
                }
            }
        })
    }

    fn again(&self) -> Step<'_, ()> {
        Box::pin(async move {
            let rest = match &self.rest {
                Rest::Comes(rest) => &**rest,
                Rest::Stays(rest) => *rest,
            };
            rest.again().await.map_err(MoveError::target)?;
            self.records.again().await.map_err(MoveError::target)
        })
    }
}
