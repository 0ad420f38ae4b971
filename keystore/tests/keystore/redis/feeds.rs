//! What the feeds of a server say that isn't what a process knows of them.

use std::time::{Duration, Instant};

use lacre_keystore::Store;

use super::faults::back;
use super::{Redis, keystore, put, with_stores};
use crate::support::key;

/// The feed of the bucket where the records of user 1 are.
const FEED: &str = "{lacre-00}:f";

/// Puts another entry in the place of the last one, in one step: `argv[1]` and `argv[2]` are who wrote it, and the number
/// of the change, where they aren't empty.
const REPLACE: &str = "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1] \
    local o, t = last[2][2], last[2][4] \
    if ARGV[1] ~= '' then o = ARGV[1] end \
    if ARGV[2] ~= '' then t = ARGV[2] end \
    redis.call('DEL', KEYS[1]) \
    return redis.call('XADD', KEYS[1], last[1], 'o', o, 't', t, 'k', last[2][6])";

/// Waits until the second process has read everything once more.
async fn until_anew(stores: &Redis, generations: u64) {
    let begun = Instant::now();
    while stores.two.lease().unwrap().generations == generations {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "nothing was noticed"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server that has lost entries gives their places to those of other changes.
#[test]
fn another_entry_in_the_place_of_one_that_is_known_is_a_gap() {
    with_stores(|stores| async move {
        let two = keystore(&stores.two);
        put(&two, &key(1, 1)).await;
        for other in [["77", ""], ["", "77"]] {
            // The first process notices the same, and has no connection for a moment.
            let begun = Instant::now();
            while stores.one.remove(key(1, 2)).await.is_err() {
                assert!(begun.elapsed() < Duration::from_secs(5));
            }
            back(&two, &key(1, 1)).await;
            let read = two.get(&key(1, 1)).await.unwrap().unwrap();
            assert!(two.is_current(&key(1, 1), &read.version));
            let generations = stores.two.lease().unwrap().generations;
            let [node, number] = other;
            stores
                .server
                .says(&["EVAL", REPLACE, "1", FEED, node, number]);
            until_anew(&stores, generations).await;
            assert!(!two.is_current(&key(1, 1), &read.version));
        }
    });
}

/// A poll of a server that has nothing to say brings nothing, and is one call for all of its feeds.
#[test]
fn a_poll_is_one_call() {
    with_stores(|stores| async move {
        let calls = || {
            let said = stores.server.says(&["INFO", "stats"]);
            let rounds = [&stores.one, &stores.two].map(|store| store.lease().unwrap().rounds);
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
            let bytes: u64 = line.unwrap().trim().parse().unwrap();
            (bytes, rounds[0] + rounds[1])
        };
        let (bytes, rounds) = calls();
        tokio::time::sleep(Duration::from_millis(600)).await;
        let (more, further) = calls();
        let each = (more - bytes) / (further - rounds).max(1);
        // The answers of each feed alone would be thousands, of which 64 entries are most.
        assert!(each < 1_000, "{each} bytes a poll");
    });
}
