//! The workers of a group and their agenda: the group runner, with an agenda in place of tasks.
//!
//! | a worker | its turn comes |
//! |---|---|
//! | is free | at once, or when the next event comes |
//! | delivers | when the sink answers |
//! | queues for a sink | when whoever has it lets go of it |
//! | pauses, since every sink failed | when the pause is over |

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use flume_core::clock::Instant;
use flume_core::sink_processor::{
    Call, LoadBalancingProcessor, Outcome, SinkIndex, SinkProcessor, Verdict,
};
use flume_core::sink_selector::{Load, Step};
use flume_core::{SinkSelector, Status};

use super::channel::{Batch, Channel, count};
use super::{Scenario, Simulated};

/// First and longest pause after a call in which every sink failed, as in the group runner.
const FAILURE_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A number of a worker.
type Worker = usize;

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    start: Instant,
    now: Duration,
    processor: LoadBalancingProcessor,
    channel: Channel,
    lanes: Vec<Lane>,
    workers: Vec<State>,
    /// Calls in sequence in which every sink failed, for each worker.
    failures: Vec<u32>,
    /// Whose turn comes when. Of equal times the first one noted comes first.
    agenda: BinaryHeap<Reverse<(Duration, u64, Worker)>>,
    noted: u64,
    random: fastrand::Rng,
    seen: Simulated,
}

/// A sink.
#[derive(Default)]
struct Lane {
    in_use: bool,
    queue: VecDeque<Worker>,
}

/// What a worker does.
enum State {
    Free,
    Delivers(Attempt),
    /// Has the first of its sinks in use when its turn comes.
    Queues(Open),
}

/// A call under way.
struct Open {
    call: Call,
    /// Sinks in use that were passed by.
    busy: VecDeque<SinkIndex>,
    /// The batch, if the selector was shown it: then it belongs to this call until it ends.
    held: Option<Batch>,
}

/// A batch on its way.
struct Attempt {
    open: Open,
    sink: SinkIndex,
    batch: Batch,
    /// Whether the selector was shown the batch.
    shown: bool,
    began: Duration,
}

