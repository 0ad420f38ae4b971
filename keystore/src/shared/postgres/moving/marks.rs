//! What a move writes into a database, and what refuses everything on one that records have left.
//!
//! This room must never say that nothing was written where it can't be read.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use crate::error::KeystoreError;
use crate::shared::postgres::link::Told as _;

/// The rest of what a move needs: it is made by the first one.
const TABLES: &str = "CREATE TABLE keystore_moves (\
    way text PRIMARY KEY CHECK (way IN ('coming', 'came', 'left')), \
    id text NOT NULL, about text NOT NULL, sealed bytea, at timestamptz NOT NULL DEFAULT clock_timestamp())";

/// What refuses everything on a database that was left. `LM001` is ours alone.
const REFUSING: &str = "CREATE OR REPLACE FUNCTION keystore_left() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN IF current_setting('lacre.moving', true) IS DISTINCT FROM 'on' THEN \
    RAISE EXCEPTION 'the sessions were moved to another store' USING ERRCODE = 'LM001'; END IF; RETURN NULL; END $$";

/// What is refused then: changes of records and keys, and the polls by which processes have their lease.
pub(super) const REFUSED: [&str; 3] = [RECORDS, "keystore_common", "keystore_nodes"];

/// The table of records.
pub(in crate::shared::postgres) const RECORDS: &str = "keystore_sessions";

/// What a move has written into a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Records are being brought here: nobody may use them yet.
    Coming {
        /// The number of the move.
        id: String,
        /// Of what.
        about: String,
    },
    /// Records were brought here, and are used here.
    Came {
        /// The number of the move.
        id: String,
    },
    /// Records were here.
    Left {
        /// The number of the move.
        id: String,
        /// Where they are.
        about: String,
    },
}

/// How long a process may go by what it keeps.
pub(in crate::shared::postgres) async fn lease_us(
    connection: &mut PgConnection,
) -> Result<i64, KeystoreError> {
    sqlx::query_scalar("SELECT lease_us FROM keystore_meta")
        .fetch_one(connection)
        .await
        .told()
}

/// Refuses changes of these tables from the commit on.
pub(in crate::shared::postgres) async fn refuse(
    connection: &mut PgConnection,
    refused: &[&str],
) -> Result<(), KeystoreError> {
    connection.execute(REFUSING).await.told()?;
    for table in refused {
        let before = format!("DROP TRIGGER IF EXISTS keystore_left ON {table}");
        let trigger = format!(
            "CREATE TRIGGER keystore_left BEFORE INSERT OR UPDATE OR DELETE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION keystore_left()"
        );
        for question in [before, trigger] {
            let made = connection
                .execute(sqlx::query(AssertSqlSafe(question)))
                .await;
            made.told()?;
        }
    }
    Ok(())
}

pub(super) async fn tables(connection: &mut PgConnection) -> Result<(), KeystoreError> {
    if !exists(connection, "keystore_moves").await? {
        connection.execute(TABLES).await.told()?;
    }
    Ok(())
}

pub(super) async fn exists(
    connection: &mut PgConnection,
    table: &str,
) -> Result<bool, KeystoreError> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(connection)
        .await
        .told()
}

/// What a move has left in the database of this connection.
pub(in crate::shared::postgres) async fn moved(
    connection: &mut PgConnection,
) -> Result<Option<Moved>, KeystoreError> {
    if !exists(connection, "keystore_moves").await? {
        return Ok(None);
    }
    let row: Option<(String, String, String)> =
        sqlx::query_as("SELECT way, id, about FROM keystore_moves ORDER BY way DESC LIMIT 1")
            .fetch_optional(connection)
            .await
            .told()?;
    Ok(row.map(|(way, id, about)| match way.as_str() {
        "left" => Moved::Left { id, about },
        "coming" => Moved::Coming { id, about },
        _ => Moved::Came { id },
    }))
}
