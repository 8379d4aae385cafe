//! Events that a sink can never deliver are set aside, so that those behind them go on.
//!
//! | an event aside | then |
//! |---|---|
//! | is tried alone, after a pause that grows | is delivered, or has one try less |
//! | has failed [`TRIES`] times | is dropped, or goes to the dead letters, as `on-error` says |
//! | has failed so often, and `on-error` is `retry` | is tried every 30 s, and health says so |
//! | is the oldest, there is no room for another, and it may be given up | is given up early |
//!
//! The laws: an event aside is a take that is not finished, so it keeps its room in the channel, and
//! returns there if the lane ends; there are never more than [`MOST_ASIDE`], and then the lane stands as
//! if nothing could be set aside. A failure of which nobody knows whether it is the event's counts
//! as a try only if another event was delivered since the last one.

use std::collections::VecDeque;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::{Blame, Event, EventDeliveryError, LogLimit, TakeTransaction, chain};

use super::faults::AsideHealth;
use super::remedy::{self, Remedy};
use super::takes::Takes;

/// The most events aside on a lane; with a small channel, half of what that holds.
pub(crate) const MOST_ASIDE: usize = 1000;

/// Times that an event is tried before it is given up.
pub(crate) const TRIES: u32 = 10;

/// The pause before the second try. It doubles from then on.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between the first tries, and without room in the dead letters.
const LONGER_PAUSE: Duration = Duration::from_secs(2);
/// The pause between the tries of an event that is not given up.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause if the place is to blame and nothing is delivered there meanwhile: a try may take as
/// long as a timeout.
const PLACE_PAUSE: Duration = Duration::from_secs(100);

/// Log lines in a second about events aside.
const LINES: u32 = 5;

/// The events that a lane has set aside, in the order in which they were taken.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) remedy: Remedy,
    sink: String,
    events: VecDeque<Condemned>,
    /// Whether the lane drains, so that no event waits for its next try.
    hurries: bool,
    log: LogLimit,
}

/// One event aside.
#[derive(Debug)]
struct Condemned {
    take: TakeTransaction,
    reason: String,
    since: Instant,
    due: Instant,
    tries: u32,
    /// Events that the lane had delivered at the last try.
    delivered: u64,
    /// Whether the place was to blame for the last try.
    waits_for_place: bool,
}

impl Aside {
    pub(super) fn new(sink: &str, remedy: Remedy) -> Self {
        Self {
            remedy,
            sink: sink.to_owned(),
            events: VecDeque::new(),
            hurries: false,
            log: LogLimit::per_second(LINES),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// When an event is to be tried next, with so many events delivered.
    pub(super) fn next_try(&self, delivered: u64) -> Option<Instant> {
        let dues = self.events.iter().map(|event| {
            let works = event.waits_for_place && event.delivered < delivered;
            if works { event.since } else { event.due }
        });
        dues.min()
    }

    /// All of them go back to the channel, the newest first, so that they are in order there.
    fn roll_back(&mut self) {
        while let Some(event) = self.events.pop_back() {
            event.take.rollback();
        }
    }

    fn health(&self, most: usize) -> AsideHealth {
        let oldest = self.events.front();
        AsideHealth {
            events: self.events.len(),
            overdue: self.events.iter().filter(|e| e.tries >= TRIES).count(),
            since: oldest.map(|event| event.since),
            taken: self.events.iter().filter_map(|e| e.take.taken()).min(),
            reason: oldest.map(|e| e.reason.clone()).unwrap_or_default(),
            is_full: self.events.len() >= most,
            remedy: self.remedy.to_string(),
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.roll_back();
    }
}

impl Condemned {
    fn pause(&self, gives_up: bool) -> Duration {
        match self.tries {
            tries if tries < TRIES => {
                let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16));
                doubled.min(LONGER_PAUSE)
            }
            _ if gives_up => LONGER_PAUSE,
            _ => LONGEST_PAUSE,
        }
    }
}

impl Takes {
    /// The most events aside: half of the channel at most, so that others have room.
    fn most_aside(&self) -> usize {
        let channel = self.channel();
        let half = channel.capacity() / 2;
        MOST_ASIDE
            .min(half)
            .min(channel.transaction_capacity())
            .max(1)
    }

    /// Room for so many events aside, or less. What may be given up makes room.
    async fn room_aside(&mut self, wanted: usize) -> usize {
        let most = self.most_aside();
        let room = |aside: &Aside| most.saturating_sub(aside.events.len());
        while room(&self.aside) < wanted && self.aside.remedy.gives_up() && self.give_up(0).await {}
        room(&self.aside).min(wanted)
    }

    /// Sets the events at these places of a batch aside, as far as there is room, and returns the
    /// rest.
    ///
    /// # Errors
    /// There is no room for any: the batch is whole.
    pub(super) async fn condemn(
        &mut self,
        mut batch: TakeTransaction,
        error: EventDeliveryError,
    ) -> Result<TakeTransaction, (TakeTransaction, EventDeliveryError)> {
        let Blame::Events(places) = error.blame() else {
            return Err((batch, error));
        };
        let events = batch.events().len();
        let known: Vec<usize> = places.iter().copied().filter(|at| *at < events).collect();
        let room = self.room_aside(known.len()).await;
        if room == 0 {
            return Err((batch, error));
        }
        let reason = chain(&error);
        for event in batch.pick(known.get(..room).unwrap_or_default()) {
            self.set_aside(event, reason.clone());
        }
        Ok(batch)
    }

    /// Sets a single event aside that was found to be to blame.
    ///
    /// # Errors
    /// There is no room.
    pub(super) async fn convict(
        &mut self,
        event: TakeTransaction,
        reason: String,
    ) -> Result<(), TakeTransaction> {
        if self.room_aside(1).await == 0 {
            return Err(event);
        }
        self.set_aside(event, reason);
        Ok(())
    }

