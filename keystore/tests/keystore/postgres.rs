//! The store on `PostgreSQL`: the suite with two writers, and what is particular to it.
//!
//! `LACRE_TEST_POSTGRES` names a server that may be filled with schemas.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lacre_keystore::conformance::Fixture;
use lacre_keystore::store::{Sealed, Write};
use lacre_keystore::{
    Keystore, KeystoreError, PostgresOptions, PostgresStore, PutOutcome, RecordKey, RunningClock,
    Store, Swap, Weakness,
};
use rand::rngs::SysRng;
use rustix::time::{ClockId, clock_gettime};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::cutting::{Cutting, Fate};
use crate::skipped::skip;
use crate::support::{key, many, record, ring, user};

/// Short, so that the suite with its many ends takes seconds.
pub(crate) const LEASE: Duration = Duration::from_millis(20);

#[allow(clippy::disallowed_methods)] // the test's own switch
pub(crate) fn server() -> Option<String> {
    std::env::var("LACRE_TEST_POSTGRES").ok()
}

#[allow(clippy::disallowed_methods)] // the clock that a program hands in
fn clock() -> RunningClock {
    Arc::new(|| {
        let time = clock_gettime(ClockId::Boottime);
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    })
}

/// A number that no other store has, of another process either.
fn node() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    i64::from(std::process::id()) * 1_000_000 + NEXT.fetch_add(1, Ordering::SeqCst)
}

fn options(connections: u32) -> PostgresOptions {
    PostgresOptions {
        connections,
        lease: LEASE,
        node: node(),
        writer: None,
    }
}

/// A schema of its own, which goes with it.
pub(crate) struct Schema {
    name: String,
    pub(crate) url: String,
    server: String,
}

impl Schema {
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        Self::named(format!("lacre_keystore_{}_{number}", std::process::id())).await
    }

    /// One of this name, which a test with other processes gives it.
    pub(crate) async fn named(name: String) -> Self {
        let server = server().expect("asked before");
        let glue = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{glue}options=-c%20search_path%3D{name}");
        let schema = Self { name, url, server };
        schema.run(format!("CREATE SCHEMA {}", schema.name)).await;
        schema
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, sql: String) {
        let mut connection = PgConnection::connect(&self.server).await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn open(&self) -> Result<PostgresStore, KeystoreError> {
        self.open_at(&self.url).await
    }

    /// A store that says that the notes of its ends are written down elsewhere under this name.
    pub(crate) async fn open_writing(&self, name: &str) -> Result<PostgresStore, KeystoreError> {
        let options = PostgresOptions {
            writer: Some(name.to_owned()),
            ..options(6)
        };
        PostgresStore::open(&self.url, options, clock()).await
    }

    async fn open_at(&self, url: &str) -> Result<PostgresStore, KeystoreError> {
        opened(url).await
    }

    /// A store with so many connections.
    async fn open_with(&self, connections: u32) -> Result<PostgresStore, KeystoreError> {
        PostgresStore::open(&self.url, options(connections), clock()).await
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.name);
        let server = self.server.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                connection.execute(AssertSqlSafe(sql)).await.unwrap();
            });
        });
        dropped.join().unwrap();
    }
}

pub(crate) async fn opened(url: &str) -> Result<PostgresStore, KeystoreError> {
    PostgresStore::open(url, options(6), clock()).await
}

pub(crate) fn is_available() -> bool {
    let available = server().is_some();
    if !available {
        skip(
            "no session was kept in PostgreSQL",
            "set LACRE_TEST_POSTGRES, or run .ci/with-postgres make test",
        );
    }
    available
}

/// Two processes' stores on one schema.
pub(crate) struct Postgres {
    pub(crate) one: Arc<PostgresStore>,
    pub(crate) two: Arc<PostgresStore>,
    pub(crate) schema: Schema,
}

impl Fixture for Postgres {
    type Store = PostgresStore;
    const KEEPS_NOTES: bool = true;

    fn is_available() -> bool {
        is_available()
    }

    async fn new() -> Self {
        let schema = Schema::new().await;
        Self {
            one: Arc::new(schema.open().await.unwrap()),
            two: Arc::new(schema.open().await.unwrap()),
            schema,
        }
    }

    fn store(&self) -> Arc<PostgresStore> {
        Arc::clone(&self.one)
    }

