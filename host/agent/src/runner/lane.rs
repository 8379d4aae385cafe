//! A lane: one sink and its channel, with the transactions between them.
//!
//! The lane takes batches, has them delivered, and commits or rolls back. How many may be under
//! way, and when they are answered, is the lane's [`LaneMode`]: one batch at a time, several at once,
//! or batches that gather until a file is complete.
//!
//! The laws: after a failure or a panic of the sink, all that was under way is back in the channel
//! in its old order; and after a panic the sink is made anew.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use flume_core::clock::Instant;
use flume_core::{
    Blame, Channel, EventDeliveryError, Sink, SinkCounter, Status, TakeTransaction, chain,
    panic_text,
};
use futures_util::FutureExt;

use self::aside::Aside;
use self::mode::LaneMode;
use self::takes::Takes;
use super::home::Home;

#[cfg(test)]
pub(crate) use self::aside::TRIES;
#[cfg(test)]
pub(crate) use self::faults::AsideHealth;
pub(crate) use self::faults::{Faults, LaneHealth};
pub(crate) use self::remedy::Remedy;

mod aside;
mod blame;
mod failed;
mod faults;
mod gathering;
mod mode;
mod pipelined;
mod remedy;
mod search;
mod sent;
mod single;
mod takes;
mod under_way;

/// Makes the sink, at the start and after a panic.
pub(crate) type SinkFactory = Box<dyn Fn() -> Box<dyn Sink> + Send + Sync>;

/// A sink with its channel.
pub(crate) struct Lane {
    name: String,
    mode: LaneMode,
    takes: Takes,
    factory: SinkFactory,
    started: bool,
    faults: Arc<Faults>,
}

impl Lane {
    /// A lane over a channel, with a sink fresh from the factory, in the mode that the sink is made
    /// for.
    pub(crate) fn new(
        name: impl Into<String>,
        channel: Arc<dyn Channel>,
        counters: Arc<SinkCounter>,
        factory: SinkFactory,
    ) -> Self {
        let (name, faults) = (name.into(), Arc::<Faults>::default());
        Self {
            mode: LaneMode::of(factory()),
            takes: Takes::new(&name, channel, counters, Arc::clone(&faults)),
            name,
            factory,
            started: false,
            faults,
        }
    }

    /// The same lane with something else to do about events that can never be delivered.
    pub(crate) fn on_error(mut self, remedy: Remedy) -> Self {
        self.takes.aside = Aside::new(&self.name, remedy);
        self
    }

    /// The same lane in a group with a spare: it takes home what that took.
    pub(crate) fn taking_home(mut self, home: &Arc<Home>) -> Self {
        self.takes.home = Some(Arc::clone(home));
        self
    }

    /// The same lane with one batch under way at a time, whatever its sink can do.
    pub(crate) fn one_at_a_time(self) -> Self {
        let mode = self.mode.single();
        Self { mode, ..self }
    }

    /// The sink's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The channel that the sink drains.
    pub(crate) fn channel(&self) -> &Arc<dyn Channel> {
        self.takes.channel()
    }