    fn set_aside(&mut self, take: TakeTransaction, reason: String) {
        let now = clock::now();
        let remedy = self.aside.remedy.to_string();
        if let Some(left_out) = self.aside.log.admit(now) {
            tracing::warn!(
                sink = self.aside.sink,
                on_error = remedy,
                reason,
                left_out,
                "an event cannot be delivered and is set aside"
            );
        }
        self.counters().event_set_aside.increment();
        let mut event = Condemned {
            take,
            reason,
            since: now,
            due: now,
            tries: 1,
            delivered: self.delivered(),
            waits_for_place: false,
        };
        event.due = now + event.pause(self.aside.remedy.gives_up());
        self.aside.events.push_back(event);
        self.report_aside();
    }

    /// Whether an event aside is to be tried now.
    pub(super) fn try_is_due(&self) -> bool {
        !self.aside.is_empty()
            && (self.aside.next_try(self.delivered())).is_some_and(|due| due <= clock::now())
    }

    /// Begins a try: the place of the event that waits longest, and when it is to be tried after
    /// this one, should this one be cut off.
    pub(super) fn begin_try(&mut self) -> Option<usize> {
        let delivered = self.delivered();
        let gives_up = self.aside.remedy.gives_up();
        let due = |event: &Condemned| match event.waits_for_place && event.delivered < delivered {
            true => event.since,
            false => event.due,
        };
        let all = self.aside.events.iter_mut().enumerate();
        let (at, event) = all.min_by_key(|(_, event)| due(event))?;
        event.due = clock::now() + event.pause(gives_up);
        event.waits_for_place = false;
        Some(at)
    }

    /// The event at a place, as a batch.
    pub(super) fn aside(&self, at: usize) -> &[Event] {
        let event = self.aside.events.get(at);
        event.map(|event| event.take.events()).unwrap_or_default()
    }

    /// The event at a place is aside no more.
    pub(super) fn end_aside(&mut self, at: usize) -> Option<TakeTransaction> {
        let event = self.aside.events.remove(at);
        self.report_aside();
        event.map(|event| event.take)
    }

    /// Notes a try that failed.
    ///
    /// # Errors
    /// It was not the event's fault.
    pub(super) async fn tried(
        &mut self,
        at: usize,
        error: EventDeliveryError,
    ) -> Result<(), EventDeliveryError> {
        let (now, delivered) = (clock::now(), self.delivered());
        let hurries = self.aside.hurries;
        let letters = matches!(self.aside.remedy, Remedy::DeadLetter(_));
        let gives_up = self.aside.remedy.gives_up();
        let Some(event) = self.aside.events.get_mut(at) else {
            return Ok(());
        };
        let others_went = event.delivered < delivered;
        event.delivered = delivered;
        let is_certain = match error.blame() {
            Blame::Place => {
                event.waits_for_place = true;
                event.due = now + if hurries { LONGER_PAUSE } else { PLACE_PAUSE };
                return Err(error);
            }
            Blame::Events(_) | Blame::Refused(_) => true,
            Blame::Batch => others_went,
        };
        event.reason = chain(&error);
        event.tries += u32::from(is_certain);
        event.due = now + event.pause(gives_up);
        let in_vain = event.tries >= TRIES || (hurries && (is_certain || letters));
        if hurries {
            event.due = event.due.min(now + LONGER_PAUSE);
        }
        if in_vain && gives_up {
            self.give_up(at).await;
        } else if in_vain && let Some(left_out) = self.aside.log.admit(now) {
            tracing::error!(
                sink = self.aside.sink,
                reason = chain(&error),
                left_out,
                "an event cannot be delivered, and on-error has no other place for it"
            );
        }
        self.report_aside();
        Ok(())
    }

    /// Drops an event, or puts it into the dead letters; says whether it is gone.
    async fn give_up(&mut self, at: usize) -> bool {
        let now = clock::now();
        let aside = &mut self.aside;
        let Some(event) = aside.events.get_mut(at) else {
            return false;
        };
        let gone = match (&aside.remedy, event.take.events().first()) {
            (Remedy::Retry, Some(_)) => false,
            (Remedy::Drop, _) | (_, None) => true,
            (Remedy::DeadLetter(to), Some(letter)) => {
                remedy::put(to, letter, (&aside.sink, &event.reason, event.tries)).await
            }
        };
        if let Some(left_out) = aside.log.admit(now) {
            let (sink, reason, remedy) = (&aside.sink, &event.reason, aside.remedy.to_string());
            let on_error = remedy;
            match gone {
                true => tracing::warn!(sink, on_error, reason, left_out, "an event is given up"),
                false => tracing::warn!(sink, on_error, left_out, "no room for a dead letter"),
            }
        }
        if !gone {
            event.due = now + LONGER_PAUSE;
            return false;
        }
        match aside.remedy {
            Remedy::DeadLetter(_) => self.counters().event_dead_letter.increment(),
            Remedy::Retry | Remedy::Drop => self.counters().event_dropped.increment(),
        }
        if let Some(take) = self.end_aside(at) {
            self.end(take).await;
        }
        true
    }

    /// From now on every event aside is tried at once, and given up if that is possible.
    pub(super) fn hurry(&mut self) {
        if self.aside.hurries {
            return;
        }
        self.aside.hurries = true;
        let now = clock::now();
        for event in &mut self.aside.events {
            event.due = now;
        }
    }

    /// The events aside go back to the channel.
    pub(super) fn give_back_aside(&mut self) {
        self.aside.roll_back();
        self.report_aside();
    }

    fn report_aside(&self) {
        self.faults()
            .set_aside(self.aside.health(self.most_aside()));
    }
}