    fn second(&self) -> Option<Arc<PostgresStore>> {
        Some(Arc::clone(&self.two))
    }
}

lacre_keystore::conformance_suite!(Postgres);

pub(crate) fn open(store: &Arc<PostgresStore>) -> Keystore {
    Keystore::open(Arc::clone(store), ring(), SysRng).unwrap()
}

/// A test that needs a server, on a runtime with two threads.
pub(crate) fn with_stores<A: Future<Output = ()>>(test: impl FnOnce(Arc<Postgres>) -> A) {
    if is_available() {
        lacre_keystore::conformance::run(async { test(Arc::new(Postgres::new().await)).await });
    }
}

pub(crate) async fn put(keystore: &Keystore, key: &RecordKey) {
    let outcome = keystore.put_new(key, &record(1)).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
}

#[test]
fn a_warm_record_is_current_at_both_until_one_of_them_ends_it() {
    with_stores(|stores| async move {
        let (one, two) = (open(&stores.one), open(&stores.two));
        put(&one, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < 4 * LEASE {
            assert!(two.is_current(&key(1, 1), &read.version));
            tokio::time::sleep(LEASE / 10).await;
        }
        assert!(one.remove(&key(1, 1)).await.unwrap());
        assert!(!two.is_current(&key(1, 1), &read.version));
    });
}

#[test]
fn what_was_read_is_settled_after_the_lease() {
    with_stores(|stores| async move {
        let one = open(&stores.one);
        let begun = Instant::now();
        assert_eq!(one.settled().await, Ok(()));
        assert!(begun.elapsed() >= LEASE);
    });
}

#[test]
fn an_end_is_answered_after_the_lease_and_not_much_later() {
    with_stores(|stores| async move {
        let one = open(&stores.one);
        for (session, again) in [(1, false), (2, false), (2, true)] {
            if !again {
                put(&one, &key(1, session)).await;
            }
            let begun = Instant::now();
            let removed = one.remove(&key(1, session)).await;
            assert_eq!(removed, Ok(!again));
            let took = begun.elapsed();
            assert!(took >= LEASE, "also of what has gone already: {took:?}");
            assert!(took < LEASE + Duration::from_millis(500), "{took:?}");
        }
        // A change that ends nothing needn't wait.
        put(&one, &key(1, 3)).await;
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let read = one.get(&key(1, 3)).await.unwrap().unwrap();
            let mut later = read.record.clone();
            later.last_seen_at += 1;
            let begun = Instant::now();
            let swap = one.compare_and_swap(&key(1, 3), &read, &later).await;
            assert_eq!(swap, Ok(Swap::Won));
            fastest = fastest.min(begun.elapsed());
        }
        assert!(fastest < LEASE, "{fastest:?}");
    });
}

/// Many writers commit out of order; who reads by snapshot hears of every end all the same.
#[test]
fn no_end_is_missed_among_many_writers() {
    let (writers, ends) = many((16, 63), (32, 31_255));
    with_stores(|stores| async move {
        // As many connections as writers, so that none waits for another's.
        let opened = stores.schema.open_with(writers.into()).await;
        let (one, two) = (open(&Arc::new(opened.unwrap())), open(&stores.two));
        let told = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&told);
        assert!(two.watch_removals(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        }));
        let mut set = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let one = one.clone();
            set.spawn(async move {
                for session in 0..ends {
                    put(&one, &key(writer, session)).await;
                    // Several at once: transactions of different lengths.
                    if session % 7 == 6 {
                        assert_eq!(one.remove_user(user(writer)).await.unwrap().len(), 7);
                    }
                }
            });
        }
        set.join_all().await;
        assert_eq!(told.load(Ordering::SeqCst), u64::from(writers) * ends);
    });
}

