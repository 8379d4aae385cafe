//! The workers of a group and their agenda: the group runner, with an agenda in place of tasks.
//!
//! | a worker | its turn comes |
//! |---|---|
//! | is free | at once, or when the next event comes |
//! | delivers | when the sink answers |
//! | queues for a sink | when the worker that uses the sink is done with it |
//! | pauses, since every sink failed | when the pause is over |

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use flume_core::clock::Instant;
use flume_core::sink_group::{Load, SinkIndex, Step};
use flume_core::sink_processor::{LoadBalancingProcessor, Outcome, SinkProcessor, Verdict};
use flume_core::sink_schedule::{Attempt, Attempts, Pace};
use flume_core::{SinkSelector, Status};

use super::channel::{EventRanges, SimulatedChannel, count};
use super::outcome::Simulated;
use super::scenario::Scenario;

/// The number of a worker.
type WorkerNumber = usize;

pub(super) struct SimulatedGroup<'a> {
    scenario: &'a Scenario,
    start: Instant,
    now: Duration,
    processor: LoadBalancingProcessor,
    channel: SimulatedChannel,
    lanes: Vec<SinkQueue>,
    workers: Vec<WorkerState>,
    /// How fast each worker makes calls.
    paces: Vec<Pace>,
    /// Whose turn comes when. Of equal times the one that was noted first comes first.
    agenda: BinaryHeap<Reverse<(Duration, u64, WorkerNumber)>>,
    noted: u64,
    random: fastrand::Rng,
    seen: Simulated,
}

/// A sink.
#[derive(Default)]
struct SinkQueue {
    in_use: bool,
    queue: VecDeque<WorkerNumber>,
}

/// What a worker does.
enum WorkerState {
    Free,
    Delivers(Delivery),
    /// Gets this sink when its turn comes.
    Queues(OpenCall, SinkIndex),
}

/// A call under way.
struct OpenCall {
    attempts: Attempts,
    /// The batch, if the selector was shown it: then it belongs to this call until it ends.
    held: Option<EventRanges>,
}

/// A batch on its way.
struct Delivery {
    open: OpenCall,
    sink: SinkIndex,
    batch: EventRanges,
    /// Whether the selector was shown the batch.
    shown: bool,
    began: Duration,
}

impl<'a> SimulatedGroup<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        selector: Box<dyn SinkSelector>,
        start: Instant,
    ) -> Self {
        let mut group = Self {
            scenario,
            start,
            now: Duration::ZERO,
            processor: LoadBalancingProcessor::new(scenario.sinks, selector),
            channel: SimulatedChannel::new(scenario),
            lanes: (0..scenario.sinks).map(|_| SinkQueue::default()).collect(),
            workers: (0..scenario.parallel).map(|_| WorkerState::Free).collect(),
            paces: vec![Pace::new(1); scenario.parallel],
            agenda: BinaryHeap::new(),
            noted: 0,
            random: fastrand::Rng::with_seed(scenario.seed),
            seen: Simulated::new(scenario),
        };
        for worker in 0..scenario.parallel {
            group.note(worker, Duration::ZERO);
        }
        group
    }

    /// Plays it to its end, and calls `tick` for every step of time.
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
            match std::mem::replace(state, WorkerState::Free) {
                WorkerState::Free => self.begin(worker),
                WorkerState::Delivers(delivery) => self.end(worker, delivery),
                WorkerState::Queues(open, sink) => self.attempt(worker, open, sink),
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
    fn begin(&mut self, worker: WorkerNumber) {
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
        let attempts = Attempts::of(call);
        self.go_on(worker, OpenCall { attempts, held });
    }

    /// Tries the next sink of a call: one that is not in use, if there is one.
    fn go_on(&mut self, worker: WorkerNumber, mut open: OpenCall) {
        let lanes = &self.lanes;
        let is_free = |sink: SinkIndex| lanes.get(sink).is_some_and(|lane| !lane.in_use);
        match open.attempts.next(&mut self.processor, is_free) {
            Attempt::Try(sink) => self.attempt(worker, open, sink),
            Attempt::WaitFor(sink) => match self.lanes.get_mut(sink) {
                Some(lane) if lane.in_use => {
                    lane.queue.push_back(worker);
                    self.put(worker, WorkerState::Queues(open, sink));
                }
                Some(_) => self.attempt(worker, open, sink),
                // Not a sink of this group: passed by.
                None => self.go_on(worker, open),
            },
            Attempt::Exhausted => self.exhausted(worker, open),
        }
    }

    /// Hands a batch to a sink.
    fn attempt(&mut self, worker: WorkerNumber, mut open: OpenCall, sink: SinkIndex) {
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
            self.processor
                .report(open.attempts.call(), sink, outcome, now);
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
            WorkerState::Delivers(Delivery {
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
    fn end(&mut self, worker: WorkerNumber, delivery: Delivery) {
        let Delivery {
            mut open,
            sink,
            batch,
            shown,
            began,
        } = delivery;
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
        let verdict = self
            .processor
            .report(open.attempts.call(), sink, outcome, now);
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        self.processor
            .step(sink, Step::Ended { events, latency }, now);
        self.release(sink);
        match verdict {
            Verdict::Continue => self.go_on(worker, open),
            Verdict::Return(_) => {
                if let Some(pace) = self.paces.get_mut(worker) {
                    pace.returned(Status::Ready);
                }
                self.note(worker, self.now);
            }
        }
    }

    /// Every sink of a call failed, or no sink may be tried.
    fn exhausted(&mut self, worker: WorkerNumber, open: OpenCall) {
        self.seen.exhausted += 1;
        if let Some(batch) = open.held {
            self.channel.roll_back(batch);
        }
        let Some(pace) = self.paces.get_mut(worker) else {
            return;
        };
        let pause = pace.exhausted();
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

    fn put(&mut self, worker: WorkerNumber, state: WorkerState) {
        if let Some(place) = self.workers.get_mut(worker) {
            *place = state;
        }
    }

    fn note(&mut self, worker: WorkerNumber, at: Duration) {
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
        let outages = self
            .scenario
            .outages
            .iter()
            .filter(|outage| outage.sink == sink);
        let percent = outages
            .filter(|outage| outage.during.contains(now))
            .map(|outage| outage.percent);
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
