//! The records of a database, read and brought sealed.
//!
//! This room must never change a record outside of a transaction that says that it is of a move.

use sqlx::{Connection as _, Executor as _};

use super::PostgresMove;
use crate::key::RecordKey;
use crate::moving::{Change, Destination, Origin};
use crate::shared::postgres::link::{Told as _, live};
use crate::shared::postgres::named::named;
use crate::store::{Answer, Sealed};

/// Says in a transaction that it is of a move, which may change records that nobody else may.
const MOVES: &str = "SET LOCAL lacre.moving = 'on'";

impl Origin for PostgresMove {
    fn page(&self, after: Option<RecordKey>, limit: usize) -> Answer<'_, Vec<(RecordKey, Sealed)>> {
        Box::pin(async move {
            let mut connection = self.connection().await;
            let after = after.map(|key| key.to_bytes().to_vec());
            let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(concat!(
                "SELECT key, sealed, expires_at FROM keystore_sessions \
                 WHERE key > coalesce($1, ''::bytea) AND ",
                live!(),
                " ORDER BY key LIMIT $2",
            ))
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(connection.get()?)
            .await
            .told()?;
            let sealed = |bytes, expires_at: i64| Sealed {
                bytes,
                expires_at: expires_at.max(0).cast_unsigned(),
            };
            rows.into_iter()
                .map(|(key, bytes, expires_at)| Ok((named(&key)?, sealed(bytes, expires_at))))
                .collect()
        })
    }
}

impl Destination for PostgresMove {
    fn page(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let page = Origin::page(self, after, limit).await?;
            Ok(page
                .into_iter()
                .map(|(key, sealed)| (key, sealed.bytes))
                .collect())
        })
    }

    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.connection().await;
            let mut all = connection.get()?.begin().await.told()?;
            all.execute(MOVES).await.told()?;
            let (mut gone, mut keys, mut sealed, mut expires) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for Change { key, now, .. } in changes {
                let key = key.to_bytes().to_vec();
                match now {
                    Some(now) => {
                        keys.push(key);
                        sealed.push(now.bytes);
                        expires.push(i64::try_from(now.expires_at).unwrap_or(i64::MAX));
                    }
                    None => gone.push(key),
                }
            }
            sqlx::query("DELETE FROM keystore_sessions WHERE key = ANY ($1)")
                .bind(gone)
                .execute(&mut *all)
                .await
                .told()?;
            sqlx::query(
                "INSERT INTO keystore_sessions (key, sealed, expires_at) \
                 SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) \
                 ON CONFLICT (key) DO UPDATE SET sealed = EXCLUDED.sealed, expires_at = EXCLUDED.expires_at, \
                 era = EXCLUDED.era",
            )
            .bind(keys)
            .bind(sealed)
            .bind(expires)
            .execute(&mut *all)
            .await.told()?;
            all.commit().await.told()
        })
    }
}
