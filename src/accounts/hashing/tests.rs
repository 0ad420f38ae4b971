use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

const SALT: RawSalt = [5; 16];

fn cheap(queue: usize) -> HashingSettings {
    HashingSettings {
        memory_kib: 32,
        iterations: 1,
        lanes: 1,
        threads: 1,
        queue,
        queue_per_address: queue,
    }
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// As one does whom the queue isn't shared out to.
impl HashingPool {
    async fn hash(
        &self,
        password: Zeroizing<String>,
        salt: RawSalt,
    ) -> Result<String, AccountsError> {
        self.place(None)?.hash(password, salt).await
    }

    async fn verify(
        &self,
        password: Zeroizing<String>,
        stored: String,
        salt: RawSalt,
        renew: bool,
    ) -> Result<Answer, AccountsError> {
        let password = PresentedPassword::parse(&password)?;
        let place = self.place(None)?;
        place.verify(password, stored, salt, renew).await
    }
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<String, AccountsError>> + 'a>>;

/// Puts a password into the queue and leaves it there.
fn enqueue<'a>(pool: &'a HashingPool, password: &str) -> Waiting<'a> {
    let mut waiting: Waiting<'a> = Box::pin(pool.hash(secret(password), SALT));
    assert!(poll(&mut waiting).is_pending());
    waiting
}

/// The same for one who asks over the network.
fn enqueue_of(pool: &HashingPool, address: [u8; 4]) -> Waiting<'_> {
    let asker = Some(Some(std::net::IpAddr::from(address)).into());
    Box::pin(async move { pool.place(asker)?.hash(secret("pw"), SALT).await })
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_hash_is_verified_by_the_same_pool() {
    let pool = HashingPool::start(cheap(4)).unwrap();
    let hash = pool.hash(secret("pw"), SALT).await.unwrap();
    for (password, matches) in [("pw", true), ("PW", false)] {
        let answer = pool
            .verify(secret(password), hash.clone(), SALT, true)
            .await
            .unwrap();
        assert_eq!(answer.matches, matches);
        assert!(
            answer.renewed.is_none(),
            "the parameters are those of today"
        );
    }
    assert_eq!(pool.runs(), 3);
}

#[tokio::test]
async fn an_outdated_hash_is_renewed_only_for_the_right_password_and_on_request() {
    let old = HashingPool::start(cheap(4)).unwrap();
    let hash = old.hash(secret("pw"), SALT).await.unwrap();
    let today = HashingPool::start(HashingSettings {
        iterations: 2,
        ..cheap(4)
    })
    .unwrap();
    for (password, renew, expected) in [
        ("pw", true, true),
        ("pw", false, false),
        ("no", true, false),
    ] {
        let answer = today
            .verify(secret(password), hash.clone(), SALT, renew)
            .await
            .unwrap();
        assert_eq!(answer.renewed.is_some(), expected, "{password} {renew}");
        if let Some(renewed) = answer.renewed {
            assert!(renewed.contains("t=2"), "{renewed}");
        }
    }
}

#[tokio::test]
async fn a_password_of_before_it_was_prepared_is_taken_and_its_hash_renewed() {
    let (nfd, nfc, other) = ("p\u{61}\u{308}ss", "p\u{e4}ss", "p\u{6f}\u{308}ss");
    let pool = HashingPool::start(cheap(4)).unwrap();
    let unprepared = pool.hash(secret(nfd), SALT).await.unwrap();
    let prepared = pool.hash(secret(nfc), SALT).await.unwrap();
    for (typed, stored, renew, matches, renewed, runs) in [
        (nfd, &prepared, true, true, false, 1),
        (nfc, &prepared, true, true, false, 1),
        (nfd, &unprepared, true, true, true, 3),
        (nfc, &unprepared, true, false, false, 1),
        (other, &prepared, true, false, false, 2),
        // A match that isn't to show costs what none does.
        (nfd, &prepared, false, true, false, 2),
        (nfd, &unprepared, false, true, false, 2),
        (other, &unprepared, false, false, false, 2),
    ] {
        let before = pool.runs();
        let answer = pool.verify(secret(typed), stored.clone(), SALT, renew);
        let answer = answer.await.unwrap();
        assert_eq!(answer.matches, matches, "{typed:?} {renew}");
        assert_eq!(answer.renewed.is_some(), renewed, "{typed:?} {renew}");
        assert_eq!(pool.runs() - before, runs, "{typed:?} {renew}");
        if let Some(renewed) = answer.renewed {
            assert_eq!(renewed, prepared);
        }
    }
}

