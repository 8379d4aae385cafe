//! Exclusion of failed sinks, as the native selectors do it.
//!
//! A sink that fails is left out for 2ⁿ seconds, where n is its number of consecutive failures (at
//! most 16), and never longer than a cap. A failure within an hour after the end of the last
//! exclusion continues the sequence. A delivery ends the sequence, but does not shorten an
//! exclusion.

use crate::properties::Properties;

const SECOND: u64 = 1_000_000_000;
const SEQUENCE_WINDOW: u64 = 3600 * SECOND;
const MOST_FAILURES: u32 = 16;

/// Which sinks are excluded.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// The longest exclusion in nanoseconds; `None` if failures do not exclude.
    cap: Option<u64>,
    failures: Vec<Option<Failure>>,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    in_sequence: u32,
    at: u64,
    until: u64,
}

impl Backoff {
    /// Reads `backoff` (false) and `maxTimeOut` (ms, 30000; 0 also means that).
    pub fn configure(properties: &mut Properties, sinks: usize) -> Self {
        Self::with_default(properties, sinks, false)
    }

    /// The same with another default of `backoff`. Policies that go by latency or load exclude
    /// failed sinks by default, because failing is quick and leaves a sink idle, so that it would
    /// look best.
    pub fn with_default(properties: &mut Properties, sinks: usize, wanted: bool) -> Self {
        let wanted = properties.flag("backoff", wanted);
        let cap = match properties.number("maxTimeOut", 30_000, 0..=31_536_000_000_u64) {
            0 => 30_000,
            cap => cap,
        };
        Self {
            cap: wanted.then_some(cap * 1_000_000),
            failures: vec![None; sinks],
        }
    }

    /// Whether a sink may be tried.
    pub fn allows(&self, sink: usize, now: u64) -> bool {
        match self.failures.get(sink) {
            Some(Some(failure)) => failure.until < now,
            _ => true,
        }
    }

    /// The sinks that may be tried, by number.
    pub fn allowed(&self, now: u64) -> Vec<usize> {
        let mut allowed = Vec::with_capacity(self.failures.len());
        allowed.extend((0..self.failures.len()).filter(|sink| self.allows(*sink, now)));
        allowed
    }

    /// A sink failed.
    pub fn failed(&mut self, sink: usize, at: u64) {
        let (Some(cap), Some(failure)) = (self.cap, self.failures.get_mut(sink)) else {
            return;
        };
        let penalty = |failures: u32| (SECOND << failures).min(cap);
        let in_sequence = match *failure {
            Some(last) if at < last.at + penalty(last.in_sequence) + SEQUENCE_WINDOW => {
                (last.in_sequence + 1).min(MOST_FAILURES)
            }
            _ => 1,
        };
        *failure = Some(Failure {
            in_sequence,
            at,
            until: at + penalty(in_sequence),
        });
    }

    /// A sink delivered.
    pub fn delivered(&mut self, sink: usize) {
        if let Some(Some(failure)) = self.failures.get_mut(sink) {
            failure.in_sequence = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        let pairs = [("backoff", "true"), ("maxTimeOut", "5000")];
        Backoff::configure(&mut Properties::of(&pairs), 2)
    }

    #[test]
    fn exclusions_double_up_to_the_cap() {
        let mut backoff = backoff();
        let mut now = SECOND;
        for seconds in [2, 4, 5, 5] {
            backoff.failed(0, now);
            assert_eq!(backoff.allowed(now + seconds * SECOND), [1], "{seconds} s");
            now += seconds * SECOND + 1;
            assert_eq!(backoff.allowed(now), [0, 1], "{seconds} s");
        }
    }

    #[test]
    fn a_delivery_ends_the_sequence_not_the_exclusion() {
        let mut backoff = backoff();
        backoff.failed(0, 0);
        backoff.failed(0, 0);
        backoff.delivered(0);
        assert!(!backoff.allows(0, 4 * SECOND));
        backoff.failed(0, 5 * SECOND);
        assert!(backoff.allows(0, 7 * SECOND + 1));
    }
}
