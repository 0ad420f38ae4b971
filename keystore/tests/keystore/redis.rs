//! The store on Redis: the suite with two writers on one server, and what is particular to it.

mod beside;
mod cluster;
mod faults;
mod feeds;
mod journal;
mod moving;
mod relay;
mod server;
mod stalled;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lacre_keystore::conformance::Fixture;
use lacre_keystore::store::{Sealed, Write};
use lacre_keystore::{
    Journal, JournalOptions, KeyRange, Keystore, KeystoreError, PutOutcome, RecordKey,
    RedisOptions, RedisStore, RedisWeakness, RunningClock, Store, Swap, redis_look,
    redis_weaknesses,
};
use rand::rngs::SysRng;
use rustix::time::{ClockId, clock_gettime};

use crate::support::{key, many, record, ring, user};
use beside::journal_url;
use server::{Server, is_available};

/// Short, so that the suite with its many ends takes seconds.
const LEASE: Duration = Duration::from_millis(40);

#[allow(clippy::disallowed_methods)] // the clock that a program hands in
fn clock() -> RunningClock {
    Arc::new(|| {
        let time = clock_gettime(ClockId::Boottime);
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    })
}

fn options() -> RedisOptions {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    RedisOptions {
        lease: LEASE,
        node: i64::from(std::process::id()) << 20 | NEXT.fetch_add(1, Ordering::SeqCst),
        deployment: "tests".to_owned(),
        make: true,
    }
}

/// The journal at this URL, as this process has it.
async fn journal_at(url: &str, node: i64) -> Result<Journal, KeystoreError> {
    let options = JournalOptions {
        node,
        writer: None,
        longest: Duration::from_hours(24),
    };
    Journal::open(url, options).await
}

pub(crate) async fn opened(url: &str) -> Result<RedisStore, KeystoreError> {
    opened_with(url, options()).await
}

async fn opened_with(url: &str, options: RedisOptions) -> Result<RedisStore, KeystoreError> {
    opened_beside(&journal_url(url), url, options).await
}

/// A store at this URL with the journal at that one.
async fn opened_beside(
    journal: &str,
    url: &str,
    options: RedisOptions,
) -> Result<RedisStore, KeystoreError> {
    let journal = journal_at(journal, options.node).await.unwrap();
    RedisStore::open(url, options, journal, clock()).await
}

/// Two processes' stores on one server.
pub(crate) struct Redis {
    pub(crate) one: Arc<RedisStore>,
    two: Arc<RedisStore>,
    pub(crate) server: Server,
}

impl Fixture for Redis {
    type Store = RedisStore;
    const KEEPS_NOTES: bool = true;

    fn is_available() -> bool {
        is_available()
    }

    async fn new() -> Self {
        let server = Server::start(&[]);
        Self {
            one: Arc::new(opened(&server.url()).await.unwrap()),
            two: Arc::new(opened(&server.url()).await.unwrap()),
            server,
        }
    }

    fn store(&self) -> Arc<RedisStore> {
        Arc::clone(&self.one)
    }

    fn second(&self) -> Option<Arc<RedisStore>> {
        Some(Arc::clone(&self.two))
    }
}

lacre_keystore::conformance_suite!(Redis);

pub(crate) fn keystore(store: &Arc<RedisStore>) -> Keystore {
    Keystore::open(Arc::clone(store), ring(), SysRng).unwrap()
}

/// A test that needs a server, on a runtime with two threads.
pub(crate) fn with_stores<A: Future<Output = ()>>(test: impl FnOnce(Arc<Redis>) -> A) {
    if is_available() {
        lacre_keystore::conformance::run(async { test(Arc::new(Redis::new().await)).await });
    }
}

async fn put(keystore: &Keystore, key: &RecordKey) {
    let outcome = keystore.put_new(key, &record(1)).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
}

