//! Counts numbered events one by one: lost, duplicated, and never sent.
//!
//! In a total, one lost and one duplicated event would cancel out.

use std::fmt;

/// Batches that one of our Avro sinks may have in flight: the default of its `max-in-flight`. Those
/// that a collector took and did not answer before it ended are delivered again.
pub const UNDER_WAY: u64 = 4;

/// What follows the number in every numbered body: characters of two and three bytes, so that an
/// encoding that is wrong anywhere on the way makes every event a stranger. `tests/peers` has the
/// same text.
pub const TAIL: &str = " žluťoučký 日本";

/// How many events of each sort a report names.
const SHOWN: usize = 5;

/// The body of event `number`.
#[must_use]
pub fn body(prefix: &str, number: u64) -> String {
    format!("{prefix} {number}{TAIL}")
}

/// How often each event of `0..count` has arrived.
#[derive(Debug)]
pub struct Tally {
    prefix: String,
    arrivals: Vec<u32>,
    strangers: Vec<String>,
    strange: u64,
}

impl Tally {
    /// Nothing has arrived yet.
    ///
    /// # Panics
    /// When `count` events do not fit into memory.
    #[must_use]
    pub fn new(prefix: &str, count: u64) -> Self {
        let count = usize::try_from(count).expect("few enough events to be counted in memory");
        let prefix = format!("{prefix} ");
        Self {
            prefix,
            arrivals: vec![0; count],
            strangers: Vec::new(),
            strange: 0,
        }
    }

    /// The tally of the lines of a text.
    #[must_use]
    pub fn of_lines(prefix: &str, count: u64, text: &str) -> Self {
        let mut tally = Self::new(prefix, count);
        for line in text.lines() {
            tally.add(line.as_bytes());
        }
        tally
    }

    /// Records the arrival of one event.
    pub fn add(&mut self, body: &[u8]) {
        let number = std::str::from_utf8(body).ok().and_then(|text| {
            text.strip_prefix(&self.prefix)?
                .strip_suffix(TAIL)?
                .parse()
                .ok()
        });
        match number.and_then(|number: usize| self.arrivals.get_mut(number)) {
            Some(arrivals) => *arrivals += 1,
            None => {
                self.strange += 1;
                if self.strangers.len() < SHOWN {
                    self.strangers
                        .push(String::from_utf8_lossy(body).into_owned());
                }
            }
        }
    }

    /// How many different events have arrived.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.count(|arrivals| arrivals > 0)
    }

    /// The numbers that have not arrived.
    #[must_use]
    pub fn lost(&self) -> Vec<u64> {
        let missing = (0..)
            .zip(&self.arrivals)
            .filter(|&(_, &arrivals)| arrivals == 0);
        missing.map(|(number, _)| number).collect()
    }

    /// How many arrivals there were beyond the first of each event.
    #[must_use]
    pub fn doubled(&self) -> u64 {
        self.arrivals
            .iter()
            .map(|&arrivals| u64::from(arrivals.saturating_sub(1)))
            .sum()
    }

    /// Whether event `number` has arrived.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        let at = usize::try_from(number)
            .ok()
            .and_then(|number| self.arrivals.get(number));
        at.is_some_and(|&arrivals| arrivals > 0)
    }

    /// How many of `numbers` have arrived.
    #[must_use]
    pub fn arrived_of(&self, numbers: std::ops::Range<u64>) -> u64 {
        numbers.map(|number| u64::from(self.has(number))).sum()
    }

    /// Each event exactly once, and nothing else.
    ///
    /// # Panics
    /// Otherwise; the message lists lost, duplicate and unknown events.
    pub fn assert_exact(&self, what: &str) {
        self.assert_at_least_once(what, 0);
    }

    /// Each event at least once, at most `doubled` duplicates, and nothing else.
    ///
    /// # Panics
    /// Otherwise; the message lists lost, duplicate and unknown events.
    pub fn assert_at_least_once(&self, what: &str, doubled: u64) {
        let complete = self.lost().is_empty() && self.strange == 0;
        assert!(
            complete && self.doubled() <= doubled,
            "{what}: {self} (may duplicate: {doubled})"
        );
    }

    /// At most `lost` events missing, at most `doubled` duplicates, and nothing else.
    ///
    /// # Panics
    /// Otherwise; the message lists lost, duplicate and unknown events.
    pub fn assert_within(&self, what: &str, lost: u64, doubled: u64) {
        let missing = u64::try_from(self.lost().len()).expect("a count");
        assert!(
            missing <= lost && self.doubled() <= doubled && self.strange == 0,
            "{what}: {self} (may lose: {lost}, may duplicate: {doubled})"
        );
    }

    /// Every one of `numbers` has arrived.
    ///
    /// # Panics
    /// When one has not, with the first that are lost.
    pub fn assert_has(&self, what: &str, numbers: &[u64]) {
        let lost: Vec<u64> = numbers
            .iter()
            .copied()
            .filter(|&number| !self.has(number))
            .collect();
        let first = &lost[..lost.len().min(SHOWN)];
        assert!(
            lost.is_empty(),
            "{what}: {} of {} lost: {first:?}…",
            lost.len(),
            numbers.len()
        );
    }

    fn count(&self, wanted: impl Fn(u32) -> bool) -> u64 {
        self.arrivals
            .iter()
            .map(|&arrivals| u64::from(wanted(arrivals)))
            .sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.lost();
        write!(
            out,
            "of {} events {} arrived, {} lost {:?}…, {} duplicated, {} unexpected {:?}",
            self.arrivals.len(),
            self.arrived(),
            lost.len(),
            &lost[..lost.len().min(SHOWN)],
            self.doubled(),
            self.strange,
            self.strangers
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_event_is_not_hidden_by_a_duplicate() {
        let mut tally = Tally::new("t", 3);
        for number in [0, 2, 2] {
            tally.add(body("t", number).as_bytes());
        }
        assert_eq!(
            (tally.lost(), tally.doubled(), tally.arrived()),
            (vec![1], 1, 2)
        );
    }

    #[test]
    fn a_body_with_a_broken_encoding_is_unknown() {
        let mut tally = Tally::new("t", 3);
        tally.add("t 1 ?lu?ou?k? ??".as_bytes());
        tally.add(body("t", 3).as_bytes());
        tally.add(body("u", 1).as_bytes());
        assert_eq!((tally.strange, tally.arrived()), (3, 0));
    }
}
