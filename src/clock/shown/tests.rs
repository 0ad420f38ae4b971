use super::*;
use std::sync::Arc;

/// A machine whose clocks stand where the test puts them.
#[derive(Clone, Default)]
struct Bench(Arc<(AtomicI64, AtomicI64)>);

impl Machine for Bench {
    fn running(&self) -> i64 {
        self.0.0.load(Ordering::Relaxed)
    }

    fn wall(&self) -> i64 {
        self.0.1.load(Ordering::Relaxed)
    }
}

impl Bench {
    /// A machine that has run for an hour, and the time on it.
    fn new() -> (Self, Shown<Self>) {
        let bench = Self::default();
        bench.go_on(3_600_000);
        bench.set(1_000_000 - 3_600);
        (bench.clone(), Shown::new(bench))
    }

    fn go_on(&self, millis: i64) {
        let nanos = millis * (NANOS / 1_000);
        self.0.0.fetch_add(nanos, Ordering::Relaxed);
        self.0.1.fetch_add(nanos, Ordering::Relaxed);
    }

    fn set(&self, seconds: i64) {
        self.0.1.fetch_add(seconds * NANOS, Ordering::Relaxed);
    }
}

#[test]
fn time_goes_on_while_the_wall_clock_is_two_hours_ahead_and_afterwards() {
    let (bench, shown) = Bench::new();
    assert_eq!(shown.now(), 1_000_000);
    bench.set(7_200);
    bench.go_on(1_500);
    assert_eq!(shown.now(), 1_000_001);
    assert_eq!((shown.jumps(), shown.off_by()), (1, 7_200));
    bench.set(-7_200);
    bench.go_on(1_500);
    assert_eq!(shown.now(), 1_000_003);
    assert_eq!((shown.jumps(), shown.off_by()), (1, 0));
    bench.go_on(60_000);
    assert_eq!(shown.now(), 1_000_063);
}

#[test]
fn the_wall_clock_is_looked_at_once_a_second() {
    let (bench, shown) = Bench::new();
    bench.set(4);
    bench.go_on(999);
    assert_eq!(shown.now(), 1_000_000, "not looked at yet");
    bench.go_on(1);
    assert_eq!(shown.now(), 1_000_005, "followed");
}

#[test]
fn what_was_shown_is_never_undercut() {
    let (bench, shown) = Bench::new();
    bench.go_on(10_001);
    assert_eq!(shown.now(), 1_000_010);
    // Time is lowered by a tenth of the second that has passed, across the second that was shown.
    bench.set(-3_600);
    bench.go_on(1_000);
    assert_eq!(shown.now(), 1_000_010);
    bench.go_on(100);
    assert_eq!(shown.now(), 1_000_011);
    shown.raise_to(1_003_600);
    assert_eq!(shown.now(), 1_003_600);
    shown.raise_to(0);
    assert_eq!(shown.now(), 1_003_600);
    assert_eq!(shown.jumps(), 1);
}

#[test]
fn a_wall_clock_before_1970_or_at_the_end_of_days_shows_some_time() {
    let bench = Bench::default();
    bench.go_on(3_600_000);
    bench.set(-4_000);
    let shown = Shown::new(bench.clone());
    assert_eq!(shown.now(), 0);
    bench.set(LATEST / NANOS);
    bench.go_on(61_000);
    shown.now();
    bench.go_on(61_000);
    assert!(shown.now() > 7_000_000_000);
    shown.raise_to(u64::MAX);
    assert_eq!(shown.now(), LATEST.unsigned_abs() / NANOS.unsigned_abs());
}

/// Readers on all sides, while the wall clock is set to and fro: nobody sees a time that is earlier than
/// one that somebody saw before.
#[test]
fn no_thread_sees_time_go_back() {
    let (bench, shown) = Bench::new();
    let newest = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let before = newest.load(Ordering::SeqCst);
                    let now = shown.now();
                    assert!(now >= before, "{now} after {before}");
                    newest.fetch_max(now, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for step in 0..5_000 {
                bench.go_on(700);
                bench.set([3, -4_000, 4_000, -3][step % 4]);
            }
        });
    });
    shown.raise_to(2_000_000);
    assert!(shown.now() >= 2_000_000);
}
