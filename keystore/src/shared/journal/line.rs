//! The connection that writes, and another one after each failure: the server that answered may not be the one that leads
//! any more.
//!
//! This room must never use a connection again on which something failed or is under way.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::statement::Statement;
use crate::error::KeystoreError;
use crate::shared::postgres::link::{Link, failed};

/// How long one write is waited for.
pub(in crate::shared) const PATIENCE: Duration = Duration::from_millis(800);

/// For how long somebody listens for what has become of a write that isn't waited for any more: the server gives it up
/// before.
const LISTENING: Duration = Duration::from_secs(10);

/// The connection that writes.
pub(super) struct Line {
    link: Link,
    connection: Option<PgConnection>,
}

/// Why a write isn't known to be made.
pub(super) enum Failure {
    /// It wasn't asked for: the database can't be reached.
    Unreached(KeystoreError),
    /// The database has refused it.
    Refused(KeystoreError),
    /// The connection broke, and nobody knows.
    Broken(KeystoreError),
    /// It isn't answered in time. It is under way, and may be made.
    Late(UnderWay),
}

/// A write that isn't waited for any more.
pub(super) struct UnderWay(JoinHandle<Result<(i64, PgConnection), Failure>>);

impl UnderWay {
    /// What it answers with, where it is made all the same.
    pub(super) async fn made(self) -> Option<i64> {
        let (answer, _) = self.0.await.ok()?.ok()?;
        Some(answer)
    }
}

pub(super) fn late() -> KeystoreError {
    KeystoreError::unavailable("the database of the journal of ends doesn't answer in time")
}

impl Line {
    pub(super) fn to(link: Link) -> Self {
        Self {
            link,
            connection: None,
        }
    }

    /// Makes a write, once more where the connection had broken before it.
    pub(super) async fn make(&mut self, statement: Statement) -> Result<i64, Failure> {
        let (until, statement) = (Instant::now() + PATIENCE, Arc::new(statement));
        let had_one = self.connection.is_some();
        match self.once(&statement, until).await {
            Err(Failure::Broken(_)) if had_one && statement.may_be_repeated() => {
                self.once(&statement, until).await
            }
            made => made,
        }
    }

    async fn once(&mut self, statement: &Arc<Statement>, until: Instant) -> Result<i64, Failure> {
        let with = (self.connection.take(), self.link.clone());
        // A task of its own: what becomes of it is heard also where it is late.
        let mut making = tokio::spawn(making(with, Arc::clone(statement), until));
        match timeout_at(until, &mut making).await {
            Ok(Ok(Ok((answer, connection)))) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Ok(Ok(Err(failure))) => Err(failure),
            Ok(Err(ended)) => Err(Failure::Broken(KeystoreError::unavailable(
                ended.to_string(),
            ))),
            Err(_) => Err(Failure::Late(UnderWay(making))),
        }
    }
}

async fn making(
    (connection, link): (Option<PgConnection>, Link),
    statement: Arc<Statement>,
    until: Instant,
) -> Result<(i64, PgConnection), Failure> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => link.connect().await.map_err(Failure::Unreached)?,
    };
    if Instant::now() >= until {
        return Err(Failure::Unreached(late()));
    }
    match timeout(LISTENING, statement.make(&mut connection)).await {
        Ok(Ok(answer)) => Ok((answer, connection)),
        Ok(Err(error)) if error.as_database_error().is_none() => {
            Err(Failure::Broken(failed(&error)))
        }
        Ok(Err(error)) => Err(Failure::Refused(failed(&error))),
        Err(_) => Err(Failure::Broken(late())),
    }
}
