//! How the client of a cluster is doing: written by the client, read by operators.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Metric, MetricKind};
use crate::clock::Instant;

/// How long a backlog is remembered, to tell whether it grows.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Below this a backlog that grows is no news.
const NEWS: u64 = 1000;

/// The numbers of a client. Copies are the same client.
#[derive(Debug, Clone, Default)]
pub struct ClientCounter(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    in_flight: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    behind: BTreeMap<String, u64>,
    /// Sums of that, the oldest first.
    history: VecDeque<(Instant, u64)>,
    errors: BTreeMap<&'static str, u64>,
    last_error: Option<String>,
    /// Since when no server can be reached.
    away_since: Option<Instant>,
}

/// How far behind a reader is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Records that are not delivered.
    pub records: u64,
    /// Partitions that have such.
    pub partitions: usize,
    /// Whether they become more, over a minute.
    pub is_growing: bool,
}

impl ClientCounter {
    /// What its numbers mean, in the order of [`attributes`](Self::attributes).
    pub const METRICS: &'static [Metric] = &[
        Metric {
            name: "RecordsInFlight",
            kind: MetricKind::Gauge,
            unit: "records",
            help: "Records that are sent to the brokers and have no answer.",
        },
        Metric {
            name: "BrokersReachable",
            kind: MetricKind::Gauge,
            unit: "1 or 0",
            help: "0 while no broker can be reached, as of the last few seconds.",
        },
    ];

    /// The number of each partition.
    pub const BEHIND: Metric = Metric {
        name: "RecordsBehind",
        kind: MetricKind::Gauge,
        unit: "records",
        help: "How far the group is behind in a partition that this component has, as of the last \
               few seconds; the label `partition` names it.",
    };

    /// The number of each kind.
    pub const ERRORS: Metric = Metric {
        name: "ClientErrorCount",
        kind: MetricKind::Counter,
        unit: "errors",
        help: "Errors of the client, those that it mends itself included; the label `kind` says who \
               is to blame.",
    };

    /// The numbers with their meanings.
    pub fn attributes(&self) -> Vec<(&'static Metric, u64)> {
        let reachable = u64::from(self.0.state.lock().away_since.is_none());
        let numbers = [self.in_flight(), reachable];
        Self::METRICS.iter().zip(numbers).collect()
    }

    /// Notes that so many records were sent.
    pub fn sent(&self, records: usize) {
        self.0.in_flight.fetch_add(records as u64, Relaxed);
    }

    /// Notes that a record has its answer.
    pub fn answered(&self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }

    /// Records that are sent and not answered.
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.load(Relaxed)
    }

    /// Notes how far the group is behind in each partition that this client has.
    pub fn set_behind(&self, behind: BTreeMap<String, u64>, now: Instant) {
        let state = &mut *self.0.state.lock();
        let sum = behind.values().sum();
        state.behind = behind;
        state.history.push_back((now, sum));
        let too_old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) > REMEMBERED;
        while state.history.front().is_some_and(too_old) {
            state.history.pop_front();
        }
    }

    /// How far the group is behind in each partition that this client has, in records.
    pub fn behind_by_partition(&self) -> BTreeMap<String, u64> {
        self.0.state.lock().behind.clone()
    }

    /// The same in one.
    pub fn behind(&self) -> Behind {
        let state = self.0.state.lock();
        let records = state.behind.values().sum();
        let oldest = state.history.front().map_or(records, |(_, sum)| *sum);
        // A look a few seconds apart is no trend.
        let is_long = match (state.history.front(), state.history.back()) {
            (Some((first, _)), Some((last, _))) => {
                last.saturating_duration_since(*first) >= REMEMBERED / 2
            }
            _ => false,
        };
        Behind {
            records,
            partitions: state
                .behind
                .values()
                .filter(|records| **records > 0)
                .count(),
            is_growing: is_long && records > oldest.saturating_add(NEWS),
        }
    }

    /// Counts an error, by who is to blame.
    pub fn failed(&self, kind: &'static str, text: &str) {
        let state = &mut *self.0.state.lock();
        *state.errors.entry(kind).or_default() += 1;
        state.last_error = Some(text.to_owned());
    }

    /// Errors so far, by kind.
    pub fn errors(&self) -> BTreeMap<&'static str, u64> {
        self.0.state.lock().errors.clone()
    }

    /// Notes whether any server can be reached.
    pub fn set_reachable(&self, is_reachable: bool, now: Instant) {
        let state = &mut *self.0.state.lock();
        match is_reachable {
            true => state.away_since = None,
            false => {
                state.away_since.get_or_insert(now);
            }
        }
    }

    /// Since when no server can be reached, and the last error; `None` if one can.
    pub fn away(&self) -> Option<(Instant, String)> {
        let state = self.0.state.lock();
        let since = state.away_since?;
        Some((since, state.last_error.clone().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn behind(sums: &[(u64, u64)]) -> Behind {
        let counter = ClientCounter::default();
        let start = clock::now();
        for (seconds, sum) in sums {
            let now = start + Duration::from_secs(*seconds);
            let of = |name: &str, records| (name.to_owned(), records);
            let map = [of("t-0", *sum), of("t-1", 0)].into();
            counter.set_behind(map, now);
        }
        counter.behind()
    }

    #[test]
    fn a_backlog_grows_if_it_is_more_than_half_a_minute_ago() {
        let growing = |sums: &[(u64, u64)]| behind(sums).is_growing;
        assert!(!growing(&[]));
        assert!(!growing(&[(0, 0), (5, 90_000)]));
        assert!(growing(&[(0, 0), (30, 5000)]));
        assert!(!growing(&[(0, 0), (30, 1000)]));
        // What is more than a minute old does not count.
        assert!(!growing(&[(0, 0), (40, 9000), (90, 9000)]));
        assert!(!growing(&[(0, 9000), (30, 8000)]));
        let now = behind(&[(0, 5)]);
        assert_eq!((now.records, now.partitions), (5, 1));
    }

    #[test]
    fn away_is_since_the_first_look_that_found_nobody() {
        let counter = ClientCounter::default();
        let start = clock::now();
        assert_eq!(counter.away(), None);
        counter.failed("unreachable", "refused");
        counter.set_reachable(false, start);
        counter.set_reachable(false, start + Duration::from_secs(5));
        assert_eq!(counter.away(), Some((start, "refused".to_owned())));
        assert_eq!(counter.attributes()[1].1, 0);
        counter.set_reachable(true, start);
        assert_eq!(counter.away(), None);
        assert_eq!(counter.errors(), [("unreachable", 1)].into());
    }
}
