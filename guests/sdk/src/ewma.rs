//! Averages that decay: the older a sample, the less it counts.
//!
//! Age is time, not the number of samples: otherwise a sink that gets one batch a minute would
//! remember an hour.

use crate::properties::Properties;
use crate::selector::News;
use crate::words;

/// An exponentially weighted moving average.
///
/// ```
/// use flume_policy_sdk::Ewma;
///
/// const SECOND: u64 = 1_000_000_000;
/// let mut average = Ewma::default();
/// average.observe(10.0, 0, SECOND);
/// average.observe(20.0, 100 * SECOND, SECOND);
/// assert_eq!(average.get().map(f64::round), Some(20.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ewma {
    value: f64,
    /// The time of the last sample.
    at: u64,
    seen: bool,
}

impl Ewma {
    /// Adds a sample. The longer ago the last one was, the more it counts: 63 % after `decay`
    /// nanoseconds.
    pub fn observe(&mut self, sample: f64, at: u64, decay: u64) {
        let keep = match self.seen {
            true => keep(self.at, at, decay),
            false => 0.0,
        };
        // The same sample once more must not change the average by an error of rounding.
        self.value = sample + (self.value - sample) * keep;
        (self.at, self.seen) = (at.max(self.at), true);
    }

    /// Adds a sample; one above the average becomes the average at once.
    pub fn observe_peak(&mut self, sample: f64, at: u64, decay: u64) {
        if sample > self.value {
            (self.value, self.at, self.seen) = (sample, at.max(self.at), true);
        } else {
            self.observe(sample, at, decay);
        }
    }

    /// The average as of the last sample.
    pub fn get(&self) -> Option<f64> {
        self.seen.then_some(self.value)
    }

    /// The average, fading to 0 since the last sample: a sink that is no longer tried becomes
    /// worth a try.
    pub fn faded(&self, now: u64, decay: u64) -> f64 {
        self.value * keep(self.at, now, decay)
    }
}

/// The rest of a value after some time.
fn keep(from: u64, to: u64, decay: u64) -> f64 {
    (-(to.saturating_sub(from) as f64) / decay.max(1) as f64).exp()
}

/// The average time of batches at each sink of a group, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Latencies {
    sinks: Vec<Ewma>,
    decay: u64,
}

impl Latencies {
    /// The layout of [`pack`](Self::pack). Policies whose state is latencies share it, so that each
    /// can take over the state of the other.
    pub const FORMAT: u32 = words::format(b"lat1");

    /// Reads `decay-ms` (10000; 1 to 3600000).
    pub fn configure(properties: &mut Properties, sinks: usize) -> Self {
        let decay = properties.number("decay-ms", 10_000, 1..=3_600_000_u64);
        Self {
            sinks: vec![Ewma::default(); sinks],
            decay: decay * 1_000_000,
        }
    }

    /// A sink delivered. Batches without a known time are left out.
    pub fn delivered(&mut self, sink: usize, news: &News) {
        if let Some(mean) = news.mean_latency() {
            self.sinks[sink].observe(mean, news.at, self.decay);
        }
    }

    /// The same, but a batch that took longer than the average becomes the average.
    pub fn delivered_peak(&mut self, sink: usize, news: &News) {
        if let Some(mean) = news.mean_latency() {
            self.peak(sink, mean, news.at);
        }
    }

    /// Adds a time from elsewhere.
    pub fn peak(&mut self, sink: usize, nanos: f64, at: u64) {
        self.sinks[sink].observe_peak(nanos, at, self.decay);
    }

    /// The average of a sink that delivered.
    pub fn of(&self, sink: usize) -> Option<f64> {
        self.sinks[sink].get()
    }

    /// The average, fading since the last batch; 0 for a sink that never delivered.
    pub fn faded(&self, sink: usize, now: u64) -> f64 {
        self.sinks[sink].faded(now, self.decay)
    }

    /// The averages, for [`State::export`](crate::State::export).
    pub fn pack(&self) -> Vec<u8> {
        let row = |ewma: &Ewma| [ewma.value.to_bits(), ewma.at, u64::from(ewma.seen)];
        words::pack(self.sinks.iter().flat_map(row))
    }

    /// Takes over averages.
    ///
    /// # Errors
    /// The bytes have another layout.
    pub fn unpack(&mut self, format: u32, bytes: &[u8]) -> Result<(), String> {
        words::same_format(format, Self::FORMAT)?;
        let rows = words::rows::<3>(bytes, self.sinks.len())?;
        let values = rows.iter().map(|[value, ..]| f64::from_bits(*value));
        if values.clone().any(|value| !(0.0..1e18).contains(&value)) {
            return Err("the state has a latency that is none".to_owned());
        }
        let ewma = |(value, [_, at, seen]): (f64, &[u64; 3])| Ewma {
            value,
            at: *at,
            seen: *seen != 0,
        };
        self.sinks = values.zip(&rows).map(ewma).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_sample_counts_by_the_time_since_the_last() {
        let mut average = Ewma::default();
        assert_eq!(average.get(), None);
        average.observe(100.0, 5, SECOND);
        assert_eq!(average.get(), Some(100.0));
        average.observe(100.0, 17, SECOND);
        assert_eq!(average.get(), Some(100.0));
        average.observe(0.0, 17 + SECOND, SECOND);
        let left = average.get().unwrap();
        assert!((36.7..36.8).contains(&left), "{left}");
        // A time that goes back counts as zero.
        average.observe(1000.0, 3, SECOND);
        assert!((average.get().unwrap() - left).abs() < 1e-9);
    }

    #[test]
    fn a_peak_is_taken_at_once_and_forgotten_slowly() {
        let mut average = Ewma::default();
        average.observe_peak(10.0, 0, SECOND);
        average.observe_peak(50.0, 1, SECOND);
        assert_eq!(average.get(), Some(50.0));
        average.observe_peak(10.0, SECOND / 10, SECOND);
        assert!(average.get() > Some(45.0), "{average:?}");
        assert!(average.faded(SECOND * 10, SECOND) < 0.01);
    }

    #[test]
    fn averages_are_handed_over() {
        let mut properties = Properties::of(&[("decay-ms", "1000")]);
        let mut old = Latencies::configure(&mut properties, 2);
        let mut new = old.clone();
        let news = News {
            batches: 2,
            events: 20,
            latency: 8_000_000,
            at: 77,
        };
        old.delivered(1, &news);
        old.delivered(1, &News::default());
        new.unpack(Latencies::FORMAT, &old.pack()).unwrap();
        assert_eq!((new.of(0), new.of(1)), (None, Some(4_000_000.0)));

        new.unpack(1, &old.pack()).unwrap_err();
        new.unpack(Latencies::FORMAT, &[0; 24]).unwrap_err();
        let nonsense = words::pack([0, 0, 0, f64::NAN.to_bits(), 0, 0]);
        let error = new.unpack(Latencies::FORMAT, &nonsense).unwrap_err();
        assert_eq!(error, "the state has a latency that is none");
    }
}
