//! A look at a database: whether a start on it would go well.
//!
//! This room must never make or change anything.

use sqlx::{Connection as _, PgConnection};

use super::cluster;
use super::link::{Link, failed};
use super::member::Common;
use super::moving::{self, Moved};
use super::schema::Layout;
use super::trust::{self, Weakness};
use crate::error::KeystoreError;

/// A database as it was found.
#[derive(Clone, Debug)]
pub struct LookedAt {
    /// What the server doesn't keep.
    pub weaknesses: Vec<Weakness>,
    /// What all processes go by; nothing where there is no deployment yet.
    pub common: Option<Common>,
    /// Where the records are, when they aren't in this database.
    pub elsewhere: Option<String>,
    /// What a move of records has left here.
    pub moved: Option<Moved>,
    /// The database's time, in microseconds of Unix time.
    pub unix_us: u64,
}

/// Looks at the database of this URL.
///
/// `store_unavailable` where it can't be reached, `store_too_new` where this program is too old for its tables.
pub async fn look(url: &str) -> Result<LookedAt, KeystoreError> {
    let mut connection = Link::of(url)?.connect().await?;
    let looked = within(&mut connection).await;
    let _ = connection.close().await;
    looked
}

async fn within(connection: &mut PgConnection) -> Result<LookedAt, KeystoreError> {
    let weaknesses = trust::weaknesses(&mut *connection).await?;
    let layout = Layout::found(connection).await;
    let (mut common, mut elsewhere) = (None, None);
    if let Some(layout) = layout.map_err(|error| failed(&error))? {
        layout.check()?;
        common = cluster::read(connection).await?;
        if layout.says_elsewhere() {
            elsewhere = cluster::elsewhere(&mut *connection).await?;
        }
    }
    let moved = moving::moved(connection).await?;
    let unix_us: i64 =
        sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            .fetch_one(connection)
            .await
            .map_err(|error| failed(&error))?;
    Ok(LookedAt {
        weaknesses,
        common,
        elsewhere,
        moved,
        unix_us: unix_us.cast_unsigned(),
    })
}
