//! What happens at the sinks of a group between two calls of its policy, as it is told with the next.

use flume_core::sink_group::{SinkIndex, Step};

use crate::bindings::sink_selector::Feedback;

/// What happened since the last call of the policy.
pub(crate) struct News {
    /// What the next order gets, one entry for each sink.
    entries: Vec<Feedback>,
    /// Whether there is any news.
    dirty: Vec<bool>,
    /// When each sink last failed, if that was its last outcome.
    failed_at: Vec<Option<u64>>,
    /// What goes with the call under way.
    told: Vec<Feedback>,
}

impl News {
    pub(crate) fn new(sinks: usize) -> Self {
        let entry = |sink| Feedback {
            sink: u32::try_from(sink).unwrap_or(u32::MAX),
            ..NOTHING
        };
        Self {
            entries: (0..sinks).map(entry).collect(),
            dirty: vec![false; sinks],
            failed_at: vec![None; sinks],
            told: Vec::with_capacity(sinks),
        }
    }

    /// How many sinks there are.
    pub(crate) fn sinks(&self) -> usize {
        self.entries.len()
    }

    /// Whether the last outcome of every sink is a failure.
    pub(crate) fn all_failed(&self) -> bool {
        self.failed_at.iter().all(Option::is_some)
    }

    fn entry(&mut self, sink: SinkIndex) -> Option<&mut Feedback> {
        *self.dirty.get_mut(sink)? = true;
        self.entries.get_mut(sink)
    }

    pub(crate) fn step(&mut self, sink: SinkIndex, step: Step) {
        let Some(entry) = self.entry(sink) else {
            return;
        };
        match step {
            Step::Begun => entry.in_flight = entry.in_flight.saturating_add(1),
            Step::Ended { events, latency } => {
                entry.in_flight = entry.in_flight.saturating_sub(1);
                if events > 0 {
                    let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                    let events = u64::try_from(events).unwrap_or(u64::MAX);
                    entry.events = entry.events.saturating_add(events);
                    entry.latency = entry.latency.saturating_add(nanos);
                }
            }
        }
    }

    pub(crate) fn failed(&mut self, sink: SinkIndex, at: u64) {
        if let Some(entry) = self.entry(sink) {
            entry.failures = entry.failures.saturating_add(1);
            entry.failed_at = at;
        }
        if let Some(failed_at) = self.failed_at.get_mut(sink) {
            *failed_at = Some(at);
        }
    }

    pub(crate) fn delivered(&mut self, sink: SinkIndex, at: u64) {
        if let Some(entry) = self.entry(sink) {
            entry.batches = entry.batches.saturating_add(1);
            entry.delivered_at = at;
        }
        if let Some(failed_at) = self.failed_at.get_mut(sink) {
            *failed_at = None;
        }
    }

    /// A new instance gets what still matters: the failures that no delivery has followed, and what
    /// is under way.
    pub(crate) fn repeat(&mut self) {
        for ((entry, dirty), failed_at) in self
            .entries
            .iter_mut()
            .zip(&mut self.dirty)
            .zip(&self.failed_at)
        {
            if let (Some(at), 0) = (failed_at, entry.failures) {
                (entry.failures, entry.failed_at) = (1, *at);
            }
            *dirty |= entry.failures > 0 || entry.in_flight > 0;
        }
    }

    /// Takes the news for a call. Batches under way at the sinks stay counted.
    pub(crate) fn tell(&mut self) -> &[Feedback] {
        self.told.clear();
        for (entry, dirty) in self.entries.iter_mut().zip(&mut self.dirty) {
            if std::mem::take(dirty) {
                self.told.push(*entry);
                let Feedback {
                    sink, in_flight, ..
                } = *entry;
                *entry = Feedback {
                    sink,
                    in_flight,
                    ..NOTHING
                };
            }
        }
        &self.told
    }
}

const NOTHING: Feedback = Feedback {
    sink: 0,
    in_flight: 0,
    batches: 0,
    events: 0,
    latency: 0,
    delivered_at: 0,
    failures: 0,
    failed_at: 0,
};
