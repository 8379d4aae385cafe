//! What came out of a simulation.

use std::time::Duration;

use flume_core::sink_group::SinkIndex;

use super::scenario::Scenario;

/// What came out of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// The sinks, in the order of the group.
    pub sinks: Vec<SimulatedSink>,
    /// Events that came, refused ones included.
    pub arrived: u64,
    /// Events for which the channel had no room.
    pub refused: u64,
    /// Events in the channel at the end, or under way.
    pub left: u64,
    /// Calls of the processor: one for each batch, failed attempts included.
    pub calls: u64,
    /// Calls in which no sink delivered.
    pub exhausted: u64,
    /// The most events that waited in the channel.
    pub high_water: u64,
    /// When that was.
    pub high_water_at: Duration,
    /// The most events that waited, in each slot.
    pub depth: Vec<u64>,
}

/// What became of one sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimulatedSink {
    /// Events that it delivered.
    pub delivered: u64,
    /// Batches that it delivered.
    pub batches: u64,
    /// Batches that it failed.
    pub failed: u64,
    /// How long the delivered batches took in all.
    pub latency: Duration,
    /// How long the slowest of them took.
    pub slowest: Duration,
    /// Events that it delivered, in each slot.
    pub slots: Vec<u64>,
    /// Batches that it failed, in each slot.
    pub failed_slots: Vec<u64>,
}

impl Simulated {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let sink = SimulatedSink {
            slots: vec![0; scenario.slots],
            failed_slots: vec![0; scenario.slots],
            ..SimulatedSink::default()
        };
        Self {
            sinks: vec![sink; scenario.sinks],
            arrived: 0,
            refused: 0,
            left: 0,
            calls: 0,
            exhausted: 0,
            high_water: 0,
            high_water_at: Duration::ZERO,
            depth: vec![0; scenario.slots],
        }
    }

    /// Events that were delivered.
    pub fn delivered(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.delivered).sum()
    }

    /// A sink's part of what was delivered, from 0 to 1; 0 if nothing was delivered.
    pub fn share(&self, sink: SinkIndex) -> f64 {
        let delivered = self.sinks.get(sink).map_or(0, |sink| sink.delivered);
        ratio(delivered, self.delivered())
    }

    /// The same of one slot; `None` if nothing was delivered in it.
    pub fn share_in(&self, sink: SinkIndex, slot: usize) -> Option<f64> {
        let of = |sink: &SimulatedSink| sink.slots.get(slot).copied().unwrap_or(0);
        let all: u64 = self.sinks.iter().map(of).sum();
        (all > 0).then(|| ratio(self.sinks.get(sink).map_or(0, of), all))
    }
}

impl SimulatedSink {
    /// How long a delivered batch took on average.
    pub fn mean_latency(&self) -> Option<Duration> {
        let nanos = self
            .latency
            .as_nanos()
            .checked_div(u128::from(self.batches))?;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share is looked at, not counted with"
)]
fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    part as f64 / all as f64
}
