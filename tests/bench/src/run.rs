//! One measurement: load for a fixed time, until its last event has arrived.
//!
//! Flume's runners sleep for up to five seconds when there is nothing to do, and its sinks wait for
//! batches that are not full. Neither belongs to throughput. So a run begins once a batch sent
//! before it has arrived, and it has only whole batches.

use std::io;
use std::time::{Duration, Instant};

use crate::cost;
use crate::load::arrivals::{Arrivals, Slot, Verdict};
use crate::load::lines::Shape;
use crate::load::netcat::Sent;
use crate::load::numbers::Numbers;
use crate::load::{avro_sender, netcat};

/// How long the last events of a run may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest sleep of a Flume runner without work, and a little more.
const LONGEST_SLEEP: Duration = Duration::from_millis(5_500);

/// An upper bound on events a second; no subject and no generator comes near it.
const MOST_A_SECOND: f64 = 12e6;

/// The result of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// Events sent.
    pub events: u64,
    /// From the first byte sent to the last event received.
    pub wall: Duration,
    /// CPU time of the subject.
    pub cpu: Duration,
    /// The outcome of the events.
    pub verdict: Verdict,
    /// Events that the subject refused.
    pub refused: u64,
}

impl Run {
    /// Events a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.wall.as_secs_f64()
    }

    /// CPU seconds for a million events.
    #[must_use]
    pub fn cpu_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }
}

/// The sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Lines.
    Netcat,
    /// Batches.
    Avro,
}

/// Where events are counted.
#[derive(Clone, Copy)]
pub enum Count<'a> {
    /// At a receiver.
    At(&'a Slot),
    /// By the subject's own counter, which may start at any value.
    Counter(&'a dyn Fn() -> u64),
    /// Only by the answers to the sender; whether the events reach a sink is not known.
    Answers,
}

impl<'a> From<&'a Slot> for Count<'a> {
    fn from(slot: &'a Slot) -> Self {
        Self::At(slot)
    }
}

/// A path for events that can be measured repeatedly.
pub struct Lane<'a> {
    /// The sender.
    pub feed: Feed,
    /// The destination port.
    pub input: u16,
    /// The shape of the events.
    pub shape: Shape,
    /// The process between sender and receiver, if any.
    pub process: Option<u32>,
    /// Where events are counted.
    pub count: Count<'a>,
    /// The number of the next event.
    pub next: u64,
}

impl Lane<'_> {
    /// Sends for `time`, at most `most` events, after one batch that is not counted.
    ///
    /// # Panics
    /// When the subject hangs up: there is nothing left to measure.
    pub fn run(&mut self, time: Duration, most: u64) -> Run {
        self.once(time, u64::from(self.shape.batch));
        if matches!(self.count, Count::Answers) {
            std::thread::sleep(LONGEST_SLEEP);
        }
        self.once(time, most)
    }

    fn once(&mut self, time: Duration, most: u64) -> Run {
        let room = (time.as_secs_f64() * MOST_A_SECOND) as u64;
        let most = most.min(room.max(u64::from(self.shape.batch) * 1000));
        let arrivals = Arrivals::new(self.next, most as usize);
        if let Count::At(slot) = &self.count {
            slot.begin(&arrivals);
        }
        let counted = match &self.count {
            Count::Counter(counter) => counter(),
            Count::At(_) | Count::Answers => 0,
        };
        let cpu = self.process.map(cost::cpu);
        let began = Instant::now();
        let sent = self.send(time, most);
        let sent = sent.unwrap_or_else(|error| panic!("port {}: {error}", self.input));
        let (verdict, last) = self.await_end(&arrivals, sent, counted);
        let cpu = self
            .process
            .zip(cpu)
            .map(|(id, before)| cost::cpu(id) - before);
        self.next += sent.events;
        Run {
            events: sent.events,
            wall: last.saturating_duration_since(began),
            cpu: cpu.unwrap_or_default(),
            verdict,
            refused: sent.refused,
        }
    }

    fn send(&self, time: Duration, most: u64) -> io::Result<Sent> {
        let batch = u64::from(self.shape.batch);
        let numbers = Numbers::new(self.next, most / batch * batch);
        let (feed, input, shape) = (self.feed, self.input, self.shape);
        let send = || match feed {
            Feed::Netcat => netcat::send(input, shape, &numbers, time),
            Feed::Avro => avro_sender::send(input, shape, &numbers, time),
        };
        if shape.connections == 1 {
            return send();
        }
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..shape.connections).map(|_| scope.spawn(send)).collect();
            all.into_iter().try_fold(Sent::default(), |sum, one| {
                let one = one.join().expect("a sender")?;
                Ok(Sent {
                    events: sum.events + one.events,
                    refused: sum.refused + one.refused,
                })
            })
        })
    }

    /// Waits for the last event; refused events are not expected.
    fn await_end(&self, arrivals: &Arrivals, sent: Sent, before: u64) -> (Verdict, Instant) {
        match &self.count {
            Count::At(_) if sent.refused > 0 => {
                let verdict = arrivals.settle(sent.events, PATIENCE / 10);
                (verdict, arrivals.last())
            }
            Count::At(_) => (arrivals.settle(sent.events, PATIENCE), arrivals.last()),
            Count::Counter(counter) => {
                let end = Instant::now() + PATIENCE;
                while counter() - before < sent.events - sent.refused && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(2));
                }
                let (counted, now) = (counter() - before, Instant::now());
                let verdict = Verdict {
                    lost: sent.events.saturating_sub(counted),
                    doubled: counted.saturating_sub(sent.events),
                    strange: 0,
                };
                (verdict, now)
            }
            Count::Answers => (Verdict::default(), Instant::now()),
        }
    }
}