    /// Where failures are noted.
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults)
    }

    /// The most events in one transaction: what the sink wants, within what the channel allows.
    pub(crate) fn batch_size(&self) -> usize {
        self.takes.most(self.mode.sink().batch_size())
    }

    /// Events delivered since the lane was made.
    pub(crate) fn delivered(&self) -> u64 {
        self.takes.delivered()
    }

    /// Whether batches are under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.waits_for_answers() || self.holds_back()
    }

    /// Whether batches are under way that the sink answers for in its time.
    pub(crate) fn waits_for_answers(&self) -> bool {
        self.mode.waits_for_answers()
    }

    /// Whether batches are under way that wait for more.
    pub(crate) fn holds_back(&self) -> bool {
        self.mode.holds_back()
    }

    /// When the lane is to be called even without events.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let next_try = self.takes.aside.next_try(self.delivered());
        let next_tick = self.mode.sink().next_tick();
        next_tick.into_iter().chain(next_try).min()
    }

    /// Whether events are aside. Those of a lane that drains are tried at once.
    pub(crate) fn drains_aside(&mut self) -> bool {
        self.takes.hurry();
        !self.takes.aside.is_empty()
    }

    /// Starts the sink. A failure is logged and not fatal: deliveries will say more.
    pub(crate) async fn start(&mut self) {
        self.started = true;
        let start = self.mode.sink_mut().start(self.takes.counters());
        match AssertUnwindSafe(start).catch_unwind().await {
            Ok(Ok(())) => {
                tracing::debug!(sink = self.name, "sink started");
                self.faults.started();
            }
            Ok(Err(error)) => {
                let error = chain(&error);
                tracing::warn!(sink = self.name, error, "sink did not start");
                self.faults.record_start(error);
            }
            Err(panic) => self.replace_sink(panic.as_ref()),
        }
    }

    /// Has the sink do what its next delivery would begin with.
    ///
    /// # Errors
    /// It would have failed.
    pub(crate) async fn connect(&mut self) -> Result<(), EventDeliveryError> {
        if !self.started {
            self.start().await;
        }
        let connect = self.mode.sink_mut().connect();
        let connected = AssertUnwindSafe(connect).catch_unwind().await;
        self.conclude(connected)
    }

    /// Flume's `process()` of a sink: delivers a batch, or finds none. Further batches may be under
    /// way when it returns.
    ///
    /// # Errors
    /// What was under way is back in the channel.
    pub(crate) async fn process(&mut self) -> Result<Status, EventDeliveryError> {
        if !self.started {
            self.start().await;
        }
        let deliver = self.mode.deliver_next(&mut self.takes);
        let delivered = AssertUnwindSafe(deliver).catch_unwind().await;
        self.conclude(delivered)
    }

    /// Takes the next batch, to be [delivered](Self::deliver) in one piece. `None` if the channel is
    /// empty.
    pub(crate) fn take(&self) -> Option<TakeTransaction> {
        let batch = self.takes.next_batch(self.batch_size());
        (!batch.events().is_empty()).then_some(batch)
    }

    /// Delivers a batch that was taken elsewhere, in one piece.
    ///
    /// # Errors
    /// The batch comes back for another sink, with the reason, which is noted.
    pub(crate) async fn deliver(
        &mut self,
        batch: TakeTransaction,
    ) -> Result<(), (TakeTransaction, EventDeliveryError)> {
        if !self.started {
            self.start().await;
        }
        self.takes.count(batch.events().len(), self.batch_size());
        let sent = self.takes.sent();
        let deliver = self.mode.sink_mut().deliver(batch.events());
        let delivered = AssertUnwindSafe(deliver).catch_unwind().await;
        match delivered {
            Ok(Err(error)) if *error.blame() != Blame::Place => self.find_blame(batch, error).await,
            delivered => match self.conclude(delivered) {
                Ok(()) => {
                    self.takes.commit(batch).await;
                    sent.delivered();
                    Ok(())
                }
                Err(error) => Err((batch, error)),
            },
        }
    }

    /// Delivers a batch without the events that are to blame. What is left of one that is not whole
    /// any more goes back to the channel: for the group, the sink has answered for it.
    async fn find_blame(
        &mut self,
        batch: TakeTransaction,
        error: EventDeliveryError,
    ) -> Result<(), (TakeTransaction, EventDeliveryError)> {
        let deliver = self.mode.answer_here(batch, error, &mut self.takes);
        let (batch, error) = match AssertUnwindSafe(deliver).catch_unwind().await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err((batch, error))) => (batch, Ok(Err(error))),
            Err(panic) => (None, Err(panic)),
        };
        match (self.conclude::<()>(error), batch) {
            (Err(error), Some(batch)) => Err((batch, error)),
            _ => Ok(()),
        }
    }

    /// Has all that is under way delivered, and waits for it.
    ///
    /// # Errors
    /// What was under way and is not delivered is back in the channel.
    pub(crate) async fn drain(&mut self) -> Result<(), EventDeliveryError> {
        let drain = self.mode.drain(&mut self.takes);
        let drained = AssertUnwindSafe(drain).catch_unwind().await;
        self.conclude(drained)
    }

    /// Completes gathered batches early, because a put is waiting for room.
    pub(crate) async fn hand_in(&mut self) {
        let handed_in = self.drain().await;
        self.warn(handed_in, "batches that were held back are not delivered");
    }

    /// Calls the sink as it asked to be; says whether that went well.
    pub(crate) async fn tick(&mut self) -> bool {
        let tick = self.mode.tick(&mut self.takes);
        let ticked = AssertUnwindSafe(tick).catch_unwind().await;
        let ticked = self.conclude(ticked);
        let went_well = ticked.is_ok();
        self.warn(ticked, "sink failed between deliveries");
        went_well
    }

    /// Has the last batches delivered, and stops the sink.
    pub(crate) async fn stop(&mut self) {
        let drained = self.drain().await;
        self.warn(drained, "last batches not delivered");
        self.takes.give_back_aside();
        let stop = self.mode.sink_mut().stop();
        if let Err(panic) = AssertUnwindSafe(stop).catch_unwind().await {
            self.replace_sink(panic.as_ref());
        }
    }

    fn warn(&self, result: Result<(), EventDeliveryError>, message: &str) {
        if let Err(error) = result {
            tracing::warn!(sink = self.name, error = chain(&error), "{message}");
        }
    }

    /// Rolls back after a failure, and replaces a sink that panicked.
    fn conclude<T>(
        &mut self,
        result: Result<Result<T, EventDeliveryError>, Box<dyn Any + Send>>,
    ) -> Result<T, EventDeliveryError> {
        let error = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(panic) => {
                self.replace_sink(panic.as_ref());
                EventDeliveryError::new(format!("sink panicked: {}", panic_text(panic.as_ref())))
            }
        };
        self.mode.roll_back();
        self.takes.counters().event_write_fail.increment();
        self.faults.record(chain(&error));
        Err(error)
    }

    /// Makes the sink anew. What was under way is rolled back.
    fn replace_sink(&mut self, panic: &(dyn Any + Send)) {
        let panic = panic_text(panic);
        tracing::error!(sink = self.name, panic, "sink panicked and is made anew");
        self.faults.record_panic(panic);
        self.mode = self.mode.with((self.factory)());
        self.started = false;
    }
}
