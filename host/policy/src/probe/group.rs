//! A group of sinks that does not exist, as its selector sees it: what sinks do with the batches that
//! it gives them, and when.
//!
//! Sinks that are never tried have no news, and each answer comes its time after the call that it
//! belongs to, so that what is told fits what was ordered.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use flume_core::sink_group::{SinkIndex, Step};

use super::events;
use super::time::{Time, spread};
use crate::bindings::sink_selector::Feedback;
use crate::selector::News;

/// One failure in this many attempts, of sinks that are well.
const MISHAP: u32 = 100;

/// The group.
pub(super) struct Group {
    news: News,
    /// How long each sink usually takes.
    usual: Vec<Duration>,
    /// Calls that are still to come in each of the four times: all are well, one, none, all.
    times: VecDeque<(Health, u32)>,
    /// Batches in flight.
    attempts: Vec<Attempt>,
    /// The most of them.
    parallel: usize,
    /// Events in the channel.
    depth: usize,
    /// Events that the next call is about.
    batch: usize,
    /// Sinks that have failed their shares of a batch that was split.
    failed: Vec<SinkIndex>,
}

/// Which sinks are well.
#[derive(Clone, Copy)]
enum Health {
    All,
    Only(SinkIndex),
    None,
}

/// A batch on its way to a sink.
struct Attempt {
    sink: SinkIndex,
    /// Where it goes next if the sink fails. A share of a split batch is ordered anew.
    rest: Option<VecDeque<SinkIndex>>,
    events: usize,
    latency: Duration,
    fails: bool,
    /// On the guest's clock.
    ends: u64,
}

impl Group {
    pub(super) fn new(sinks: usize, calls: u32, random: &mut Rng) -> Self {
        let usual = |_| {
            spread(
                Duration::from_micros(300),
                Duration::from_millis(80),
                random,
            )
        };
        let usual = (0..sinks).map(usual).collect();
        let alone = random.usize(0..sinks.max(1));
        let times = [Health::All, Health::Only(alone), Health::None, Health::All];
        let mut part = || calls / 4 + random.u32(0..=calls / 10) - calls / 20;
        Self {
            news: News::new(sinks),
            usual,
            times: times.map(|health| (health, part())).into(),
            attempts: Vec::new(),
            parallel: random.usize(1..=3),
            depth: 0,
            batch: 0,
            failed: Vec::new(),
        }
    }

    /// Time passes until the next call.
    pub(super) fn proceed(&mut self, time: &mut Time, random: &mut Rng) {
        if let Some((_, calls)) = self.times.front_mut() {
            *calls = calls.saturating_sub(1);
            if *calls == 0 && self.times.len() > 1 {
                self.times.pop_front();
            }
        }
        time.pass_between_batches(random);
        self.end_until(time.nanos(), random);
        while self.attempts.len() >= self.parallel {
            let Some(first) = self.attempts.iter().map(|attempt| attempt.ends).min() else {
                break;
            };
            time.pass(Duration::from_nanos(first.saturating_sub(time.nanos())));
            self.end_until(time.nanos(), random);
        }
        self.depth = match random.u8(0..4) {
            0 => events::size(random),
            _ => self
                .depth
                .saturating_add(random.usize(0..200))
                .min(random.usize(500..20_000)),
        };
        self.batch = events::size(random).min(self.depth.max(1));
        self.depth = self.depth.max(self.batch);
    }

    /// Answers that have come by then.
    fn end_until(&mut self, now: u64, random: &mut Rng) {
        while let Some(at) = (0..self.attempts.len())
            .filter(|at| {
                self.attempts
                    .get(*at)
                    .is_some_and(|known| known.ends <= now)
            })
            .min_by_key(|at| self.attempts.get(*at).map(|known| known.ends))
        {
            let attempt = self.attempts.swap_remove(at);
            self.end(attempt, random);
        }
    }

    fn end(&mut self, attempt: Attempt, random: &mut Rng) {
        let Attempt {
            sink,
            rest,
            events,
            latency,
            fails,
            ends,
        } = attempt;
        let delivered = if fails { 0 } else { events };
        self.news.step(
            sink,
            Step::Ended {
                events: delivered,
                latency,
            },
        );
        if !fails {
            self.news.delivered(sink, ends);
            self.depth = self.depth.saturating_sub(events);
            return;
        }
        self.news.failed(sink, ends);
        match rest {
            Some(mut rest) => {
                if let Some(next) = rest.pop_front() {
                    self.begin(next, Some(rest), events, ends, random);
                }
            }
            None => self.failed.push(sink),
        }
    }

    fn begin(
        &mut self,
        sink: SinkIndex,
        rest: Option<VecDeque<SinkIndex>>,
        events: usize,
        now: u64,
        random: &mut Rng,
    ) {
        let is_well = match self.times.front() {
            Some((Health::Only(well), _)) => sink == *well,
            Some((Health::None, _)) => false,
            Some((Health::All, _)) | None => true,
        };
        let fails = !is_well || random.u32(0..MISHAP) == 0;
        let usual = self.usual.get(sink).copied().unwrap_or_default();
        let latency = match fails {
            // Refused at once, or waited for.
            true => spread(Duration::from_micros(80), Duration::from_secs(2), random),
            false => spread(usual / 2, usual * 3, random),
        };
        self.news.step(sink, Step::Begun);
        let took = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.attempts.push(Attempt {
            sink,
            rest,
            events,
            latency,
            fails,
            ends: now.saturating_add(took),
        });
    }

    /// Sends a batch to the first of these sinks, and to the next if that fails.
    pub(super) fn try_in(
        &mut self,
        mut order: VecDeque<SinkIndex>,
        events: usize,
        time: &Time,
        random: &mut Rng,
    ) {
        if let Some(first) = order.pop_front() {
            self.begin(first, Some(order), events, time.nanos(), random);
        }
    }

    /// Sends each event to its sink; returns the sinks that failed, when all have answered.
    pub(super) fn send(
        &mut self,
        route: &[SinkIndex],
        time: &mut Time,
        random: &mut Rng,
    ) -> Vec<SinkIndex> {
        let mut last = time.nanos();
        for sink in 0..self.news.sinks() {
            let events = route.iter().filter(|to| **to == sink).count();
            if events > 0 {
                self.begin(sink, None, events, time.nanos(), random);
                let ends = self.attempts.last().map(|attempt| attempt.ends);
                last = last.max(ends.unwrap_or(last));
            }
        }
        time.pass(Duration::from_nanos(last.saturating_sub(time.nanos())));
        self.end_until(last, random);
        std::mem::take(&mut self.failed)
    }

    /// The news for a call.
    pub(super) fn tell(&mut self) -> &[Feedback] {
        self.news.tell()
    }

    pub(super) fn depth(&self) -> u64 {
        u64::try_from(self.depth).unwrap_or(u64::MAX)
    }

    /// Events that the next call is about.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }
}
