//! Opening the database: the file and its mode, the pools, the schema.
//!
//! This room must never touch a database that a newer version of this program wrote.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, Executor as _, SqlSafeStr as _};

use super::super::error::{AccountsError, invalid};
use super::super::owner::Owner;
use super::file::DatabaseFile;
use super::io::Io;
use super::remembered::Remembered;
use super::seen::{POSTGRES_TABLES, STEPS_DONE, Seen, at_start};
use super::{MirrorKey, Outdated, QUERY_TIMEOUT, Store};

/// Says, once somebody knows, of a connection of this age whether it leads to a server that another one has taken the
/// place of.
pub(super) type UntilOutdated = Arc<OnceLock<Outdated>>;

const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;

/// How long a connection to a server may take to answer that it is one, and a question about one row: a request is
/// answered within a second where the server is away.
const POSTGRES_PATIENCE: Duration = Duration::from_millis(800);

/// WAL: readers never wait for the writer. FULL: what is answered survives a power cut.
const SQLITE_WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 3000;";

/// The same, and a reader that would write by mistake is refused.
const SQLITE_READER: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
     PRAGMA busy_timeout = 3000; PRAGMA query_only = ON;";

/// As long as `SQLite` waits for another writer: well below [`QUERY_TIMEOUT`].
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '3s'";

/// A write that changes nothing takes the one lock of a writer before anything is read.
const SQLITE_ALONE: &str = "UPDATE accounts SET revision = revision WHERE id = ''";

/// The first question of such a transaction is the moment.
const SQLITE_SNAPSHOT: &str = "BEGIN DEFERRED";

const POSTGRES_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A lock of our own, for the length of a transaction.
const POSTGRES_ALONE: &str = "SELECT 1 FROM pg_advisory_xact_lock(4993435208401347)";

/// The schema, one step a file. A step that was ever released is never edited.
const SQLITE_STEPS: [(&str, &str); 6] = [
    (
        "accounts",
        include_str!("../migrations/sqlite/0001_accounts.sql"),
    ),
    (
        "owed ends",
        include_str!("../migrations/sqlite/0002_owed_ends.sql"),
    ),
    (
        "mirror",
        include_str!("../migrations/sqlite/0003_mirror.sql"),
    ),
    (
        "deployments",
        include_str!("../migrations/sqlite/0004_deployments.sql"),
    ),
    ("links", include_str!("../migrations/sqlite/0005_links.sql")),
    (
        "own users",
        include_str!("../migrations/sqlite/0006_own_users.sql"),
    ),
];
const POSTGRES_STEPS: [(&str, &str); 7] = [
    (
        "accounts",
        include_str!("../migrations/postgres/0001_accounts.sql"),
    ),
    (
        "owed ends",
        include_str!("../migrations/postgres/0002_owed_ends.sql"),
    ),
    (
        "mirror",
        include_str!("../migrations/postgres/0003_mirror.sql"),
    ),
    (
        "deployments",
        include_str!("../migrations/postgres/0004_deployments.sql"),
    ),
    (
        "links",
        include_str!("../migrations/postgres/0005_links.sql"),
    ),
    (
        "own users",
        include_str!("../migrations/postgres/0006_own_users.sql"),
    ),
    // For several nodes: one on a file counts by itself.
    (
        "attempts",
        include_str!("../migrations/postgres/0007_attempts.sql"),
    ),
];

/// The step from which on a database says whose accounts it has.
const SAYS_WHOSE: i64 = 4;

/// The URL of a `SQLite` database at a path.
pub(in super::super) fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite:");
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => url.push_str("%25"),
            '?' => url.push_str("%3F"),
            '#' => url.push_str("%23"),
            other => url.push(other),
        }
    }
    url
}

/// The file of the `SQLite` database with this URL; `None` where it is another database's.
pub(in super::super) fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).ok()?;
    let file = options.get_filename().to_owned();
    (url.starts_with("sqlite:") && !file.as_os_str().is_empty()).then_some(file)
}

/// A database by what its URL says, before it is opened.
enum Place {
    Sqlite(PathBuf),
    Postgres,
}