impl<'a> World<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        selector: Box<dyn SinkSelector>,
        start: Instant,
    ) -> Self {
        let mut world = Self {
            scenario,
            start,
            now: Duration::ZERO,
            processor: LoadBalancingProcessor::new(scenario.sinks, selector),
            channel: Channel::new(scenario),
            lanes: (0..scenario.sinks).map(|_| Lane::default()).collect(),
            workers: (0..scenario.parallel).map(|_| State::Free).collect(),
            failures: vec![0; scenario.parallel],
            agenda: BinaryHeap::new(),
            noted: 0,
            random: fastrand::Rng::with_seed(scenario.seed),
            seen: Simulated::new(scenario),
        };
        for worker in 0..scenario.parallel {
            world.note(worker, Duration::ZERO);
        }
        world
    }

    /// Plays it to its end; `tick` hears of every step of time.
    pub(super) fn play(mut self, tick: impl Fn(Duration)) -> Simulated {
        while let Some(Reverse((at, _, worker))) = self.agenda.pop() {
            if at >= self.scenario.duration {
                break;
            }
            self.now = at;
            tick(at);
            self.channel.arrive(at);
            self.note_depth();
            let Some(state) = self.workers.get_mut(worker) else {
                continue;
            };
            match std::mem::replace(state, State::Free) {
                State::Free => self.begin(worker),
                State::Delivers(attempt) => self.end(worker, attempt),
                State::Queues(mut open) => match open.busy.pop_front() {
                    Some(sink) => self.attempt(worker, open, sink),
                    None => self.exhausted(worker, open),
                },
            }
        }
        let last = self
            .scenario
            .duration
            .saturating_sub(Duration::from_nanos(1));
        self.channel.arrive(last);
        let delivered = self.seen.delivered();
        (self.seen.arrived, self.seen.refused) = (self.channel.arrived(), self.channel.refused());
        self.seen.left = self.seen.arrived - self.seen.refused - delivered;
        (self.seen.high_water, self.seen.high_water_at) = self.channel.high_water();
        self.seen
    }

    /// A free worker: begins a call, or waits for an event.
    fn begin(&mut self, worker: Worker) {
        let depth = self.channel.depth();
        if depth == 0 {
            self.note(worker, self.channel.next_arrival());
            return;
        }
        self.seen.calls += 1;
        let held = match self.processor.wants_events() {
            true => Some(self.channel.take(self.scenario.batch)),
            false => None,
        };
        let events = held.as_ref().map(|batch| self.channel.events(batch));
        let events = events.as_deref().unwrap_or_default();
        let call = self
            .processor
            .begin_load(self.start + self.now, Load { depth, events });
        let busy = VecDeque::new();
        self.go_on(worker, Open { call, busy, held });
    }

    /// Tries the next sink of a call: one that is not in use, if there is one.
    fn go_on(&mut self, worker: Worker, mut open: Open) {
        while let Some(sink) = self.processor.next(&mut open.call) {
            match self.lanes.get(sink) {
                Some(lane) if lane.in_use => open.busy.push_back(sink),
                Some(_) => return self.attempt(worker, open, sink),
                None => {}
            }
        }
        let Some(first) = open.busy.front().copied() else {
            return self.exhausted(worker, open);
        };
        match self.lanes.get_mut(first) {
            Some(lane) if lane.in_use => {
                lane.queue.push_back(worker);
                self.put(worker, State::Queues(open));
            }
            _ => {
                open.busy.pop_front();
                self.attempt(worker, open, first);
            }
        }
    }

    /// Hands a batch to a sink.
    fn attempt(&mut self, worker: Worker, mut open: Open, sink: SinkIndex) {
        let shown = open.held.is_some();
        let batch = open
            .held
            .take()
            .unwrap_or_else(|| self.channel.take(self.scenario.batch));
        let now = self.start + self.now;
        self.processor.step(sink, Step::Begun, now);
        if count(&batch) == 0 {
            // Another worker was faster: nothing is left to deliver.
            let outcome = Outcome::Returned(Status::Backoff);
            self.processor.report(&mut open.call, sink, outcome, now);
            let (events, latency) = (0, Duration::ZERO);
            self.processor
                .step(sink, Step::Ended { events, latency }, now);
            self.release(sink);
            self.note(worker, self.now);
            return;
        }
        if let Some(lane) = self.lanes.get_mut(sink) {
            lane.in_use = true;
        }
        let ends = self.now + self.latency(sink);
        let began = self.now;
        self.put(
            worker,
            State::Delivers(Attempt {
                open,
                sink,
                batch,
                shown,
                began,
            }),
        );
        self.note(worker, ends);
    }

    /// A sink answers.
    fn end(&mut self, worker: Worker, attempt: Attempt) {
        let Attempt {
            mut open,
            sink,
            batch,
            shown,
            began,
        } = attempt;
        let (now, latency) = (self.start + self.now, self.now - began);
        let fails = self.fails(sink);
        let events = if fails { 0 } else { count(&batch) };
        let outcome = match fails {
            true => {
                match shown {
                    true => open.held = Some(batch),
                    false => self.channel.roll_back(batch),
                }
                Outcome::Failed
            }
            false => {
                self.channel.commit(&batch);
                Outcome::Returned(Status::Ready)
            }
        };
        self.count(sink, events, latency);
        let verdict = self.processor.report(&mut open.call, sink, outcome, now);
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        self.processor
            .step(sink, Step::Ended { events, latency }, now);
        self.release(sink);
        match verdict {
            Verdict::Continue => self.go_on(worker, open),
            Verdict::Return(_) => {
                if let Some(failures) = self.failures.get_mut(worker) {
                    *failures = 0;
                }
                self.note(worker, self.now);
            }
        }
    }

    /// Every sink of a call failed, or none may be tried.
    fn exhausted(&mut self, worker: Worker, open: Open) {
        self.seen.exhausted += 1;
        if let Some(batch) = open.held {
            self.channel.roll_back(batch);
        }
        let Some(failures) = self.failures.get_mut(worker) else {
            return;
        };
        let (first, longest) = FAILURE_PAUSE;
        let pause = first.saturating_mul(1 << (*failures).min(10)).min(longest);
        *failures = failures.saturating_add(1);
        self.note(worker, self.now + pause);
    }

    /// A sink is free for the first that queues for it.
    fn release(&mut self, sink: SinkIndex) {
        let Some(lane) = self.lanes.get_mut(sink) else {
            return;
        };
        let next = lane.queue.pop_front();
        lane.in_use = next.is_some();
        if let Some(worker) = next {
            self.note(worker, self.now);
        }
    }

    fn put(&mut self, worker: Worker, state: State) {
        if let Some(place) = self.workers.get_mut(worker) {
            *place = state;
        }
    }

    fn note(&mut self, worker: Worker, at: Duration) {
        self.noted += 1;
        self.agenda.push(Reverse((at, self.noted, worker)));
    }

    /// What a sink takes for a batch that begins now.
    fn latency(&mut self, sink: SinkIndex) -> Duration {
        let now = self.now;
        let delays = self.scenario.delays.iter().rev();
        let delay = delays
            .filter(|delay| delay.sink == sink)
            .find(|d| d.during.contains(now));
        let latency = delay.map_or(self.scenario.latency, |delay| delay.latency);
        let jitter = self.scenario.jitter;
        let percent = self.random.u32(100 - jitter..=100 + jitter);
        (latency.saturating_mul(percent) / 100).max(Duration::from_nanos(1))
    }

    fn fails(&mut self, sink: SinkIndex) -> bool {
        let now = self.now;
        let faults = self
            .scenario
            .faults
            .iter()
            .filter(|fault| fault.sink == sink);
        let percent = faults
            .filter(|fault| fault.during.contains(now))
            .map(|fault| fault.percent);
        percent
            .max()
            .is_some_and(|percent| self.random.u32(0..100) < percent)
    }

    /// Notes an answer: of 0 events it is a failure.
    fn count(&mut self, sink: SinkIndex, events: u64, latency: Duration) {
        let slot = self.slot();
        let Some(sink) = self.seen.sinks.get_mut(sink) else {
            return;
        };
        if events == 0 {
            sink.failed += 1;
            if let Some(failed) = sink.failed_slots.get_mut(slot) {
                *failed += 1;
            }
            return;
        }
        sink.delivered += events;
        sink.batches += 1;
        sink.latency += latency;
        sink.slowest = sink.slowest.max(latency);
        if let Some(delivered) = sink.slots.get_mut(slot) {
            *delivered += events;
        }
    }

    fn note_depth(&mut self) {
        let (slot, depth) = (
            self.slot(),
            u64::try_from(self.channel.depth()).unwrap_or(u64::MAX),
        );
        if let Some(most) = self.seen.depth.get_mut(slot) {
            *most = (*most).max(depth);
        }
    }

    fn slot(&self) -> usize {
        let slots = u128::try_from(self.scenario.slots).unwrap_or(1);
        let slot = self.now.as_nanos() * slots / self.scenario.duration.as_nanos().max(1);
        usize::try_from(slot).unwrap_or(usize::MAX)
    }
}
