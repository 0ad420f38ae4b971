//! Kinds of amount: times, sizes, numbers and rates, each within its limits.

use std::time::Duration;

#[cfg(test)]
use proptest::prelude::*;

use super::{Bad, Kind, good};
use crate::config::quantity::{
    count, duration, duration_text, rate, rate_text, short_duration, short_duration_text, size,
    size_text,
};
use crate::config::written::Written;
use crate::service::Rate;

/// A duration of whole seconds.
pub(in crate::config) struct Seconds {
    from: u64,
    to: u64,
}

/// A duration of so many seconds at least, and at most.
pub(in crate::config) const fn seconds(from: u64, to: u64) -> Seconds {
    Seconds { from, to }
}

impl Kind for Seconds {
    type Value = Duration;

    fn read(&self, written: &Written) -> Result<Duration, Bad> {
        let read = written.text().and_then(duration);
        good(read.filter(|read| (self.from..=self.to).contains(&read.as_secs())))
    }

    fn shown(&self, value: &Duration) -> String {
        duration_text(*value)
    }

    fn takes(&self) -> String {
        let [from, to] = [self.from, self.to].map(|n| duration_text(Duration::from_secs(n)));
        format!("a duration such as `15m` or `1h30m`, from `{from}` to `{to}`")
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to)
            .prop_map(|seconds| duration_text(Duration::from_secs(seconds)))
            .boxed()
    }
}

/// A duration of whole milliseconds.
pub(in crate::config) struct Milliseconds {
    pub(in crate::config) from: u64,
    pub(in crate::config) to: u64,
}

impl Kind for Milliseconds {
    type Value = Duration;

    fn read(&self, written: &Written) -> Result<Duration, Bad> {
        let read = written.text().and_then(short_duration);
        let bounds = Duration::from_millis(self.from)..=Duration::from_millis(self.to);
        good(read.filter(|read| bounds.contains(read)))
    }

    fn shown(&self, value: &Duration) -> String {
        short_duration_text(*value)
    }

    fn takes(&self) -> String {
        let [from, to] =
            [self.from, self.to].map(|n| short_duration_text(Duration::from_millis(n)));
        format!("a duration such as `50ms` or `1s`, from `{from}` to `{to}`")
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to)
            .prop_map(|number| short_duration_text(Duration::from_millis(number)))
            .boxed()
    }
}

/// Bytes.
pub(in crate::config) struct Size {
    pub(in crate::config) from: u64,
    pub(in crate::config) to: u64,
}

impl Kind for Size {
    type Value = u64;

    fn read(&self, written: &Written) -> Result<u64, Bad> {
        let read = written.text_or_number().and_then(|text| size(&text));
        good(read.filter(|read| (self.from..=self.to).contains(read)))
    }

    fn shown(&self, value: &u64) -> String {
        size_text(*value)
    }

    fn takes(&self) -> String {
        let [from, to] = [self.from, self.to].map(size_text);
        format!("a size such as `8192` or `64KiB`, from `{from}` to `{to}`")
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to).prop_map(size_text).boxed()
    }
}

/// A whole number.
pub(in crate::config) struct Whole {
    pub(in crate::config) from: u32,
    pub(in crate::config) to: u32,
}

impl Kind for Whole {
    type Value = u32;

    fn read(&self, written: &Written) -> Result<u32, Bad> {
        let read = written.text_or_number().and_then(|text| count(&text));
        let read = read.and_then(|read| u32::try_from(read).ok());
        good(read.filter(|read| (self.from..=self.to).contains(read)))
    }

    fn shown(&self, value: &u32) -> String {
        value.to_string()
    }

    fn takes(&self) -> String {
        format!("a whole number from {} to {}", self.from, self.to)
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        (self.from..=self.to).prop_map(|n| n.to_string()).boxed()
    }
}

/// How often in how long, or `off`.
pub(in crate::config) struct Frequency;

impl Kind for Frequency {
    type Value = Option<Rate>;

    fn read(&self, written: &Written) -> Result<Option<Rate>, Bad> {
        match good(written.text())? {
            "off" => Ok(None),
            text => good(rate(text)).map(Some),
        }
    }

    fn shown(&self, value: &Option<Rate>) -> String {
        value.map_or_else(|| "off".to_owned(), rate_text)
    }

    fn takes(&self) -> String {
        "how often in how long, such as `30/1m`, up to `1000000/1d`, or `off`".to_owned()
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let period = (1_u64..=86_400).prop_map(Duration::from_secs);
        (1_u32..=1_000_000, period)
            .prop_map(|(count, period)| rate_text(Rate { count, period }))
            .boxed()
    }
}

/// A number of threads up to this, or `cores`: as many as this machine runs at once.
pub(in crate::config) struct Threads {
    pub(in crate::config) to: u32,
}

impl Threads {
    fn cores(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.min(self.to as usize)
    }
}

impl Kind for Threads {
    type Value = usize;

    fn read(&self, written: &Written) -> Result<usize, Bad> {
        let text = good(written.text_or_number())?;
        if text == "cores" {
            return Ok(self.cores());
        }
        let read = count(&text).filter(|read| (1..=u64::from(self.to)).contains(read));
        good(read.and_then(|read| usize::try_from(read).ok()))
    }

    /// As many as there are cores is `cores`, wherever this runs.
    fn shown(&self, value: &usize) -> String {
        if *value == self.cores() {
            "cores".to_owned()
        } else {
            value.to_string()
        }
    }

    fn takes(&self) -> String {
        format!("a whole number from 1 to {}, or `cores`", self.to)
    }

    #[cfg(test)]
    fn samples(&self) -> BoxedStrategy<String> {
        let number = (1..=self.to).prop_map(|n| n.to_string());
        prop_oneof![Just("cores".to_owned()), number].boxed()
    }
}