impl Place {
    fn of(url: &str) -> Result<Self, AccountsError> {
        sqlx::any::install_default_drivers();
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres);
        }
        if !url.starts_with("sqlite:") {
            let reason = "must begin with 'sqlite:' or 'postgres:'";
            return Err(invalid("accounts.url", reason));
        }
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        sqlite_file(url)
            .filter(|_| !in_memory)
            .map(Self::Sqlite)
            .ok_or_else(|| invalid("accounts.url", "is no URL of a SQLite file"))
    }

    /// What is in it; [`AccountsError::AccountsTooNew`] where a newer version of this program wrote it.
    async fn seen(&self, url: &str) -> Result<Seen, AccountsError> {
        let (seen, known) = match self {
            Self::Sqlite(path) => (
                Seen::in_file(path, &sqlite_url(path)).await?,
                newest(&SQLITE_STEPS),
            ),
            Self::Postgres => (
                Seen::in_database(url, POSTGRES_TABLES).await?,
                newest(&POSTGRES_STEPS),
            ),
        };
        let found = seen.schema;
        if found > known {
            return Err(AccountsError::AccountsTooNew { found, known });
        }
        Ok(seen)
    }
}

pub(super) async fn owner(url: &str, deployment: &str) -> Result<Owner, AccountsError> {
    let seen = Place::of(url)?.seen(url).await?;
    Ok(seen.owner(deployment, SAYS_WHOSE))
}

pub(super) async fn open(url: &str, new_key: MirrorKey) -> Result<Store, AccountsError> {
    let place = Place::of(url)?;
    place.seen(url).await?;
    match place {
        Place::Sqlite(path) => open_sqlite(&path, new_key).await,
        Place::Postgres => open_postgres(url, new_key).await,
    }
}

async fn open_sqlite(path: &Path, new_key: MirrorKey) -> Result<Store, AccountsError> {
    create_private(path).map_err(|error| {
        log::error!("the file of the accounts can't be made: {error}");
        AccountsError::AccountsUnavailable
    })?;
    let url = sqlite_url(path);
    let never = UntilOutdated::default();
    let write = pool(&url, 1, Some(SQLITE_WRITER), QUERY_TIMEOUT, &never).await?;
    migrate(&write, &SQLITE_STEPS).await?;
    let readers = pool(
        &url,
        SQLITE_READERS,
        Some(SQLITE_READER),
        QUERY_TIMEOUT,
        &never,
    );
    let store = Store::new(
        (readers.await?, write),
        (SQLITE_ALONE, SQLITE_SNAPSHOT, QUERY_TIMEOUT),
        never,
        new_key,
    )
    .await?;
    let file = DatabaseFile::at(path).map_err(|error| {
        log::error!("the file of the accounts can't be looked at: {error}");
        AccountsError::AccountsUnavailable
    })?;
    let remembered = Remembered::of(path, &url).await;
    Ok(Store {
        file: Some(Arc::new(file)),
        remembered: remembered.map_err(|error| at_start(&error))?.map(Arc::new),
        ..store
    })
}

async fn open_postgres(url: &str, new_key: MirrorKey) -> Result<Store, AccountsError> {
    let io = Io::start()?;
    let opened = io.by(open_server(url, new_key)).await?;
    Ok(Store { io, ..opened })
}

async fn open_server(url: &str, new_key: MirrorKey) -> Result<Store, AccountsError> {
    // A step may take its time, and waits for a node that is at it already.
    let outdated = UntilOutdated::default();
    let migrating = pool(url, 1, None, QUERY_TIMEOUT, &outdated).await?;
    migrate(&migrating, &POSTGRES_STEPS).await?;
    migrating.close().await;
    let settings = Some(POSTGRES_SETTINGS);
    let write = pool(
        url,
        POSTGRES_CONNECTIONS,
        settings,
        POSTGRES_PATIENCE,
        &outdated,
    );
    let write = write.await?;
    let own = (POSTGRES_ALONE, POSTGRES_SNAPSHOT, POSTGRES_PATIENCE);
    Store::new((write.clone(), write), own, outdated, new_key).await
}

impl Store {
    async fn new(
        (read, write): (AnyPool, AnyPool),
        (alone, begin_snapshot, patience): (&'static str, &'static str, Duration),
        outdated: UntilOutdated,
        new_key: MirrorKey,
    ) -> Result<Self, AccountsError> {
        let mirror = Arc::new(Self::mirror_key(&write, new_key).await?);
        Ok(Self {
            read,
            write,
            io: Io::default(),
            outdated,
            file: None,
            remembered: None,
            patience,
            mirror,
            alone,
            begin_snapshot,
        })
    }
}

