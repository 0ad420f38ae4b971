//! Durations, sizes and rates as people write them: `15m`, `1h30m`, `64KiB`, `30/1m`.
//!
//! This room must never round and never overflow: what it can't hold exactly, it refuses.

use crate::service::Rate;
use std::fmt::Write as _;
use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads whole numbers with `d`, `h`, `m` and `s`, the larger unit first, each once at most.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (number, after) = digits(rest)?;
        let unit = after.chars().next()?;
        // The iterator goes on from the unit before: an earlier or repeated one is not found.
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(*length)?)?;
        rest = &after[unit.len_utf8()..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// The shortest text that [`duration`] reads as this, in whole seconds.
pub(super) fn duration_text(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    let mut text = String::new();
    for (unit, length) in UNITS {
        if seconds >= length {
            let _ = write!(text, "{}{unit}", seconds / length);
            seconds %= length;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// Reads milliseconds, a whole number with `ms`, or else what [`duration`] reads.
pub(super) fn short_duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => count(number).map(Duration::from_millis),
        None => duration(text),
    }
}

/// The shortest text that [`short_duration`] reads as this, in whole milliseconds.
pub(super) fn short_duration_text(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        duration_text(duration)
    } else {
        format!("{}ms", duration.as_millis())
    }
}

/// Reads bytes: a whole number, alone or with `KiB`, `MiB` or `GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = digits(text)?;
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The shortest text that [`size`] reads as this.
pub(super) fn size_text(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// The maximum of a rate's count, and of its period.
const MAX_RATE_COUNT: u64 = 1_000_000;
const MAX_RATE_PERIOD: Duration = Duration::from_hours(24);

/// Reads a count and a duration, such as `30/1m`.
pub(super) fn rate(text: &str) -> Option<Rate> {
    let (often, period) = text.split_once('/')?;
    let often = count(often).filter(|often| (1..=MAX_RATE_COUNT).contains(often))?;
    let period = duration(period)?;
    let fits = (Duration::from_secs(1)..=MAX_RATE_PERIOD).contains(&period);
    fits.then_some(Rate {
        count: u32::try_from(often).ok()?,
        period,
    })
}

/// The text that [`rate`] reads as this.
pub(super) fn rate_text(rate: Rate) -> String {
    format!("{}/{}", rate.count, duration_text(rate.period))
}

/// Reads a whole number without sign, point or spaces.
pub(super) fn count(text: &str) -> Option<u64> {
    digits(text)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(number, _)| number)
}

/// The digits that `text` starts with, one at least, and what follows.
fn digits(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_durations_are_milliseconds_or_the_longer_ones() {
        let reads = |text: &str| short_duration(text);
        assert_eq!(reads("50ms"), Some(Duration::from_millis(50)));
        assert_eq!(reads("1500ms"), Some(Duration::from_millis(1_500)));
        assert_eq!(reads("2s"), Some(Duration::from_secs(2)));
        for bad in ["", "ms", "50", "-1ms", "1.5ms", "1s50ms", "50 ms", "50MS"] {
            assert_eq!(reads(bad), None, "{bad:?}");
        }
        for milliseconds in [1, 50, 999, 1_000, 1_001, 90_000] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(reads(&short_duration_text(duration)), Some(duration));
        }
    }

    fn seconds(text: &str) -> Option<u64> {
        duration(text).map(|read| read.as_secs())
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(seconds("15m"), Some(900));
        assert_eq!(seconds("10s"), Some(10));
        assert_eq!(seconds("30d"), Some(2_592_000));
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("0s"), Some(0));
        assert_eq!(seconds("90m"), Some(5_400));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "15",
            "m",
            "15 m",
            " 15m",
            "15m ",
            "-1s",
            "+1s",
            "1.5h",
            "15M",
            "15min",
            "1m1h",
            "1s1s",
            "1w",
            "٣m",
            "99999999999999999999s",
            "999999999999999999d",
            "1h30",
        ] {
            assert_eq!(duration(text), None, "{text:?} was taken");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("8192"), Some(8192));
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1MiB"), Some(1 << 20));
        for text in [
            "",
            "KiB",
            "64 KiB",
            "64kb",
            "64K",
            "-1",
            "1.5MiB",
            "99999999999GiB",
        ] {
            assert_eq!(size(text), None, "{text:?} was taken");
        }
    }

    #[test]
    fn counts_are_digits_only() {
        assert_eq!(count("12"), Some(12));
        for text in ["", "+1", "-1", "1 ", "1_000", "0x10", "1e3"] {
            assert_eq!(count(text), None, "{text:?} was taken");
        }
    }

    #[test]
    fn rates_are_a_count_and_a_duration() {
        let read = |text| rate(text).map(|rate| (rate.count, rate.period.as_secs()));
        assert_eq!(read("30/1m"), Some((30, 60)));
        assert_eq!(read("1/1s"), Some((1, 1)));
        assert_eq!(read("1000000/1d"), Some((1_000_000, 86_400)));
        for text in [
            "",
            "30",
            "/1m",
            "30/",
            "0/1m",
            "30/0s",
            "30/m",
            "30/1m/1m",
            "-1/1m",
            "30 / 1m",
            "30/60",
            "1000001/1d",
            "1/25h",
            "Off",
        ] {
            assert_eq!(rate(text), None, "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn every_duration_reads_its_own_text(seconds in any::<u64>()) {
            let given = Duration::from_secs(seconds);
            prop_assert_eq!(duration(&duration_text(given)), Some(given));
        }

        #[test]
        fn every_size_reads_its_own_text(bytes in any::<u64>(), shift in 0_u32..40) {
            let given = bytes >> 24 << (shift / 2);
            prop_assert_eq!(size(&size_text(given)), Some(given));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in any::<String>()) {
            let _ = (duration(&text), size(&text), count(&text), rate(&text));
        }
    }
}
