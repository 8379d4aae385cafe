//! What is to happen in a simulation, and whether that can be played.

use std::time::Duration;

use flume_core::sink_group::SinkIndex;

/// The most combinations of the values of all headers.
const MOST_COMBINATIONS: usize = 65_536;

/// What happens in a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Sinks of the group; 2 at least.
    pub sinks: usize,
    /// Events per second; 1 at least.
    pub rate: u64,
    /// How long it goes on; above 0.
    pub duration: Duration,
    /// Events that a sink takes at once; 1 at least.
    pub batch: usize,
    /// Batches that may be under way at once; 1 at least.
    pub parallel: usize,
    /// Events that the channel holds; a batch at least.
    pub capacity: usize,
    /// How long a sink takes for a batch, also for one that fails; above 0.
    pub latency: Duration,
    /// By how many per cent that varies, up and down; 99 at most.
    pub jitter: u32,
    /// The seed of everything random.
    pub seed: u64,
    /// Headers of the events, and how many values each has.
    pub headers: Vec<(String, usize)>,
    /// When sinks fail.
    pub outages: Vec<Outage>,
    /// When sinks are slower, or faster. Of several at the same time the last one counts.
    pub delays: Vec<Delay>,
    /// Into how many equal parts the time is divided for the shares; 1 at least.
    pub slots: usize,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            sinks: 2,
            rate: 1000,
            duration: Duration::from_secs(60),
            batch: 100,
            parallel: 1,
            capacity: 1_000_000,
            latency: Duration::from_millis(2),
            jitter: 10,
            seed: 1,
            headers: Vec::new(),
            outages: Vec::new(),
            delays: Vec::new(),
            slots: 60,
        }
    }
}

/// A part of a simulation's time: from the first moment, up to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub from: Duration,
    /// When it is over.
    pub to: Duration,
}

impl Window {
    /// All of the time.
    pub const ALWAYS: Self = Self {
        from: Duration::ZERO,
        to: Duration::MAX,
    };

    /// Whether a moment is in it.
    pub fn contains(&self, at: Duration) -> bool {
        self.from <= at && at < self.to
    }
}

/// A sink fails for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Which.
    pub sink: SinkIndex,
    /// When: a batch fails if its answer falls into this window.
    pub during: Window,
    /// How many per cent of the batches; 100 for all.
    pub percent: u32,
}

/// A sink is slower, or faster, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// Which.
    pub sink: SinkIndex,
    /// When: by the moment at which a batch begins.
    pub during: Window,
    /// How long a batch takes then; above 0.
    pub latency: Duration,
}

/// A scenario that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// A group has two sinks at least.
    #[error("a group has at least 2 sinks, not {0}")]
    Sinks(usize),
    /// A number that must not be 0.
    #[error("{0} must be above 0")]
    Zero(&'static str),
    /// The channel must have room for a batch.
    #[error("the channel has room for {capacity} events, and a batch has {batch}")]
    Capacity {
        /// Of the channel.
        capacity: usize,
        /// Of a sink.
        batch: usize,
    },
    /// A sink would answer before it gets the batch.
    #[error("a jitter of {0} per cent; 99 at most")]
    Jitter(u32),
    /// Something happens at a sink that the group does not have.
    #[error("there is no sink s{}; the last one is s{sinks}", .sink + 1)]
    NoSuchSink {
        /// Its number, from 0.
        sink: SinkIndex,
        /// How many there are.
        sinks: usize,
    },
    /// Too many values of headers.
    #[error(
        "the headers have {0} combinations of values; at most {MOST_COMBINATIONS} are possible"
    )]
    Combinations(usize),
}

impl Scenario {
    /// Says why it cannot be played, if it cannot.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        if self.sinks < 2 {
            return Err(ScenarioError::Sinks(self.sinks));
        }
        let zero = [
            ("the rate", self.rate == 0),
            ("the duration", self.duration.is_zero()),
            ("the batch", self.batch == 0),
            ("the number of batches under way", self.parallel == 0),
            ("the latency", self.latency.is_zero()),
            ("the number of slots", self.slots == 0),
            (
                "a latency",
                self.delays.iter().any(|delay| delay.latency.is_zero()),
            ),
            (
                "the number of values",
                self.headers.iter().any(|(_, values)| *values == 0),
            ),
        ];
        if let Some((what, _)) = zero.iter().find(|(_, is_zero)| *is_zero) {
            return Err(ScenarioError::Zero(what));
        }
        if self.capacity < self.batch {
            let (capacity, batch) = (self.capacity, self.batch);
            return Err(ScenarioError::Capacity { capacity, batch });
        }
        if self.jitter > 99 {
            return Err(ScenarioError::Jitter(self.jitter));
        }
        let outages = self.outages.iter().map(|outage| outage.sink);
        let mut named = outages.chain(self.delays.iter().map(|delay| delay.sink));
        if let Some(sink) = named.find(|sink| *sink >= self.sinks) {
            let sinks = self.sinks;
            return Err(ScenarioError::NoSuchSink { sink, sinks });
        }
        let combinations = self.combinations();
        if combinations > MOST_COMBINATIONS {
            return Err(ScenarioError::Combinations(combinations));
        }
        Ok(())
    }

    /// How many different events there are: a value of each header.
    pub(super) fn combinations(&self) -> usize {
        let values = self.headers.iter().map(|(_, values)| *values);
        values.fold(1, usize::saturating_mul)
    }
}