/// A store whose row is taken away, as after a minute without a sign: it begins anew, and what it
/// hadn't heard of meanwhile isn't current any more.
#[test]
fn a_process_that_was_forgotten_reads_everything_once_more() {
    with_stores(|stores| async move {
        let two = open(&stores.two);
        put(&two, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        assert!(two.is_current(&key(1, 1), &read.version));
        let generations = stores.two.cluster().lease().generations;
        let mut by_hand = stores.schema.connection().await;
        by_hand.execute("DELETE FROM keystore_nodes").await.unwrap();
        let begun = Instant::now();
        while stores.two.cluster().lease().generations == generations {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!two.is_current(&key(1, 1), &read.version));
        assert!(two.get(&key(1, 1)).await.unwrap().is_some());
    });
}

/// A lock on the table that polls change: no poll is answered, as where the server hangs.
#[test]
fn without_a_poll_the_lease_ends_and_reads_are_refused_within_a_second() {
    with_stores(|stores| async move {
        let one = open(&stores.one);
        put(&one, &key(1, 1)).await;
        let read = one.get(&key(1, 1)).await.unwrap().unwrap();
        let mut by_hand = stores.schema.connection().await;
        let mut held = by_hand.begin().await.unwrap();
        held.execute("LOCK TABLE keystore_nodes IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        tokio::time::sleep(2 * LEASE).await;
        assert!(!one.is_current(&key(1, 1), &read.version));
        let begun = Instant::now();
        let error = one.get(&key(1, 1)).await.unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
        assert!(begun.elapsed() < Duration::from_millis(1_500));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(one.health().unwrap_err().code(), "store_unavailable");
        held.rollback().await.unwrap();
        let begun = Instant::now();
        while one.get(&key(1, 1)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(2), "back within 2 s");
        }
        assert_eq!(one.health(), Ok(()));
    });
}

/// A removal is made, and the connection is lost before its answer: an error, after which the record is no longer
/// current here either, and a second removal that finds nothing says so truly.
#[test]
fn a_removal_whose_answer_is_lost_is_known_to_the_process_that_made_it() {
    with_stores(|stores| async move {
        let cutting = Cutting::before(&stores.schema.url, Fate::Cut).await;
        let store = Arc::new(stores.schema.open_at(&cutting.url).await.unwrap());
        let keystore = open(&store);
        put(&keystore, &key(1, 1)).await;
        let read = keystore.get(&key(1, 1)).await.unwrap().unwrap();
        cutting.armed.store(true, Ordering::SeqCst);
        let error = keystore.remove(&key(1, 1)).await.unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
        assert!(!cutting.armed.load(Ordering::SeqCst), "it was cut");
        assert_eq!(keystore.remove(&key(1, 1)).await, Ok(false), "it was made");
        assert!(!keystore.is_current(&key(1, 1), &read.version));
        assert_eq!(keystore.get(&key(1, 1)).await.unwrap().map(|_| ()), None);
    });
}

/// A removal is made, its answer doesn't come, and another process finds it made: when that one answers, the process
/// that still waits doesn't go by what it had read either.
#[test]
fn a_removal_whose_answer_is_late_is_known_to_its_process_when_another_answers() {
    with_stores(|stores| async move {
        let cutting = Cutting::before(&stores.schema.url, Fate::Silent).await;
        let waiting = open(&Arc::new(
            stores.schema.open_at(&cutting.url).await.unwrap(),
        ));
        put(&waiting, &key(1, 1)).await;
        let read = waiting.get(&key(1, 1)).await.unwrap().unwrap();
        cutting.armed.store(true, Ordering::SeqCst);
        let waits = Arc::new(waiting);
        let asking = Arc::clone(&waits);
        let name = key(1, 1);
        let asked = tokio::spawn(async move { asking.remove(&name).await });
        while cutting.armed.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            open(&stores.two).remove(&key(1, 1)).await,
            Ok(false),
            "it was made"
        );
        assert!(!waits.is_current(&key(1, 1), &read.version));
        assert!(!asked.is_finished(), "it still waits");
        assert_eq!(
            asked.await.unwrap().unwrap_err().code(),
            "store_unavailable"
        );
    });
}

/// The change of a caller that has gone is heard of by its own process as well.
#[test]
fn a_removal_whose_caller_has_gone_is_known_here_too() {
    with_stores(|stores| async move {
        let one = open(&stores.one);
        put(&one, &key(1, 1)).await;
        let read = one.get(&key(1, 1)).await.unwrap().unwrap();
        let name = key(1, 1);
        let asked = tokio::time::timeout(Duration::from_millis(1), one.remove(&name));
        let _ = asked.await;
        let begun = Instant::now();
        while one.get(&name).await.unwrap().is_some() {
            if begun.elapsed() > Duration::from_secs(5) {
                return; // it was never begun
            }
        }
        assert!(!one.is_current(&name, &read.version));
    });
}

