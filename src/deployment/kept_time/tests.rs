use super::*;
use crate::clock::FixedClock;
use crate::lacre::testing::NOW;
use std::time::Instant;
use tempfile::TempDir;

const DAY: u64 = 24 * 3600;

/// What a clock at `NOW` shows after going on from this mark; or the code of the refusal.
fn gone_on_from(mark: u64) -> Result<u64, &'static str> {
    let directory = TempDir::new().unwrap();
    write_mark(&DataDir::clock(directory.path()), mark).unwrap();
    let clock = FixedClock::at(NOW);
    go_on(directory.path(), &clock).map_err(|error| error.code())?;
    Ok(clock.now())
}

#[test]
fn a_clock_behind_the_mark_goes_on_from_it_and_far_behind_is_refused() {
    for ahead_of_the_clock in [1, 5, 6, 3_600, DAY] {
        let mark = NOW + ahead_of_the_clock;
        assert_eq!(gone_on_from(mark), Ok(mark));
    }
    for far in [NOW + DAY + 1, NOW + 2 * DAY, u64::MAX] {
        assert_eq!(gone_on_from(far), Err("clock_far_behind"), "{far}");
    }
    // What was a long stop, or is a clock that is ahead: nobody can tell.
    for before in [0, NOW - 1_000 * DAY, NOW - 1, NOW] {
        assert_eq!(gone_on_from(before), Ok(NOW));
    }
}

#[test]
fn the_refusal_names_the_difference_and_the_file() {
    let directory = TempDir::new().unwrap();
    let path = DataDir::clock(directory.path());
    write_mark(&path, NOW + 2 * DAY).unwrap();
    let refused = go_on(directory.path(), &FixedClock::at(NOW)).unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("48 hours behind"), "{said}");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
}

#[test]
fn without_a_mark_the_clock_is_believed_and_nothing_is_written() {
    let directory = TempDir::new().unwrap();
    let clock = FixedClock::at(NOW);
    go_on(directory.path(), &clock).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let path = DataDir::clock(directory.path());
    std::fs::write(&path, "noon\n").unwrap();
    go_on(directory.path(), &clock).unwrap();
    assert_eq!(clock.now(), NOW);
    assert_eq!(std::fs::read(&path).unwrap(), b"noon\n");
}

#[test]
fn the_mark_is_written_at_the_start_each_minute_and_at_the_end() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("clock");
    let clock = Arc::new(FixedClock::at(NOW));
    let mut writer = Writer::new(path.clone(), clock.clone());
    writer.write();
    let mark = || read_mark(&path).unwrap();
    assert_eq!(mark(), Mark::Time(NOW));
    // Soon after the start it is behind by no more than half of the time since, so that a process that is
    // killed again and again doesn't hold time up.
    for (seconds, written) in [
        (1, 1),
        (1, 2),
        (1, 2),
        (1, 4),
        (36, 40),
        (39, 40),
        (21, 100),
        (59, 100),
        (1, 160),
    ] {
        clock.advance(seconds);
        writer.look();
        assert_eq!(mark(), Mark::Time(NOW + written));
    }

    let (stop, stopped) = channel();
    let thread = std::thread::spawn(move || writer.run(&stopped, Duration::from_millis(1)));
    clock.advance(60);
    let give_up = Instant::now() + Duration::from_secs(10);
    while mark() != Mark::Time(NOW + 220) {
        assert!(Instant::now() < give_up);
        std::thread::yield_now();
    }
    clock.advance(7);
    drop(stop);
    thread.join().unwrap();
    assert_eq!(mark(), Mark::Time(NOW + 227));
}

#[test]
fn the_last_mark_is_written_while_the_directory_is_held() {
    let directory = TempDir::new().unwrap();
    let data_dir = DataDir::open(directory.path()).unwrap();
    let clock = Arc::new(FixedClock::at(NOW));
    let keeper = TimeKeeper::start(&data_dir, clock.clone()).unwrap();
    let path = DataDir::clock(directory.path());
    assert_eq!(read_mark(&path).unwrap(), Mark::Time(NOW), "at once");
    clock.advance(3);
    drop(keeper);
    assert_eq!(read_mark(&path).unwrap(), Mark::Time(NOW + 3));
}

#[test]
fn a_mark_that_cant_be_written_is_tried_again() {
    let directory = TempDir::new().unwrap();
    let gone = directory.path().join("gone");
    let path = gone.join("clock");
    let clock = Arc::new(FixedClock::at(NOW));
    let mut writer = Writer::new(path.clone(), clock.clone());
    writer.write();
    assert!(writer.fails);
    std::fs::create_dir(&gone).unwrap();
    writer.look();
    assert!(writer.fails, "tried too often");
    clock.advance(1);
    writer.look();
    assert!(!writer.fails);
    assert_eq!(read_mark(&path).unwrap(), Mark::Time(NOW + 1));
}
