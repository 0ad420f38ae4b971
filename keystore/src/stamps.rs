//! Whether a record may have changed since it was read, told without reading it again.
//!
//! Each record belongs to one of a fixed number of counters. The one thread that writes raises a
//! record's counter before it touches the record and once more after it has, so an odd counter
//! means that a change is under way; for a batch, the counters of all its records are raised before
//! the first is touched and again after the last, each once, however many share it. Who reads a
//! record notes the counter before and looks at it again after: where it was even and hasn't moved,
//! what was read is what the store holds, and it stays so for as long as the counter stands there.
//!
//! Records that share a counter only make each other read once more. Nothing is kept of a record,
//! so there is nothing to evict and nothing to wipe.
//!
//! This room must never say "unchanged" of a record whose change has been answered, nor of
//! anything once the store has failed to answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::key::KeyBytes;
use crate::store::Stamp;

/// How many counters there are: 512 KiB of them. With a thousand changes a second a record is read
/// again every minute on account of the others.
const COUNTERS: usize = 1 << 16;

/// A counter, which a test replaces by one whose every interleaving is tried.
pub(crate) trait Counter {
    /// A counter that stands at 0.
    fn new() -> Self;
    /// Where it stands.
    fn read(&self) -> u64;
    /// Raises it by one.
    fn raise(&self);
}

impl Counter for AtomicU64 {
    fn new() -> Self {
        Self::new(0)
    }

    fn read(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn raise(&self) {
        self.fetch_add(1, Ordering::SeqCst);
    }
}

/// The counters of one keystore.
pub(crate) struct Stamps<C = AtomicU64> {
    counters: Box<[C]>,
    /// Whether the store has answered every question so far.
    trusted: AtomicBool,
}

impl Stamps {
    pub(crate) fn new() -> Self {
        Self::with(COUNTERS)
    }
}

impl<C: Counter> Stamps<C> {
    pub(crate) fn with(counters: usize) -> Self {
        Self {
            counters: (0..counters).map(|_| C::new()).collect(),
            trusted: AtomicBool::new(true),
        }
    }

    /// Reads a record, and says for how long what was read can be relied on.
    pub(crate) fn around<T>(&self, key: &KeyBytes, read: impl FnOnce() -> T) -> (T, Stamp) {
        let counter = self.counter(key);
        let before = counter.read();
        let found = read();
        let quiet = before.is_multiple_of(2) && counter.read() == before;
        (
            found,
            if quiet {
                Stamp::from_bits(before)
            } else {
                Stamp::NEVER
            },
        )
    }

    /// As [`around`](Self::around), for a read that takes its time.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) async fn around_async<T>(
        &self,
        key: &KeyBytes,
        read: impl Future<Output = T>,
    ) -> (T, Stamp) {
        let counter = self.counter(key);
        let before = counter.read();
        let found = read.await;
        let quiet = before.is_multiple_of(2) && counter.read() == before;
        let stamp = if quiet {
            Stamp::from_bits(before)
        } else {
            Stamp::NEVER
        };
        (found, stamp)
    }

