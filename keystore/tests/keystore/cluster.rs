//! What the processes on one store have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lacre_keystore::{Common, Member, look};

use crate::postgres::{LEASE, open, put, with_stores};
use crate::support::key;

/// A member that keeps what it is told, and refuses where it is to.
#[derive(Default)]
struct Told {
    common: Mutex<Option<Common>>,
    time: AtomicU64,
    refuses: AtomicBool,
}

impl Told {
    fn answer(&self) -> Result<(), String> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        if refuses {
            Err("not with me".to_owned())
        } else {
            Ok(())
        }
    }

    fn version(&self) -> u64 {
        let common = self.common.lock().unwrap();
        common.as_ref().map_or(0, |common| common.version)
    }
}

impl Member for Told {
    fn hear_time(&self, unix_us: u64) -> Result<(), String> {
        self.time.store(unix_us, Ordering::SeqCst);
        Ok(())
    }

    fn take_up(&self, common: &Common) -> Result<(), String> {
        self.answer()?;
        *self.common.lock().unwrap() = Some(common.clone());
        Ok(())
    }
}

#[test]
fn of_several_first_ones_one_puts_what_all_go_by() {
    with_stores(|stores| async move {
        let (one, two) = (stores.one.cluster(), stores.two.cluster());
        assert_eq!(one.common().await, Ok(None));
        let puts = [(one.clone(), b"one"), (two.clone(), b"two")].map(|(cluster, bytes)| {
            tokio::spawn(async move { cluster.put_common(0, bytes.to_vec()).await })
        });
        let [first, second] = puts;
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let won = [first.unwrap(), second.unwrap()];
        assert!(won == [Some(1), None] || won == [None, Some(1)], "{won:?}");
        let common = two.common().await.unwrap().unwrap();
        let expected = if won[0].is_some() { b"one" } else { b"two" };
        assert_eq!((common.version, &common.sealed[..]), (1, &expected[..]));
        assert_eq!(one.put_common(2, b"x".to_vec()).await, Ok(None));
        assert_eq!(one.put_common(1, b"x".to_vec()).await, Ok(Some(2)));
        assert_eq!(two.put_common(1, b"y".to_vec()).await, Ok(None));
        assert_eq!(two.common().await.unwrap().unwrap().sealed, b"x");
    });
}

/// The change is taken up by the other process before it is answered here, or that process has no lease.
#[test]
fn what_all_go_by_is_taken_up_before_its_change_is_answered() {
    with_stores(|stores| async move {
        let (one, two) = (stores.one.cluster(), stores.two.cluster());
        let told = Arc::new(Told::default());
        assert_eq!(one.put_common(0, vec![0]).await, Ok(Some(1)));
        two.join(Arc::clone(&told) as Arc<dyn Member>)
            .await
            .unwrap();
        assert_eq!(told.version(), 1, "with the lease that joining waits for");
        let again = two.join(Arc::new(Told::default())).await;
        assert_eq!(again.unwrap_err().code(), "store_unavailable");
        for version in 1..20 {
            let begun = Instant::now();
            let put = one.put_common(version, vec![7]).await;
            assert_eq!(put, Ok(Some(version + 1)));
            assert!(begun.elapsed() >= LEASE);
            assert!(told.version() == version + 1 || !two.lease().held);
        }
        let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let told = Duration::from_micros(told.time.load(Ordering::SeqCst));
        assert!(unix.abs_diff(told) < Duration::from_secs(5));
    });
}

#[test]
fn a_process_that_refuses_what_all_go_by_has_no_lease_and_says_why() {
    with_stores(|stores| async move {
        let (one, two) = (stores.one.cluster(), stores.two.cluster());
        let told = Arc::new(Told::default());
        two.join(Arc::clone(&told) as Arc<dyn Member>)
            .await
            .unwrap();
        let keystore = open(&stores.two);
        put(&keystore, &key(1, 1)).await;
        let read = keystore.get(&key(1, 1)).await.unwrap().unwrap();
        told.refuses.store(true, Ordering::SeqCst);
        assert_eq!(one.put_common(0, vec![0]).await, Ok(Some(1)));
        assert!(!two.lease().held);
        assert!(!keystore.is_current(&key(1, 1), &read.version));
        let health = keystore.health().unwrap_err().to_string();
        assert!(health.contains("not with me"), "{health}");
        assert!(keystore.get(&key(1, 1)).await.is_err());
        told.refuses.store(false, Ordering::SeqCst);
        let begun = Instant::now();
        while keystore.get(&key(1, 1)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        assert_eq!((told.version(), keystore.health()), (1, Ok(())));
    });
}

#[test]
fn each_says_of_itself_what_the_others_see_also_after_it_was_forgotten() {
    with_stores(|stores| async move {
        let (one, two) = (stores.one.cluster(), stores.two.cluster());
        two.introduce("two it is".to_owned()).await.unwrap();
        let seen = async || {
            let peers = one.peers().await.unwrap();
            let peers = peers.into_iter().map(|peer| (peer.node, peer.about));
            peers.collect::<Vec<_>>()
        };
        assert_eq!(seen().await, [(two.node(), "two it is".to_owned())]);
        let generations = two.lease().generations;
        let gone = sqlx::query("DELETE FROM keystore_nodes")
            .execute(&mut stores.schema.connection().await)
            .await;
        gone.unwrap();
        let begun = Instant::now();
        while two.lease().generations == generations || seen().await.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        assert_eq!(seen().await, [(two.node(), "two it is".to_owned())]);
    });
}

#[test]
fn a_chore_is_one_process_s_turn_at_a_time() {
    with_stores(|stores| async move {
        let (one, two) = (open(&stores.one), open(&stores.two));
        let every = Duration::from_millis(300);
        for _ in 0..2 {
            let turns = [
                one.takes_turn("sweep", every),
                two.takes_turn("sweep", every),
            ];
            let [first, second] = turns.map(|turn| async move { turn.await.unwrap() });
            assert_eq!(u8::from(first.await) + u8::from(second.await), 1);
            assert!(one.takes_turn("other", Duration::ZERO).await.unwrap());
            tokio::time::sleep(every).await;
        }
        // Nothing of what one process keeps for itself.
        assert_eq!(
            crate::support::keystore_on(lacre_keystore::MemoryEngine::new())
                .takes_turn("sweep", every)
                .await,
            Ok(true)
        );
    });
}

#[test]
fn who_has_the_store_alone_keeps_the_next_one_waiting() {
    with_stores(|stores| async move {
        let (one, two) = (stores.one.cluster(), stores.two.cluster());
        let alone = one.alone().await.unwrap();
        let waits = tokio::spawn(async move { two.alone().await.map(drop) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waits.is_finished());
        drop(alone);
        assert_eq!(waits.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_look_changes_nothing() {
    with_stores(|stores| async move {
        let looked = look(&stores.schema.url).await.unwrap();
        assert_eq!(looked.common, None);
        stores.one.cluster().put_common(0, vec![7]).await.unwrap();
        let common = look(&stores.schema.url).await.unwrap().common.unwrap();
        assert_eq!((common.version, common.sealed), (1, vec![7]));
        let mut by_hand = stores.schema.connection().await;
        let nodes: i64 = sqlx::query_scalar("SELECT count(*) FROM keystore_nodes")
            .fetch_one(&mut by_hand)
            .await
            .unwrap();
        assert_eq!(nodes, 2);
    });
}
