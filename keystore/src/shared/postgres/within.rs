//! Records that leave a database in which all the rest of the deployment stays, or come back to it.
//!
//! The database says where the records are. Each poll brings that, so that a process that has them somewhere else has no
//! lease; and while they are elsewhere nobody but a move changes the table of records.
//!
//! This room must never let the table of records be used while they are elsewhere.

use sqlx::{Connection as _, Executor as _};

use super::cluster;
use super::length::as_before;
use super::link::Told as _;
use super::moving::{PostgresMove, RECORDS, lease_us, refuse};
use super::parts::wait;
use super::schema::KNOWS_ELSEWHERE;
use crate::error::KeystoreError;

impl PostgresMove {
    /// Where the records of the deployment are, when they aren't in this database.
    pub async fn elsewhere(&self) -> Result<Option<String>, KeystoreError> {
        cluster::elsewhere(self.connection().await.get()?).await
    }

    /// A number greater than those of all ends that were written down in the journal before it was asked for.
    pub async fn journalled(&self) -> Result<u64, KeystoreError> {
        let number: i64 = sqlx::query_scalar("SELECT nextval('keystore_journal_number')")
            .fetch_one(self.connection().await.get()?)
            .await
            .told()?;
        Ok(number.cast_unsigned())
    }

    /// Says that the records are at `place` from now on and not here, after [`hold`](Self::hold), and returns when no
    /// process goes by those that are here.
    pub async fn leave_for(&self, place: &str) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        let lease_us = lease_us(connection).await?;
        sqlx::query("UPDATE keystore_meta SET records = $1, oldest = greatest(oldest, $2)")
            .bind(place)
            .bind(KNOWS_ELSEWHERE)
            .execute(&mut *connection)
            .await
            .told()?;
        refuse(connection, &[RECORDS]).await?;
        connection.execute("COMMIT").await.told()?;
        tokio::time::sleep(wait(lease_us).wait.unwrap_or_default()).await;
        Ok(())
    }

    /// Takes away what is left of records that are elsewhere.
    pub async fn clear(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        if cluster::elsewhere(&mut *connection.get()?).await?.is_none() {
            return Ok(());
        }
        connection
            .get()?
            .execute("TRUNCATE keystore_sessions")
            .await
            .map(drop)
            .told()
    }

    /// Keeps everybody else from changing the table of records while they are brought back to it.
    pub async fn begin_within(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        let mut all = connection.get()?.begin().await.told()?;
        refuse(&mut all, &[RECORDS]).await?;
        all.commit().await.told()
    }

    /// Says that the records are here from now on. Processes that knew something of before begin anew.
    pub async fn ready_within(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        let mut all = connection.get()?.begin().await.told()?;
        for question in [
            concat!("UPDATE keystore_meta SET records = NULL, ", as_before!()),
            "DROP TRIGGER IF EXISTS keystore_left ON keystore_sessions",
            "DELETE FROM keystore_nodes",
        ] {
            all.execute(question).await.told()?;
        }
        all.commit().await.told()
    }
}
