//! A group of sinks in virtual time: what a selector would do, without a network and without waits.
//!
//! The selector is driven through the core's own
//! [`LoadBalancingProcessor`](flume_core::sink_processor::LoadBalancingProcessor), call by call as
//! the group runner drives it, so that what is seen here is what would happen there. Only the
//! surroundings are made up: events come at an even rate, and each sink answers after its latency.
//!
//! | of the group runner | here |
//! |---|---|
//! | a worker makes a call when there are events, and takes a batch at most | the same |
//! | a sink serves one worker; others pass by it, and queue for it last | the same |
//! | which sink next, and the pause when every sink failed: [`sink_schedule`](flume_core::sink_schedule) | the same machine |
//! | a batch that failed goes back to the head of the channel | the same |
//! | a selector that asks to see events sees the batch, which stays with its call to the end | the same |
//! | a selector may split a batch | it is asked for an order instead, as the contract allows |
//! | a full channel refuses events, and the source waits | refused events are counted and gone |
//!
//! Law: the same scenario and the same selector give the same outcome. So the only clock is the
//! agenda, and what is random comes from the scenario's seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{Instant, WallClock};

use self::group::SimulatedGroup;

mod channel;
mod group;
mod outcome;
mod scenario;

pub use outcome::{Simulated, SimulatedSink};
pub use scenario::{Delay, Outage, Scenario, ScenarioError, Window};

/// Virtual time in which a simulation happens, in milliseconds since 1970: a fixed day, so that
/// policies that look at the calendar see the same one every time.
const BEGAN_UNIX_MS: u64 = 1_767_225_600_000;

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

    /// Plays it from `start` on. For a policy that is
    /// [`Policy::zero`](flume_policy::Policy::zero): then it is given the same times in every run.
    pub fn run(&self, selector: Box<dyn SinkSelector>, start: Instant) -> Simulated {
        let tick = |elapsed: Duration| {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            self.wall
                .store(BEGAN_UNIX_MS.saturating_add(millis), Ordering::Relaxed);
        };
        tick(Duration::ZERO);
        SimulatedGroup::new(&self.scenario, selector, start).play(tick)
    }
}

#[cfg(test)]
mod tests;