#[tokio::test]
async fn a_full_queue_sends_away_at_once_and_keeps_who_waits() {
    let pool = HashingPool::stopped(cheap(2)).unwrap();
    let first = enqueue(&pool, "first");
    let second = enqueue(&pool, "second");
    assert_eq!(pool.queue_length(), 2);

    let mut third = Box::pin(pool.hash(secret("third"), SALT));
    let refused = poll(&mut third);
    assert_eq!(refused, Poll::Ready(Err(AccountsError::HashingBusy)));

    pool.start_threads(1).unwrap();
    assert!(first.await.is_ok());
    assert!(second.await.is_ok());
    assert_eq!(pool.queue_length(), 0);
    assert!(pool.hash(secret("fourth"), SALT).await.is_ok());
}

#[tokio::test]
async fn one_subscriber_takes_no_more_than_its_share_of_the_queue() {
    let settings = HashingSettings {
        queue_per_address: 2,
        ..cheap(6)
    };
    let pool = HashingPool::stopped(settings).unwrap();
    let (one, other) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let mut waiting = vec![enqueue_of(&pool, one), enqueue_of(&pool, one)];
    waiting.push(enqueue_of(&pool, other));
    waiting.push(enqueue(&pool, "an operator's"));
    assert!(waiting[..3].iter_mut().all(|one| poll(one).is_pending()));
    let busy = Poll::Ready(Err(AccountsError::HashingBusy));
    assert_eq!(poll(&mut enqueue_of(&pool, one)), busy);
    let asker = Some(Some(std::net::IpAddr::from(one)).into());
    assert_eq!(pool.place(asker).err(), Some(AccountsError::HashingBusy));
    let place = pool.place(None).unwrap();
    let last = pool.place(None).unwrap();
    assert_eq!(pool.place(None).err(), Some(AccountsError::HashingBusy));
    drop((place, last));

    // Who went away has given its place back.
    drop(waiting.remove(0));
    let mut again = enqueue_of(&pool, one);
    assert!(poll(&mut again).is_pending());
    assert_eq!(poll(&mut enqueue_of(&pool, one)), busy);
    waiting.push(again);
    pool.start_threads(1).unwrap();
    for one in waiting {
        assert!(one.await.is_ok());
    }
}

#[tokio::test]
async fn who_went_away_costs_no_hash() {
    let pool = HashingPool::stopped(cheap(3)).unwrap();
    drop(enqueue(&pool, "gone"));
    drop(enqueue(&pool, "gone too"));
    let stays = enqueue(&pool, "stays");
    pool.start_threads(1).unwrap();
    assert!(stays.await.is_ok());
    assert_eq!(pool.runs(), 1);
}

#[tokio::test]
async fn who_went_away_keeps_no_place() {
    let pool = HashingPool::stopped(cheap(1)).unwrap();
    drop(enqueue(&pool, "gone"));
    let stays = enqueue(&pool, "stays");
    pool.start_threads(1).unwrap();
    assert!(stays.await.is_ok());
}

#[tokio::test]
async fn closing_sends_the_waiting_away_and_ends_the_threads() {
    let pool = HashingPool::stopped(cheap(4)).unwrap();
    let waiting = enqueue(&pool, "waiting");
    pool.close().await;
    assert_eq!(waiting.await, Err(AccountsError::AccountsUnavailable));
    assert_eq!(
        pool.hash(secret("late"), SALT).await,
        Err(AccountsError::AccountsUnavailable)
    );

    let started = HashingPool::start(cheap(4)).unwrap();
    let alive = Arc::downgrade(&started.shared);
    started.close().await;
    assert_eq!(alive.strong_count(), 1, "only the pool itself is left");
    started.close().await;
}

#[tokio::test]
async fn many_at_once_all_get_their_own_answer() {
    let pool = Arc::new(
        HashingPool::start(HashingSettings {
            threads: 3,
            ..cheap(64)
        })
        .unwrap(),
    );
    let hashes = futures_util::future::join_all((0..60).map(|n| {
        let pool = Arc::clone(&pool);
        async move { (n, pool.hash(secret(&format!("pw{n}")), SALT).await.unwrap()) }
    }))
    .await;
    for (n, hash) in hashes {
        let right = pool.verify(secret(&format!("pw{n}")), hash, SALT, false);
        assert!(right.await.unwrap().matches, "{n}");
    }
}

#[test]
fn settings_that_could_never_hash_are_refused() {
    for settings in [
        HashingSettings {
            threads: 0,
            ..cheap(1)
        },
        cheap(0),
        HashingSettings {
            queue_per_address: 0,
            ..cheap(1)
        },
        HashingSettings {
            memory_kib: 1,
            ..cheap(1)
        },
        HashingSettings {
            iterations: 0,
            ..cheap(1)
        },
    ] {
        let error = HashingPool::start(settings).err().unwrap();
        assert_eq!(error.field(), Some("hashing"));
    }
}

#[test]
fn the_defaults_are_the_advised_costs() {
    let settings = HashingSettings::default();
    assert_eq!(
        (settings.memory_kib, settings.iterations, settings.lanes),
        (19_456, 2, 1)
    );
    assert!(settings.threads >= 1);
    assert_eq!((settings.queue, settings.queue_per_address), (64, 16));
}
