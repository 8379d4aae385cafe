//! A selector that is recorded: it answers as before, and its calls and answers are recorded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use flume_core::SinkSelector;
use flume_core::clock::{Instant, WallClock};
use flume_core::sink_group::{Load, SinkIndex, SinkState, Step};

use super::MOST_EVENTS;
use super::encode::{self, BEGUN, DELIVERED, ENDED, FAILED, ORDER, ROUTE};
use super::queue::TraceQueue;

/// How long the end of a recording may take.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// A recorded selector.
pub struct Recorder {
    selector: Box<dyn SinkSelector>,
    queue: Arc<TraceQueue>,
    /// When the selector's time begins.
    zero: Instant,
    wall: WallClock,
    headers: Vec<String>,
    scratch: Vec<u8>,
}

impl Recorder {
    /// Records a selector into a queue: times since `zero`, and these headers of the events that
    /// are to be routed, whether the selector asks for events or not.
    pub fn new(
        selector: Box<dyn SinkSelector>,
        queue: Arc<TraceQueue>,
        zero: Instant,
        wall: WallClock,
        headers: Vec<String>,
    ) -> Self {
        let scratch = Vec::new();
        Self {
            selector,
            queue,
            zero,
            wall,
            headers,
            scratch,
        }
    }

    /// What the selector is to see of a load.
    fn own<'a>(&self, load: Load<'a>) -> Load<'a> {
        let events = if self.selector.wants_events() {
            load.events
        } else {
            &[]
        };
        Load { events, ..load }
    }

    fn at(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.zero))
    }

    /// An entry that only has numbers.
    fn note(&mut self, now: Instant, kind: u8, numbers: &[u64]) {
        self.scratch.clear();
        for value in numbers {
            encode::number(&mut self.scratch, *value);
        }
        self.queue.push(
            self.at(now),
            self.wall.millis(),
            kind,
            |_, _| {},
            &self.scratch,
        );
    }

    /// An entry with a load; `scratch` has the answer.
    fn note_load(
        &mut self,
        now: Instant,
        kind: u8,
        load: Load<'_>,
        answer: impl FnOnce(&mut Vec<u8>),
    ) {
        self.scratch.clear();
        encode::length(&mut self.scratch, load.depth);
        let events = load.events.get(..MOST_EVENTS).unwrap_or(load.events);
        encode::events(&mut self.scratch, events, &self.headers);
        answer(&mut self.scratch);
        let (at, unix_ms) = (self.at(now), self.wall.millis());
        self.queue
            .push(at, unix_ms, kind, encode::signed, &self.scratch);
    }
}

impl SinkSelector for Recorder {
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex> {
        self.order_load(now, Load::default())
    }

    fn order_load(&mut self, now: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        let order = self.selector.order_load(now, self.own(load));
        self.note_load(now, ORDER, load, |bytes| {
            encode::sinks(bytes, order.iter().copied())
        });
        order
    }

    fn route(&mut self, now: Instant, load: Load<'_>) -> Option<Vec<SinkIndex>> {
        let route = self.selector.route(now, self.own(load));
        self.note_load(now, ROUTE, load, |bytes| match &route {
            None => encode::length(bytes, 0),
            Some(route) => {
                encode::length(bytes, route.len() + 1);
                route.iter().for_each(|sink| encode::length(bytes, *sink));
            }
        });
        route
    }

    fn wants_events(&self) -> bool {
        !self.headers.is_empty() || self.selector.wants_events()
    }

    fn step(&mut self, sink: SinkIndex, step: Step, now: Instant) {
        self.selector.step(sink, step, now);
        match step {
            Step::Begun => self.note(now, BEGUN, &[wide(sink)]),
            Step::Ended { events, latency } => {
                self.note(now, ENDED, &[wide(sink), wide(events), nanos(latency)]);
            }
        }
    }

    fn failed(&mut self, sink: SinkIndex, now: Instant) {
        self.selector.failed(sink, now);
        self.note(now, FAILED, &[wide(sink)]);
    }

    fn delivered(&mut self, sink: SinkIndex, now: Instant) {
        self.selector.delivered(sink, now);
        self.note(now, DELIVERED, &[wide(sink)]);
    }

    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.selector.states(now)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue.close(LAST_WRITE);
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