#[test]
fn a_warm_record_is_current_at_both_until_one_of_them_ends_it() {
    with_stores(|stores| async move {
        let (one, two) = (keystore(&stores.one), keystore(&stores.two));
        put(&one, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        // Longer than one lease; a busy machine lets some of them lapse.
        let (begun, mut current) = (Instant::now(), 0);
        while begun.elapsed() < 10 * LEASE || current < 40 {
            current += u32::from(two.is_current(&key(1, 1), &read.version));
            tokio::time::sleep(LEASE / 10).await;
            assert!(begun.elapsed() < Duration::from_secs(20), "{current}");
        }
        assert!(one.remove(&key(1, 1)).await.unwrap());
        assert!(!two.is_current(&key(1, 1), &read.version));
        assert!(two.get(&key(1, 1)).await.unwrap().is_none());
    });
}

#[test]
fn an_end_is_answered_after_the_lease_also_where_nothing_was_there() {
    with_stores(|stores| async move {
        let one = keystore(&stores.one);
        for (session, again) in [(1, false), (2, false), (2, true)] {
            if !again {
                put(&one, &key(1, session)).await;
            }
            let begun = Instant::now();
            assert_eq!(one.remove(&key(1, session)).await, Ok(!again));
            let took = begun.elapsed();
            assert!(
                took >= LEASE && took < LEASE + Duration::from_millis(500),
                "{took:?}"
            );
        }
        let begun = Instant::now();
        assert_eq!(one.remove_user(user(1)).await, Ok(vec![]));
        assert_eq!(one.remove_all().await, Ok(0));
        assert_eq!(one.settled().await, Ok(()));
        assert!(begun.elapsed() >= 3 * LEASE);
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
        // All that goes together is one user's: another's is in another place.
        let writes = vec![
            put(None, b"x"),
            Write {
                key: key(200, 1),
                ..put(None, b"x")
            },
        ];
        let refused = stores.one.apply(writes).await.unwrap_err();
        assert_eq!(refused.code(), "store_unavailable");
    });
}

#[test]
fn no_end_is_missed_among_many_writers() {
    let (writers, ends) = many((16, 70), (32, 31_255));
    with_stores(|stores| async move {
        let (one, two) = (keystore(&stores.one), keystore(&stores.two));
        let told = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&told);
        assert!(two.watch_removals(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        }));
        let mut set = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let one = one.clone();
            // In buckets of their own.
            let writer = writer * 8;
            set.spawn(async move {
                for session in 0..ends {
                    put(&one, &key(writer, session)).await;
                    if session % 7 == 6 {
                        let removed = one.remove_user(user(writer)).await;
                        assert_eq!(removed.unwrap().len(), 7);
                    }
                }
            });
        }
        set.join_all().await;
        assert_eq!(told.load(Ordering::SeqCst), u64::from(writers) * ends);
    });
}

