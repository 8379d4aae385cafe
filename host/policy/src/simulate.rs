//! A group of sinks in virtual time: what a selector would do, without a network and without waits.
//!
//! The selector is driven through the core's own [`LoadBalancingProcessor`](flume_core::sink_processor::LoadBalancingProcessor), call by call as the
//! group runner drives it, so that what is seen here is what would happen there. What is invented
//! is the world: events come at an even rate, and each sink answers after its latency.
//!
//! | of the group runner | here |
//! |---|---|
//! | a worker makes a call when there are events, and takes a batch at most | the same |
//! | a sink serves one worker; others pass by it, and queue for it last | the same |
//! | a call in which every sink failed: a pause of 0.25 s, 0.5 s, … 5 s | the same |
//! | a batch that failed goes back to the head of the channel | the same |
//! | a selector that asks to see events sees the batch, which is its call's to the end | the same |
//! | a selector may split a batch | it is asked for an order instead, as the contract allows |
//! | what is full refuses, and the source waits | refused events are counted and gone |
//!
//! Law: the same scenario and the same selector give the same outcome. So the only clock is the
//! agenda, and what is random comes from the scenario's seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{Instant, WallClock};
use flume_core::sink_processor::SinkIndex;

use self::world::World;

mod channel;
mod outcome;
mod world;

pub use outcome::{Simulated, SimulatedSink};

/// Combinations that the values of all headers may have together.
const MOST_COMBINATIONS: usize = 65_536;

/// Virtual time in which a simulation happens, in milliseconds since 1970: a fixed day, so that
/// policies that look at the calendar see the same one every time.
const BEGAN_UNIX_MS: u64 = 1_767_225_600_000;

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
    /// What a sink takes for a batch, also for one that it fails; above 0.
    pub latency: Duration,
    /// By how many hundredths that varies, either way; 99 at most.
    pub jitter: u32,
    /// For all that is random.
    pub seed: u64,
    /// Headers of the events, and how many values each has.
    pub headers: Vec<(String, usize)>,
    /// When sinks fail.
    pub faults: Vec<Fault>,
    /// When sinks are slower, or faster. Of several at a time the last one counts.
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
            faults: Vec::new(),
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
pub struct Fault {
    /// Which.
    pub sink: SinkIndex,
    /// When: a batch fails if its answer falls into this window.
    pub during: Window,
    /// How many batches in a hundred; 100 for all.
    pub percent: u32,
}

/// A sink takes another time for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// Which.
    pub sink: SinkIndex,
    /// When: by the moment at which a batch begins.
    pub during: Window,
    /// What it takes for a batch then; above 0.
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
    /// A sink would answer before it is asked.
    #[error("a jitter of {0} in a hundred; 99 at most")]
    Jitter(u32),
    /// Something happens at a sink that is none.
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

/// A scenario that can be played.
#[derive(Debug)]
pub struct Simulation {
    scenario: Scenario,
    wall: Arc<AtomicU64>,
}

impl Simulation {
    /// Checks a scenario.
    ///
    /// # Errors
    /// It cannot be played.
    pub fn new(scenario: Scenario) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let wall = Arc::new(AtomicU64::new(BEGAN_UNIX_MS));
        Ok(Self { scenario, wall })
    }

    /// The wall clock of this simulation, for the policy.
    pub fn wall(&self) -> WallClock {
        let wall = Arc::clone(&self.wall);
        WallClock::from_fn(move || wall.load(Ordering::Relaxed))
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Plays it from `start` on, which is [`Policy::zero`](crate::Policy::zero) for a policy: then
    /// it is told the same times in every run.
    pub fn run(&self, selector: Box<dyn SinkSelector>, start: Instant) -> Simulated {
        let tick = |elapsed: Duration| {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            self.wall
                .store(BEGAN_UNIX_MS.saturating_add(millis), Ordering::Relaxed);
        };
        tick(Duration::ZERO);
        World::new(&self.scenario, selector, start).play(tick)
    }
}

impl Scenario {
    fn check(&self) -> Result<(), ScenarioError> {
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
        let faults = self.faults.iter().map(|fault| fault.sink);
        let mut named = faults.chain(self.delays.iter().map(|delay| delay.sink));
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

    fn combinations(&self) -> usize {
        let values = self.headers.iter().map(|(_, values)| *values);
        values.fold(1, usize::saturating_mul)
    }
}

#[cfg(test)]
mod tests;
