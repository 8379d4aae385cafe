//! The channel of a simulation: events are numbers, and what is in the channel are ranges of them.
//!
//! So an hour of traffic costs no memory, and events get their headers only when they are shown.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use flume_core::Event;

use super::scenario::Scenario;

const SECOND: u128 = 1_000_000_000;

/// Events that have come and wait, in their order.
pub(super) struct SimulatedChannel {
    rate: u64,
    capacity: u64,
    seed: u64,
    waiting: VecDeque<Range<u64>>,
    depth: u64,
    /// Events in batches under way: they keep their room.
    taken: u64,
    arrived: u64,
    refused: u64,
    high_water: (u64, Duration),
    /// An event for each combination of values.
    templates: Vec<Event>,
}

/// Events of one batch.
pub(super) type EventRanges = Vec<Range<u64>>;

impl SimulatedChannel {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            rate: scenario.rate,
            capacity: u64::try_from(scenario.capacity).unwrap_or(u64::MAX),
            seed: scenario.seed,
            waiting: VecDeque::new(),
            depth: 0,
            taken: 0,
            arrived: 0,
            refused: 0,
            high_water: (0, Duration::ZERO),
            templates: templates(scenario),
        }
    }

    /// Takes in what has come up to now.
    pub(super) fn arrive(&mut self, now: Duration) {
        let due = now.as_nanos() * u128::from(self.rate) / SECOND + 1;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        let first = self.arrived;
        let come = due.saturating_sub(first);
        let room = self.capacity.saturating_sub(self.depth + self.taken);
        let taken_in = come.min(room);
        self.arrived += come;
        self.refused += come - taken_in;
        self.depth += taken_in;
        match self.waiting.back_mut() {
            _ if taken_in == 0 => {}
            Some(last) if last.end == first => last.end = first + taken_in,
            _ => self.waiting.push_back(first..first + taken_in),
        }
        if self.depth > self.high_water.0 {
            self.high_water = (self.depth, now);
        }
    }

    /// When the next event comes.
    pub(super) fn next_arrival(&self) -> Duration {
        let nanos = (u128::from(self.arrived) * SECOND).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub(super) fn depth(&self) -> usize {
        usize::try_from(self.depth).unwrap_or(usize::MAX)
    }

    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The most events that ever waited, and when that was.
    pub(super) fn high_water(&self) -> (u64, Duration) {
        self.high_water
    }

    /// The events of a batch, as a selector is shown them.
    pub(super) fn events(&self, batch: &EventRanges) -> Vec<Event> {
        let numbers = batch.iter().flat_map(Clone::clone);
        numbers.map(|number| self.event(number)).collect()
    }

    /// Takes at most `most` events.
    pub(super) fn take(&mut self, most: usize) -> EventRanges {
        let mut left = u64::try_from(most).unwrap_or(u64::MAX);
        let mut batch = EventRanges::new();
        while left > 0 {
            let Some(first) = self.waiting.front_mut() else {
                break;
            };
            let end = first.end.min(first.start.saturating_add(left));
            batch.push(first.start..end);
            left -= end - first.start;
            first.start = end;
            if first.is_empty() {
                self.waiting.pop_front();
            }
        }
        let taken = count(&batch);
        self.depth -= taken;
        self.taken += taken;
        batch
    }

    /// A batch was delivered.
    pub(super) fn commit(&mut self, batch: &EventRanges) {
        self.taken -= count(batch);
    }

    /// A batch was not delivered, and is the next one to be taken.
    pub(super) fn roll_back(&mut self, batch: EventRanges) {
        let taken = count(&batch);
        self.depth += taken;
        self.taken -= taken;
        for range in batch.into_iter().rev() {
            self.waiting.push_front(range);
        }
    }

    fn event(&self, number: u64) -> Event {
        // An event gets the same headers whenever it is shown.
        let mut random = fastrand::Rng::with_seed(self.seed ^ number.rotate_left(32));
        let at = random.usize(..self.templates.len().max(1));
        self.templates.get(at).cloned().unwrap_or_default()
    }
}

/// How many events a batch has.
pub(super) fn count(batch: &EventRanges) -> u64 {
    batch.iter().map(|range| range.end - range.start).sum()
}

/// An event for each combination of values: the first header changes fastest.
fn templates(scenario: &Scenario) -> Vec<Event> {
    let of = |combination: usize| {
        let mut rest = combination;
        scenario
            .headers
            .iter()
            .fold(Event::default(), |event, (name, values)| {
                let value = rest % values;
                rest /= values;
                event.with_header(name.as_str(), value.to_string())
            })
    };
    (0..scenario.combinations()).map(of).collect()
}
