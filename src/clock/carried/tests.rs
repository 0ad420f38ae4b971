use super::*;
use proptest::prelude::*;

const HOUR: i64 = 3_600 * NANOS;

/// A machine that has run for a day when the tests begin, and whose wall clock is right until it is set.
struct Bench {
    running: i64,
    wall: i64,
    carried: Carried,
}

impl Bench {
    fn new() -> Self {
        let (running, wall) = (24 * HOUR, 1_800_000_000 * NANOS);
        let carried = Carried::from(sharp(running, wall));
        Self {
            running,
            wall,
            carried,
        }
    }

    fn set(&mut self, seconds: i64) {
        self.wall += seconds * NANOS;
    }

    /// Both clocks go on; then one look.
    fn after(&mut self, seconds: i64) -> Option<Notice> {
        self.running += seconds * NANOS;
        self.wall += seconds * NANOS;
        self.carried.look(sharp(self.running, self.wall))
    }

    /// As many looks, a second apart; what was told, with the number of the look.
    fn looks(&mut self, count: i64) -> Vec<(i64, Notice)> {
        let looks = (1..=count).map(|look| (look, self.after(1)));
        looks
            .filter_map(|(look, told)| told.map(|told| (look, told)))
            .collect()
    }

    /// Seconds since the tests began.
    fn time(&self) -> f64 {
        let time = self.running + self.carried.offset() - 1_800_000_000 * NANOS;
        std::time::Duration::from_nanos(time.unsigned_abs()).as_secs_f64()
    }
}

fn sharp(running: i64, wall: i64) -> Sight {
    Sight {
        before: running,
        wall,
        after: running,
    }
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 0.001, "{left} and {right}");
}

#[test]
fn a_clock_two_hours_ahead_for_a_second_changes_nothing_and_is_told() {
    let mut bench = Bench::new();
    assert_eq!(bench.after(10), None);
    bench.set(7_200);
    assert_eq!(bench.after(1), Some(Notice::Ahead(2 * HOUR)));
    close(bench.time(), 11.0);
    bench.set(-7_200);
    assert_eq!(bench.after(1), Some(Notice::AheadOver));
    assert_eq!(bench.looks(100), []);
    close(bench.time(), 112.0);
}

#[test]
fn a_clock_that_stays_ahead_is_followed_after_a_minute() {
    let mut bench = Bench::new();
    bench.set(7_200);
    let told = bench.looks(200);
    let jump = 2 * HOUR;
    assert_eq!(
        told,
        [(1, Notice::Ahead(jump)), (61, Notice::Followed(jump))]
    );
    close(bench.time(), 7_400.0);
}

#[test]
fn of_a_clock_that_is_ahead_by_changing_times_the_least_is_followed() {
    let mut bench = Bench::new();
    bench.set(7_200);
    bench.looks(30);
    bench.set(-3_600);
    bench.looks(1);
    bench.set(10_000);
    let told = bench.looks(30);
    assert_eq!(told, [(30, Notice::Followed(HOUR))]);
    close(bench.time(), 3_661.0);
    // What is left is another jump, which has to stand again.
    let told = bench.looks(100);
    let rest = 10_000 * NANOS;
    assert_eq!(
        told,
        [(1, Notice::Ahead(rest)), (61, Notice::Followed(rest))]
    );
}

#[test]
fn a_clock_that_is_ahead_again_and_again_for_moments_is_never_followed() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.set(3_600);
        bench.looks(50);
        bench.set(-3_600);
        bench.looks(1);
    }
    close(bench.time(), 5_100.0);
}

#[test]
fn a_clock_set_back_slows_time_down_until_it_has_caught_up() {
    let mut bench = Bench::new();
    bench.after(100);
    bench.set(-3_600);
    assert_eq!(bench.after(1), Some(Notice::Behind(HOUR)));
    close(bench.time(), 100.9);
    assert_eq!(bench.looks(1_000), []);
    close(bench.time(), 1_000.9);
    // A tenth of ten hours, up to the five seconds that aren't told.
    let told = bench.looks(40_000);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, Notice::BehindOver);
    assert!((34_900..35_000).contains(&told[0].0), "{told:?}");
    close(bench.time(), 41_101.0 - 3_600.0);
}

#[test]
fn a_clock_set_back_for_a_moment_costs_time_next_to_nothing() {
    let mut bench = Bench::new();
    bench.set(-86_400);
    assert!(matches!(bench.after(1), Some(Notice::Behind(_))));
    bench.set(86_400);
    assert_eq!(bench.after(1), Some(Notice::BehindOver));
    close(bench.time(), 2.0);
}