/// Makes the file before `SQLite` does, which would leave its mode to the umask. `SQLite` gives its
/// journals the mode of the database.
fn create_private(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

async fn pool(
    url: &str,
    connections: u32,
    settings: Option<&'static str>,
    patience: Duration,
    outdated: &UntilOutdated,
) -> Result<AnyPool, AccountsError> {
    let outdated = Arc::clone(outdated);
    let options = AnyPoolOptions::new()
        .before_acquire(move |_, about| {
            let is_outdated = outdated.get();
            let is_outdated = is_outdated.is_some_and(|is_outdated| is_outdated(about.age));
            Box::pin(std::future::ready(Ok(!is_outdated)))
        })
        .max_connections(connections)
        .acquire_timeout(patience)
        .idle_timeout(Duration::from_mins(10))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if let Some(settings) = settings {
                    connection.execute(settings).await?;
                }
                Ok(())
            })
        });
    options.connect(url).await.map_err(|error| at_start(&error))
}

async fn migrate(
    pool: &AnyPool,
    steps: &'static [(&'static str, &'static str)],
) -> Result<(), AccountsError> {
    let migrations = (1..)
        .zip(steps)
        .map(|(version, (name, sql))| {
            let sql = sql.into_sql_str();
            Migration::new(version, (*name).into(), MigrationType::Simple, sql, false)
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(STEPS_DONE);
    migrator.run(pool).await.map_err(|error| {
        log::error!("the schema of the accounts can't be brought up to date: {error}");
        AccountsError::AccountsUnavailable
    })
}

/// The number of the last step.
fn newest(steps: &[(&str, &str)]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use sqlx::Row as _;

    fn key() -> MirrorKey {
        MirrorKey::generate(&mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn a_path_survives_the_way_through_its_url() {
        for path in [
            "data/accounts.sqlite",
            "/var/lib/lacre/accounts.sqlite",
            "/odd/50% off?#1 ü/a.sqlite",
            "./data/a.sqlite",
        ] {
            let options = SqliteConnectOptions::from_str(&sqlite_url(Path::new(path))).unwrap();
            assert_eq!(options.get_filename(), Path::new(path));
        }
    }

    #[tokio::test]
    async fn what_is_no_database_is_refused_by_name() {
        for url in [
            "",
            "accounts.sqlite",
            "mysql://x/y",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let error = open(url, key()).await.err().unwrap();
            assert_eq!(error.field(), Some("accounts.url"), "{url:?}");
        }
    }

    /// Readiness waits for three seconds: a database that takes longer is named in time.
    #[tokio::test]
    async fn a_database_that_does_not_answer_is_told_before_readiness_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&sqlite_url(&dir.path().join("a.sqlite")), key())
            .await
            .unwrap();
        assert_eq!(store.health().await, Ok(()));
        let mut held = Vec::new();
        for _ in 0..SQLITE_READERS {
            held.push(store.read.acquire().await.unwrap());
        }
        let asked = tokio::time::timeout(Duration::from_millis(2_700), store.health());
        assert_eq!(asked.await, Ok(Err(AccountsError::AccountsUnavailable)));
        drop(held);
        assert_eq!(store.health().await, Ok(()));
        store.close().await;
    }

    #[tokio::test]
    async fn every_connection_is_durable_and_readers_do_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&sqlite_url(&dir.path().join("a.sqlite")), key())
            .await
            .unwrap();
        for pool in [&store.write, &store.read] {
            for (setting, expected) in [
                ("PRAGMA synchronous", 2),
                ("PRAGMA foreign_keys", 1),
                ("PRAGMA busy_timeout", 3000),
            ] {
                let row = pool.fetch_one(setting).await.unwrap();
                let found: i64 = row.try_get(0).unwrap();
                assert_eq!(found, expected, "{setting}");
            }
            let row = pool.fetch_one("PRAGMA journal_mode").await.unwrap();
            let mode: String = row.try_get(0).unwrap();
            assert_eq!(mode, "wal");
        }
        let written = store.read.execute("DELETE FROM clients").await;
        assert!(written.is_err(), "there is one writer");
        store.close().await;
    }
}