/// More than a poll applies: everything is read once more, and nothing that ended is current.
#[test]
fn very_many_ends_at_once_are_heard_of_as_a_gap() {
    with_stores(|stores| async move {
        let two = keystore(&stores.two);
        for session in 0..12_000 {
            // By many writers at once: a thousand a write.
            if session % 1_000 == 0 {
                let puts = (session..session + 1_000).map(|session| Write {
                    key: key(1, session),
                    expected: None,
                    new: Some(Sealed {
                        bytes: vec![7],
                        expires_at: 1,
                    }),
                    ends_tokens: false,
                });
                assert_eq!(stores.one.apply(puts.collect()).await, Ok(true));
            }
        }
        put(&two, &key(2, 1)).await;
        let read = two.get(&key(2, 1)).await.unwrap().unwrap();
        let generations = stores.two.lease().unwrap().generations;
        let removed = stores.one.remove_user(user(1), None).await.unwrap();
        assert_eq!(removed.len(), 12_000);
        assert!(!two.is_current(&key(2, 1), &read.version));
        let begun = Instant::now();
        while !two.get(&key(2, 1)).await.is_ok_and(|found| found.is_some()) {
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        assert!(stores.two.lease().unwrap().generations > generations);
        assert_eq!(two.health(), Ok(()));
    });
}

/// The oldest entries of a feed are taken away, also some that a process hasn't heard of.
#[test]
fn a_feed_that_was_cut_short_is_a_gap_and_no_loss() {
    with_stores(|stores| async move {
        let two = keystore(&stores.two);
        put(&two, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        let generations = stores.two.lease().unwrap().generations;
        assert!(stores.one.remove(key(1, 2)).await.is_ok());
        for bucket in 0..64 {
            let feed = format!("{{lacre-{bucket:02}}}:f");
            stores
                .server
                .says(&["XADD", &feed, "*", "o", "x", "t", "1", "k", ""]);
            stores.server.says(&["XTRIM", &feed, "MAXLEN", "1"]);
        }
        let begun = Instant::now();
        while stores.two.lease().unwrap().generations == generations
            || two.get(&key(1, 1)).await.is_err()
        {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!two.is_current(&key(1, 1), &read.version));
        assert_eq!(two.health(), Ok(()));
    });
}

#[test]
fn records_that_have_expired_are_found_among_those_that_havent() {
    with_stores(|stores| async move {
        for session in 0..1_200_u64 {
            let write = Write {
                key: key(u8::try_from(session % 200).unwrap(), session),
                expected: None,
                new: Some(Sealed {
                    bytes: vec![7],
                    expires_at: if session % 100 == 0 {
                        1 << 40
                    } else {
                        u64::MAX
                    },
                }),
                ends_tokens: false,
            };
            assert_eq!(stores.one.apply(vec![write]).await, Ok(true));
        }
        for (now, due) in [(0, 0), ((1 << 40) - 1, 0), (1 << 40, 12), (u64::MAX, 1_200)] {
            let found = stores.one.page_to_sweep(KeyRange::ALL, now, 5_000).await;
            let found = found.unwrap();
            assert_eq!(found.len(), due, "{now}");
            assert!(found.is_sorted());
        }
        assert_eq!(
            stores.one.page(KeyRange::ALL, 1_100).await.unwrap().len(),
            1_100
        );
    });
}

#[test]
fn a_chore_is_one_process_s_turn_at_a_time() {
    with_stores(|stores| async move {
        let every = Duration::from_millis(300);
        for _ in 0..2 {
            let one = stores.one.take_turn("sweep", every).await.unwrap();
            let two = stores.two.take_turn("sweep", every).await.unwrap();
            assert_eq!((one, two), (true, false));
            assert!(stores.two.take_turn("other", Duration::ZERO).await.unwrap());
            tokio::time::sleep(every).await;
        }
    });
}

/// A process that was killed in the middle of a removal of everything: the next opening goes on with it.
#[test]
fn a_removal_of_all_that_wasnt_over_is_gone_on_with() {
    with_stores(|stores| async move {
        let one = keystore(&stores.one);
        put(&one, &key(1, 1)).await;
        stores
            .server
            .says(&["HSET", "{lacre-00}:m", "emptying", "somebody"]);
        let three = keystore(&Arc::new(opened(&stores.server.url()).await.unwrap()));
        assert_eq!(three.is_empty().await, Ok(true));
        put(&one, &key(1, 2)).await;
        let four = keystore(&Arc::new(opened(&stores.server.url()).await.unwrap()));
        assert!(
            four.get(&key(1, 2)).await.unwrap().is_some(),
            "it is over now"
        );
    });
}

#[test]
fn a_store_of_a_later_version_or_of_another_deployment_is_refused() {
    with_stores(|stores| async move {
        let url = stores.server.url();
        let mut foreign = options();
        foreign.deployment = "another".to_owned();
        let refused = opened_with(&url, foreign).await.unwrap_err();
        assert_eq!(refused.code(), "store_foreign");
        stores
            .server
            .says(&["HSET", "{lacre-00}:m", "version", "99"]);
        assert!(
            opened(&url).await.is_ok(),
            "it says that this version can go on"
        );
        stores
            .server
            .says(&["HSET", "{lacre-00}:m", "oldest", "98"]);
        let refused = opened(&url).await.unwrap_err();
        assert_eq!(refused.code(), "store_too_new");
    });
}

/// Who knows that there was a store takes no empty one for it, and a look at either changes nothing.
#[test]
fn an_empty_store_is_refused_by_who_knows_that_there_was_one() {
    with_stores(|stores| async move {
        let (url, known) = (stores.server.url(), || {
            let mut known = options();
            known.make = false;
            known
        });
        let looked = redis_look(&url).await.unwrap();
        assert_eq!(looked.deployment.as_deref(), Some("tests"));
        assert!(opened_with(&url, known()).await.is_ok());
        let empty = Server::start(&[]);
        let looked = redis_look(&empty.url()).await.unwrap();
        assert_eq!(
            (looked.deployment, looked.weaknesses),
            (None, vec![RedisWeakness::Alone])
        );
        let refused = opened_with(&empty.url(), known()).await;
        assert_eq!(refused.unwrap_err().code(), "store_emptied");
        assert_eq!(empty.says(&["DBSIZE"]).trim(), "0", "nothing was made");
    });
}

#[test]
fn a_server_that_wouldnt_keep_what_it_says_is_refused_with_what_to_change() {
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        let server = Server::start(&[]);
        for (setting, value, good, weakness) in [
            (
                "maxmemory-policy",
                "allkeys-lru",
                "noeviction",
                RedisWeakness::Evicts,
            ),
            ("appendonly", "no", "yes", RedisWeakness::NotWritten),
            (
                "appendfsync",
                "everysec",
                "always",
                RedisWeakness::NotFlushed,
            ),
            (
                "no-appendfsync-on-rewrite",
                "yes",
                "no",
                RedisWeakness::NotFlushed,
            ),
        ] {
            assert_eq!(server.says(&["CONFIG", "SET", setting, value]).trim(), "OK");
            let found = redis_weaknesses(&server.url()).await.unwrap();
            assert_eq!(found, [weakness, RedisWeakness::Alone]);
            let refused = opened(&server.url()).await.unwrap_err();
            assert_eq!(refused.code(), "store_not_durable");
            let why = refused.to_string();
            assert!(why.contains(setting) && why.contains(good), "{why}");
            assert_eq!(server.says(&["CONFIG", "SET", setting, good]).trim(), "OK");
        }
        assert_eq!(server.says(&["DBSIZE"]).trim(), "0", "nothing was made");
        assert!(opened(&server.url()).await.is_ok());
        // Nobody says how the server is set.
        let acl = ["ACL", "SETUSER", "default", "-config"];
        assert_eq!(server.says(&acl).trim(), "OK");
        let refused = opened(&server.url()).await.unwrap_err();
        assert!(refused.to_string().contains("CONFIG GET"), "{refused}");
    });
}

#[test]
fn who_asks_says_a_password_which_no_error_shows() {
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        let server = Server::start(&[]);
        let user = [
            "ACL",
            "SETUSER",
            "ann",
            "on",
            ">secret-word",
            "~*",
            "&*",
            "+@all",
        ];
        assert_eq!(server.says(&user).trim(), "OK");
        assert_eq!(
            server.says(&["ACL", "SETUSER", "default", "off"]).trim(),
            "OK"
        );
        let at = format!("127.0.0.1:{}", server.port);
        assert!(
            opened(&format!("redis://ann:secret-word@{at}"))
                .await
                .is_ok()
        );
        for url in [
            format!("redis://ann:another-secret-word@{at}"),
            format!("redis://{at}"),
            "redis://ann:secret-word@127.0.0.1:1".to_owned(),
            "redis:secret-word".to_owned(),
        ] {
            let error = opened(&url).await.unwrap_err();
            assert_eq!(error.code(), "store_unavailable", "{error}");
            assert!(!error.to_string().contains("secret-word"), "{error}");
        }
    });
}
