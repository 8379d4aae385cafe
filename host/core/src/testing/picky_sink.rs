//! A sink that can never deliver some events, in each mode that a sink can have.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::error::{Blame, EventDeliveryError};
use crate::event::Event;
use crate::sink::{Gather, Pipeline, Sink, SinkMode};

/// How a [`PickySink`] answers for its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picky {
    /// One at a time.
    Single,
    /// Up to so many in flight. With more than two it looks at a batch before it sends it, if it
    /// knows what to look for.
    Pipelined(usize),
    /// Up to so many in flight. What is good in a batch it delivers in any case, if it knows what to
    /// look for.
    Sifting(usize),
    /// In files of so many batches.
    Gathering(usize),
}

/// What a [`PickySink`] has delivered, and what it does; shared with the test.
#[derive(Debug, Clone, Default)]
pub struct PickyPlace(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    delivered: Vec<Event>,
    attempts: usize,
    knows: bool,
    is_down: bool,
    takes_all: bool,
    /// Events that it still takes, if it is a collector whose channel fills up.
    room: Option<usize>,
    gives_no_reasons: bool,
}

/// Delivers all events but those whose body begins with `bad`.
#[derive(Debug)]
pub struct PickySink {
    batch_size: usize,
    mode: Picky,
    place: PickyPlace,
    unanswered: VecDeque<Vec<Event>>,
    /// Batches delivered and not reported yet.
    reported: usize,
}

impl PickyPlace {
    /// A place whose sinks know which events they can never deliver, or do not.
    pub fn new(knows: bool) -> Self {
        let place = Self::default();
        place.0.lock().knows = knows;
        place
    }

    /// Delivered events, in order.
    pub fn delivered(&self) -> Vec<Event> {
        self.0.lock().delivered.clone()
    }

    /// Batches that were tried.
    pub fn attempts(&self) -> usize {
        self.0.lock().attempts
    }

    /// Whether it answers for nothing at all, as if every batch were too much for it.
    pub fn set_down(&self, is_down: bool) {
        self.0.lock().is_down = is_down;
    }

    /// Makes it a collector with room for so many events more. What is larger it refuses like a bad
    /// event; only of a single event it says that it has no room.
    pub fn set_room(&self, room: Option<usize>) {
        self.0.lock().room = room;
    }

    /// A collector that does not say of single events either why it refuses them; it does not even
    /// take them.
    pub fn give_no_reasons(&self) {
        self.0.lock().gives_no_reasons = true;
    }

    /// From now on it takes all events.
    pub fn take_all(&self) {
        self.0.lock().takes_all = true;
    }

    /// Looks at a batch that a sink brings.
    fn look(&self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let mut state = self.0.lock();
        state.attempts += 1;
        let refused = |blame| Err(EventDeliveryError::new("more than it takes").blaming(blame));
        if state.gives_no_reasons && batch.len() == 1 {
            return refused(Blame::Batch);
        }
        if state.room.is_some_and(|room| room < batch.len()) {
            return refused(match batch.len() {
                1 => Blame::Place,
                _ => Blame::Batch,
            });
        }
        let is_bad = |event: &Event| event.body.starts_with(b"bad") && !state.takes_all;
        let bad = batch.iter().enumerate().filter(|(_, event)| is_bad(event));
        let bad: Vec<usize> = bad.map(|(place, _)| place).collect();
        let blame = match (state.is_down, bad.is_empty(), state.knows) {
            (false, true, _) => {
                state.room = state.room.map(|room| room - batch.len());
                return Ok(());
            }
            (false, false, true) => Blame::Events(bad),
            _ => Blame::Batch,
        };
        refused(blame)
    }
}

impl PickySink {
    /// A sink for this place.
    pub fn new(batch_size: usize, mode: Picky, place: &PickyPlace) -> Self {
        Self {
            batch_size,
            mode,
            place: place.clone(),
            unanswered: VecDeque::new(),
            reported: 0,
        }
    }

    fn deliver_oldest(&mut self) {
        if let Some(batch) = self.unanswered.pop_front() {
            self.place.0.lock().delivered.extend(batch);
            self.reported += 1;
        }
    }

    /// Looks at a batch, and delivers the rest of it if that is its way.
    fn look(&self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let looked = self.place.look(batch);
        let Err(error) = looked else { return Ok(()) };
        match (self.mode, error.blame()) {
            (Picky::Sifting(_), Blame::Events(bad)) => {
                let bad = bad.clone();
                let good = batch.iter().enumerate();
                let good = good.filter(|(place, _)| !bad.contains(place));
                let good = good.map(|(_, event)| event.clone());
                self.place.0.lock().delivered.extend(good);
                Err(error.blaming(Blame::Refused(bad)))
            }
            _ => Err(error),
        }
    }
}

#[async_trait]
impl Sink for PickySink {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.look(batch)?;
        self.place.0.lock().delivered.extend_from_slice(batch);
        Ok(())
    }

    fn into_mode(self: Box<Self>) -> SinkMode {
        match self.mode {
            Picky::Single => SinkMode::Single(self),
            Picky::Pipelined(_) | Picky::Sifting(_) => SinkMode::Pipelined(self),
            Picky::Gathering(_) => SinkMode::Gathering(self),
        }
    }
}

#[async_trait]
impl Pipeline for PickySink {
    fn window(&self) -> usize {
        match self.mode {
            Picky::Pipelined(window) | Picky::Sifting(window) => window,
            Picky::Single | Picky::Gathering(_) => 1,
        }
    }

    async fn send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let looks = matches!(self.mode, Picky::Pipelined(window) if window > 2);
        if looks && self.place.0.lock().knows {
            self.place.look(batch)?;
        }
        self.unanswered.push_back(batch.to_vec());
        Ok(())
    }

    async fn settle(&mut self) -> Result<usize, EventDeliveryError> {
        let oldest = self.unanswered.front().cloned().unwrap_or_default();
        if let Err(error) = self.look(&oldest) {
            match error.blame() {
                Blame::Refused(_) => drop(self.unanswered.pop_front()),
                _ => self.unanswered.clear(),
            }
            return Err(error);
        }
        self.deliver_oldest();
        Ok(std::mem::take(&mut self.reported))
    }
}

#[async_trait]
impl Gather for PickySink {
    fn events_per_file(&self) -> usize {
        match self.mode {
            Picky::Gathering(batches) => batches.saturating_mul(self.batch_size),
            _ => self.batch_size,
        }
    }

    async fn gather(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        if let Err(error) = self.place.look(batch) {
            if *error.blame() == Blame::Batch {
                self.unanswered.clear();
            }
            return Err(error);
        }
        self.unanswered.push_back(batch.to_vec());
        if matches!(self.mode, Picky::Gathering(full) if self.unanswered.len() >= full) {
            self.complete().await?;
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), EventDeliveryError> {
        while !self.unanswered.is_empty() {
            self.deliver_oldest();
        }
        Ok(())
    }

    fn take_delivered(&mut self) -> usize {
        std::mem::take(&mut self.reported)
    }
}
