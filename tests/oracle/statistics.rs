//! Samples of time, and whether two sets of them are of one kind.

use std::time::Duration;

/// Times of one class, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn put(&mut self, taken: Duration) {
        self.0.push(taken.as_secs_f64() * 1e9);
    }

    /// The quicker nine tenths: what the machine does besides makes the slowest ones.
    pub(crate) fn without_the_slowest(mut self) -> Self {
        self.0.sort_by(f64::total_cmp);
        self.0.truncate(self.0.len() * 9 / 10);
        self
    }

    #[allow(clippy::cast_precision_loss)] // far fewer than 2^52 samples
    fn count(&self) -> f64 {
        self.0.len() as f64
    }

    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.count()
    }

    fn variance(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.0.iter().map(|time| (time - mean).powi(2)).sum();
        squares / (self.count() - 1.0)
    }
}

/// Welch's t: the difference of the means in units of its standard error.
pub(crate) fn welch_t(one: &Samples, two: &Samples) -> f64 {
    let error = one.variance() / one.count() + two.variance() / two.count();
    (one.mean() - two.mean()) / error.sqrt()
}
