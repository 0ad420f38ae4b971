//! Whether a server keeps what it says.
//!
//! This room must never change a setting.

use sqlx::PgExecutor;

use super::link::failed;
use crate::error::KeystoreError;

/// The first version that has what the store needs.
const FIRST_VERSION: i32 = 130_000;

/// What a server doesn't keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// `fsync` is off: a power cut takes answered changes back.
    NotDurable,
    /// `full_page_writes` is off: a power cut may damage pages.
    TornPages,
    /// The version is below 13.
    TooOld,
    /// No synchronous standby: the promotion of a standby takes answered changes back.
    NoSynchronousStandby,
}

impl Weakness {
    /// Whether a service must not start on such a server.
    #[must_use]
    pub fn forbids_serving(self) -> bool {
        !matches!(self, Self::NoSynchronousStandby)
    }

    /// What is wrong, and what to change.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotDurable => {
                "fsync is off: a power cut would bring ended sessions back; set fsync = on"
            }
            Self::TornPages => {
                "full_page_writes is off: a power cut may damage pages; set full_page_writes = on"
            }
            Self::TooOld => "the server's version is below 13",
            Self::NoSynchronousStandby => {
                "synchronous_standby_names is empty: ended sessions may come back when a standby is promoted"
            }
        }
    }
}

pub(super) async fn weaknesses<'c>(
    server: impl PgExecutor<'c>,
) -> Result<Vec<Weakness>, KeystoreError> {
    let (fsync, pages, version, standby): (bool, bool, i32, bool) = sqlx::query_as(
        "SELECT current_setting('fsync')::bool, current_setting('full_page_writes')::bool, \
         current_setting('server_version_num')::int, current_setting('synchronous_standby_names') <> ''",
    )
    .fetch_one(server)
    .await
    .map_err(|error| failed(&error))?;
    let all = [
        (!fsync, Weakness::NotDurable),
        (!pages, Weakness::TornPages),
        (version < FIRST_VERSION, Weakness::TooOld),
        (!standby, Weakness::NoSynchronousStandby),
    ];
    Ok(all
        .into_iter()
        .filter_map(|(found, weakness)| found.then_some(weakness))
        .collect())
}