/// More than a poll applies: everything is read once more, and nothing that ended is current.
#[test]
fn very_many_ends_at_once_are_heard_of_as_a_gap() {
    with_stores(|stores| async move {
        let two = open(&stores.two);
        put(&two, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        let generations = stores.two.cluster().lease().generations;
        let mut by_hand = stores.schema.connection().await;
        by_hand
            .execute(
                "INSERT INTO keystore_ends (key, gone, node) SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), true, 77 \
                 FROM generate_series(1, 30000) n",
            )
            .await
            .unwrap();
        let begun = Instant::now();
        while stores.two.cluster().lease().generations == generations {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!two.is_current(&key(1, 1), &read.version));
        assert!(two.get(&key(1, 1)).await.unwrap().is_some());
    });
}

#[test]
fn rows_that_all_have_seen_are_taken_away() {
    with_stores(|stores| async move {
        let one = open(&stores.one);
        for session in 0..5 {
            put(&one, &key(1, session)).await;
            assert!(one.remove(&key(1, session)).await.unwrap());
        }
        let mut by_hand = stores.schema.connection().await;
        let begun = Instant::now();
        loop {
            let left: i64 = sqlx::query_scalar("SELECT count(*) FROM keystore_ends")
                .fetch_one(&mut by_hand)
                .await
                .unwrap();
            if left == 0 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{left} left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn a_store_of_a_later_version_is_refused() {
    with_stores(|stores| async move {
        let mut by_hand = stores.schema.connection().await;
        by_hand
            .execute("UPDATE keystore_meta SET version = 99")
            .await
            .unwrap();
        let beside = stores.schema.open().await;
        assert!(
            beside.is_ok(),
            "it says that this version can go on: {beside:?}"
        );
        by_hand
            .execute("UPDATE keystore_meta SET oldest = 98")
            .await
            .unwrap();
        let error = stores.schema.open().await.unwrap_err();
        assert_eq!(error.code(), "store_too_new");
    });
}

#[test]
fn a_server_that_cant_be_reached_is_an_error_without_its_password() {
    lacre_keystore::conformance::run(async {
        let options = PostgresOptions {
            connections: 1,
            lease: LEASE,
            node: 1,
            writer: None,
        };
        for url in [
            "postgres://u:secret-word@127.0.0.1:1/none",
            "no url: secret-word",
        ] {
            let opened = PostgresStore::open(url, options.clone(), clock()).await;
            let error = opened.unwrap_err();
            assert_eq!(error.code(), "store_unavailable");
            assert!(!error.to_string().contains("secret-word"), "{error}");
        }
    });
}

/// The throw-away server of the tests has `fsync` off and no standby.
#[test]
fn a_server_that_isnt_durable_is_told() {
    with_stores(|stores| async move {
        let found = stores.one.cluster().weaknesses().await.unwrap();
        let mut by_hand = stores.schema.connection().await;
        let fsync: bool = sqlx::query_scalar("SELECT current_setting('fsync')::bool")
            .fetch_one(&mut by_hand)
            .await
            .unwrap();
        assert_eq!(found.contains(&Weakness::NotDurable), !fsync);
        assert!(!found.contains(&Weakness::TooOld));
        for weakness in found {
            assert!(!weakness.advice().is_empty());
        }
    });
}

/// What a swap that lost leaves to be known is known when it is answered: it waits, as the winner does.
#[test]
fn a_lost_swap_waits_as_long_as_the_winner() {
    with_stores(|stores| async move {
        let put = |expected: Option<&[u8]>, new: &[u8]| Write {
            key: key(1, 1),
            expected: expected.map(<[u8]>::to_vec),
            new: Some(Sealed {
                bytes: new.to_vec(),
                expires_at: 2_000,
            }),
            ends_tokens: expected.is_some(),
        };
        assert_eq!(stores.one.apply(vec![put(None, b"first")]).await, Ok(true));
        for (expected, won) in [(&b"first"[..], true), (b"first", false)] {
            let begun = Instant::now();
            let write = put(Some(expected), b"second");
            assert_eq!(stores.two.apply(vec![write]).await, Ok(won));
            assert!(begun.elapsed() >= LEASE);
        }
    });
}