#[test]
fn small_steps_are_followed_without_a_word() {
    let mut bench = Bench::new();
    bench.set(5);
    assert_eq!(bench.looks(1), []);
    close(bench.time(), 6.0);
    bench.set(-5);
    assert_eq!(bench.looks(49), []);
    assert!(bench.time() > 50.0);
    assert_eq!(bench.looks(2), []);
    close(bench.time(), 52.0);
}

#[test]
fn a_machine_that_was_suspended_finds_the_time_that_it_is() {
    // The running clock counts the suspension.
    let mut bench = Bench::new();
    assert_eq!(bench.after(8 * 3_600), None);
    close(bench.time(), 8.0 * 3_600.0);
    // A paused virtual machine counts nothing, and its wall clock is set when it goes on.
    bench.set(8 * 3_600);
    let told = bench.looks(61);
    assert_eq!(told.len(), 2, "{told:?}");
    close(bench.time(), 16.0 * 3_600.0 + 61.0);
}

#[test]
fn clocks_of_different_rates_are_followed() {
    let mut bench = Bench::new();
    for _ in 0..10_000 {
        bench.wall += NANOS / 1_000;
        assert_eq!(bench.after(1), None);
    }
    close(bench.time(), 10_010.0);
    for _ in 0..10_000 {
        bench.wall -= NANOS / 1_000;
        assert_eq!(bench.after(1), None);
    }
    close(bench.time(), 20_000.0);
}

#[test]
fn ahead_and_then_behind_is_told_as_that() {
    let mut bench = Bench::new();
    bench.set(7_200);
    assert_eq!(bench.looks(1), [(1, Notice::Ahead(2 * HOUR))]);
    bench.set(-10_800);
    assert_eq!(bench.looks(100), [(1, Notice::Behind(HOUR))]);
    bench.set(10_800);
    let told = bench.looks(2);
    assert!(matches!(told[..], [(1, Notice::Ahead(_))]), "{told:?}");
}

#[test]
fn what_is_raised_stays_and_is_not_told_twice() {
    let mut bench = Bench::new();
    let hour_ahead = bench.wall + HOUR;
    bench.carried.raise_to(hour_ahead, bench.running);
    close(bench.time(), 3_600.0);
    bench.carried.raise_to(hour_ahead - HOUR, bench.running);
    close(bench.time(), 3_600.0);
    let told = bench.looks(36_001);
    assert!(matches!(told[..], [(_, Notice::BehindOver)]), "{told:?}");
    close(bench.time(), 36_001.0);
    // It goes slower for what passes from then on.
    let mut bench = Bench::new();
    bench.running += 10 * HOUR;
    bench.wall += 10 * HOUR;
    let hour_ahead = bench.wall + HOUR;
    bench.carried.raise_to(hour_ahead, bench.running);
    assert_eq!(bench.after(1), None);
    close(bench.time(), 11.0 * 3_600.0 + 0.9);
    // Raised by next to nothing: no difference, and nothing to tell.
    let mut bench = Bench::new();
    let near = bench.wall + 3 * NANOS;
    bench.carried.raise_to(near, bench.running);
    assert_eq!(bench.looks(100), []);
}

#[test]
fn a_sight_that_took_long_tells_nothing() {
    let mut bench = Bench::new();
    let sight = Sight {
        before: bench.running,
        wall: bench.wall + 8 * NANOS,
        after: bench.running + 8 * NANOS,
    };
    assert_eq!(bench.carried.look(sight), None);
    bench.running += 8 * NANOS;
    close(bench.time(), 8.0);
    // One that took a little is right to what it took, and never ahead.
    let sight = Sight {
        before: bench.running,
        wall: bench.wall + 8 * NANOS + SHARP / 2,
        after: bench.running + SHARP,
    };
    assert_eq!(bench.carried.look(sight), None);
    close(bench.time(), 8.0);
}

proptest! {
    /// Whatever is done to the wall clock: time goes on by nine tenths of what passes at least, and by no
    /// more than what passes and what the wall clock was ahead by.
    #[test]
    fn time_never_goes_back_whatever_the_wall_clock_does(
        steps in prop::collection::vec((0..100_000_i64, -1_000_000..1_000_000_i64, any::<bool>()), 1..60)
    ) {
        let mut bench = Bench::new();
        for (millis, jump, jumps) in steps {
            let before = bench.running + bench.carried.offset();
            let passed = millis * (NANOS / 1_000);
            bench.running += passed;
            bench.wall += passed + if jumps { jump * NANOS } else { 0 };
            bench.carried.look(sharp(bench.running, bench.wall));
            let now = bench.running + bench.carried.offset();
            prop_assert!(now - before >= passed - passed / 10);
            prop_assert!(now <= (before + passed).max(bench.wall));
        }
    }
}