    /// The record has been changed, here or by another process: no stamp of before holds. Any thread may
    /// say so.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn changed(&self, key: &KeyBytes) {
        // Twice: the counter stays even, and is another whatever other threads add meanwhile.
        let counter = self.counter(key);
        counter.raise();
        counter.raise();
    }

    /// Any record may have been changed: no stamp of before holds.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn all_changed(&self) {
        for counter in &self.counters {
            counter.raise();
            counter.raise();
        }
    }

    /// Whether the record is still what was read under this stamp. `false` may be said of one that
    /// is.
    pub(crate) fn holds(&self, key: &KeyBytes, stamp: Stamp) -> bool {
        stamp.to_bits().is_multiple_of(2)
            && self.trusted.load(Ordering::SeqCst)
            && self.counter(key).read() == stamp.to_bits()
    }

    /// Changes records: no stamp of before holds for any of them from the first moment on, and none
    /// is given until all are changed. Only one thread may do so.
    pub(crate) fn during<'k, T>(
        &self,
        keys: impl IntoIterator<Item = &'k KeyBytes>,
        change: impl FnOnce() -> T,
    ) -> T {
        /// Raises the counters again also where the change panics.
        struct Raised<'a, C: Counter>(&'a [C], Vec<usize>);
        impl<C: Counter> Raised<'_, C> {
            fn raise(&self) {
                let counters = self.1.iter().filter_map(|&place| self.0.get(place));
                counters.for_each(C::raise);
            }
        }
        impl<C: Counter> Drop for Raised<'_, C> {
            fn drop(&mut self) {
                self.raise();
            }
        }
        let mut places: Vec<_> = keys.into_iter().map(|key| self.place(key)).collect();
        // A counter that two of the records share is raised once: twice would make it even.
        places.sort_unstable();
        places.dedup();
        let raised = Raised(&self.counters, places);
        raised.raise();
        change()
    }

    /// Has the store opened anew, which may change any record: no stamp of before holds for anything, and
    /// if it was opened it is trusted again.
    pub(crate) fn during_all<T, E>(&self, open: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let raise = || self.counters.iter().for_each(C::raise);
        raise();
        let opened = open();
        raise();
        if opened.is_ok() {
            self.trusted.store(true, Ordering::SeqCst);
        }
        opened
    }

    /// The store failed to answer: from now on it is asked each time, so that nobody is let in by
    /// memory while the store is away.
    pub(crate) fn distrust(&self) {
        self.trusted.store(false, Ordering::SeqCst);
    }

    fn counter(&self, key: &KeyBytes) -> &C {
        &self.counters[self.place(key)]
    }

    /// Which counter is a record's: two bytes of the session's id, which is random, say.
    fn place(&self, key: &KeyBytes) -> usize {
        let drawn = usize::from(u16::from_be_bytes([key[16], key[17]]));
        drawn % self.counters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::sync::atomic::AtomicU64 as LoomCounter;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    const KEY: KeyBytes = [7; 32];

    impl Counter for LoomCounter {
        fn new() -> Self {
            Self::new(0)
        }

        fn read(&self) -> u64 {
            self.load(Ordering::SeqCst)
        }

        fn raise(&self) {
            self.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_stamp_holds_until_its_record_changes() {
        let stamps = Stamps::new();
        let ((), stamp) = stamps.around(&KEY, || ());
        assert!(stamps.holds(&KEY, stamp));
        let mut other = KEY;
        other[17] ^= 1;
        stamps.during([&other], || ());
        assert!(stamps.holds(&KEY, stamp));
        stamps.during([&KEY], || assert!(!stamps.holds(&KEY, stamp)));
        assert!(!stamps.holds(&KEY, stamp));
    }

    #[test]
    fn what_is_read_during_a_change_holds_for_nothing() {
        let stamps = Stamps::new();
        let stamp = stamps.during([&KEY], || stamps.around(&KEY, || ()).1);
        assert_eq!(stamp, Stamp::NEVER);
        assert!(!stamps.holds(&KEY, stamp));
        let ((), overtaken) = stamps.around(&KEY, || stamps.during([&KEY], || ()));
        assert_eq!(overtaken, Stamp::NEVER);
    }

    #[test]
    fn a_change_that_panics_is_over() {
        let stamps = Stamps::new();
        let change = || stamps.during([&KEY], || panic!("the engine"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(change)).is_err());
        let ((), stamp) = stamps.around(&KEY, || ());
        assert!(stamps.holds(&KEY, stamp));
    }

    #[test]
    fn a_batch_is_under_way_for_all_its_records_those_that_share_a_counter_too() {
        let stamps = Stamps::new();
        let (mut alike, mut other, mut outside) = (KEY, KEY, KEY);
        (alike[31], other[17], outside[16]) = (8, 8, 8);
        let keys = [KEY, alike, other];
        let before = keys.map(|key| stamps.around(&key, || ()).1);
        let ((), untouched) = stamps.around(&outside, || ());
        stamps.during(&keys, || {
            for (key, stamp) in keys.iter().zip(before) {
                assert!(!stamps.holds(key, stamp));
                assert_eq!(stamps.around(key, || ()).1, Stamp::NEVER);
            }
            assert!(stamps.holds(&outside, untouched));
        });
        for (key, stamp) in keys.iter().zip(before) {
            assert!(!stamps.holds(key, stamp));
            let ((), after) = stamps.around(key, || ());
            assert!(stamps.holds(key, after));
        }
    }

    #[test]
    fn after_an_opening_no_stamp_of_before_holds_and_the_store_is_trusted_again() {
        let stamps = Stamps::new();
        let ((), before) = stamps.around(&KEY, || ());
        stamps.distrust();
        let failed = stamps.during_all(|| Err::<(), _>("no disk"));
        assert_eq!(failed, Err("no disk"));
        let ((), distrusted) = stamps.around(&KEY, || ());
        assert!(!stamps.holds(&KEY, distrusted));
        let within = stamps.during_all(|| Ok::<_, ()>(stamps.around(&KEY, || ()).1));
        assert_eq!(within, Ok(Stamp::NEVER));
        assert!(!stamps.holds(&KEY, before) && !stamps.holds(&KEY, distrusted));
        let ((), after) = stamps.around(&KEY, || ());
        assert!(stamps.holds(&KEY, after));
    }

    #[test]
    fn after_a_failure_nothing_holds() {
        let stamps = Stamps::new();
        let ((), stamp) = stamps.around(&KEY, || ());
        stamps.distrust();
        assert!(!stamps.holds(&KEY, stamp));
    }

    /// A writer makes changes and says after each that it is made; a reader reads, and asks later
    /// whether what it read still stands. In no order of their steps is it told so of a value
    /// whose change was answered before it asked.
    #[test]
    fn in_no_order_is_a_changed_record_called_unchanged() {
        loom::model(|| {
            let stamps = Arc::new(Stamps::<LoomCounter>::with(1));
            let store = Arc::new(Mutex::new(0_u64));
            let answered = Arc::new(LoomCounter::new(0));
            let writer = {
                let (stamps, store) = (Arc::clone(&stamps), Arc::clone(&store));
                let answered = Arc::clone(&answered);
                thread::spawn(move || {
                    for _ in 0..2 {
                        stamps.during([&KEY], || *store.lock().unwrap() += 1);
                        answered.raise();
                    }
                })
            };
            let (value, stamp) = stamps.around(&KEY, || *store.lock().unwrap());
            let due = answered.read();
            if stamps.holds(&KEY, stamp) {
                assert!(value >= due, "{value} was changed {due} times");
            }
            writer.join().unwrap();
            let last = stamps.holds(&KEY, stamp);
            assert_eq!(last, value == 2 && stamp != Stamp::NEVER);
        });
    }

    /// A writer changes three records in one batch, two of them with one counter; a reader reads
    /// one of the two and the third, and asks later. In no order is it told "unchanged" of what
    /// the batch had begun to change.
    #[test]
    fn in_no_order_does_a_batch_pass_for_unchanged() {
        loom::model(|| {
            let (mut alike, mut other) = (KEY, KEY);
            (alike[31], other[17]) = (8, 8);
            let stamps = Arc::new(Stamps::<LoomCounter>::with(2));
            let store = Arc::new([Mutex::new(0_u64), Mutex::new(0), Mutex::new(0)]);
            let answered = Arc::new(LoomCounter::new(0));
            let writer = {
                let (stamps, store) = (Arc::clone(&stamps), Arc::clone(&store));
                let answered = Arc::clone(&answered);
                thread::spawn(move || {
                    let change = || store.iter().for_each(|value| *value.lock().unwrap() += 1);
                    stamps.during([&KEY, &alike, &other], change);
                    answered.raise();
                })
            };
            let (one, first) = stamps.around(&alike, || *store[1].lock().unwrap());
            let (two, second) = stamps.around(&other, || *store[2].lock().unwrap());
            let due = answered.read();
            if stamps.holds(&alike, first) {
                assert!(one >= due, "{one} was changed {due} times");
            }
            if stamps.holds(&other, second) {
                assert!(two >= due, "{two} was changed {due} times");
            }
            writer.join().unwrap();
            let last = stamps.holds(&alike, first);
            assert_eq!(last, one == 1 && first != Stamp::NEVER);
            let last = stamps.holds(&other, second);
            assert_eq!(last, two == 1 && second != Stamp::NEVER);
        });
    }
}
