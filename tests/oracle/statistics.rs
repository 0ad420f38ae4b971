//! Samples of time, and whether two sets of them are of one kind.

use std::io::Write as _;
use std::time::Duration;

/// The samples of two classes.
#[derive(Debug, Default)]
pub(crate) struct Pair([Samples; 2]);

impl Pair {
    pub(crate) fn put(&mut self, class: usize, taken: Duration) {
        self.0[class].0.push(taken.as_secs_f64() * 1e9);
    }

    /// How many samples there are of both.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|samples| samples.0.len()).sum()
    }

    pub(crate) fn extend(&mut self, more: Self) {
        for (all, more) in self.0.iter_mut().zip(more.0) {
            all.0.extend(more.0);
        }
    }

    /// Hands them over to the process that asked for them.
    pub(crate) fn write(&self) {
        let mut out = std::io::stdout().lock();
        for (class, samples) in [0.0_f64, 1.0].into_iter().zip(&self.0) {
            for time in &samples.0 {
                out.write_all(&class.to_le_bytes()).unwrap();
                out.write_all(&time.to_le_bytes()).unwrap();
            }
        }
    }

    /// What [`write`](Self::write) wrote.
    pub(crate) fn read(written: &[u8]) -> Self {
        let mut pair = Self::default();
        for sample in written.as_chunks::<16>().0 {
            let [class, time] = [&sample[..8], &sample[8..]]
                .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
            pair.0[usize::from(class > 0.5)].0.push(time);
        }
        pair
    }

    pub(crate) fn without_the_slowest(self) -> [Samples; 2] {
        self.0.map(Samples::without_the_slowest)
    }
}

/// Times of one class, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// The quicker nine tenths: what the machine does besides makes the slowest ones.
    fn without_the_slowest(mut self) -> Self {
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

    /// Of times that [`without_the_slowest`](Pair::without_the_slowest) has sorted.
    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
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
