//! A lane: one sink, its channel, and the transactions that it has under way.
//!
//! The lane takes batches, has them delivered, and commits or rolls back. A sink that can have
//! several batches under way is kept busy with *full* batches up to its window; a batch that is
//! not full leaves only when nothing else is under way. So a lone event is sent at once, and under
//! load the answer of one batch is the time in which the next one fills: no timer is needed.
//!
//! Where batches gather in the sink (an object store has an object when it is complete, and not
//! before), a batch leaves as soon as there is one and stays under way: nothing waits for its
//! answer. It is answered when the sink's file is full, when its time is over, when a put waits for
//! the room that it occupies, and at the end.
//!
//! Transactions roll back newest first, also when the lane is dropped, since each rollback puts its
//! events at the head of the channel.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use flume_core::clock::{self, Instant};
use flume_core::counters::Counter;
use flume_core::{
    Channel, ComponentError, EventDeliveryError, Sink, SinkCounter, Status, TakeTransaction,
};
use futures_util::FutureExt;
use parking_lot::Mutex;

/// Makes a sink anew, after a panic.
pub type SinkFactory = Box<dyn Fn() -> Result<Box<dyn Sink>, ComponentError> + Send + Sync>;

/// A sink with its channel.
pub struct Lane {
    name: String,
    sink: Box<dyn Sink>,
    factory: SinkFactory,
    channel: Arc<dyn Channel>,
    counters: Arc<SinkCounter>,
    under_way: UnderWay,
    /// Whether the sink gathers batches.
    gathers: bool,
    started: bool,
    /// Events delivered so far.
    delivered: u64,
    faults: Arc<Faults>,
}

/// What went wrong on a lane, for operators.
#[derive(Debug, Default)]
pub struct Faults {
    last: Mutex<Option<Fault>>,
    restarts: Counter,
}

/// The last failure of a lane.
#[derive(Debug, Clone)]
pub struct Fault {
    /// When it was.
    pub at: Instant,
    /// The error with its causes.
    pub text: String,
}

impl Faults {
    /// The last failure, if there was one.
    pub fn last(&self) -> Option<Fault> {
        self.last.lock().clone()
    }

    /// Times that the sink panicked and was made anew.
    pub fn restarts(&self) -> u64 {
        self.restarts.get()
    }

    fn record(&self, text: String) {
        *self.last.lock() = Some(Fault {
            at: clock::now(),
            text,
        });
    }
}

impl Lane {
    /// A lane over a channel, with a sink fresh from the factory.
    ///
    /// # Errors
    /// The factory's.
    pub fn new(
        name: impl Into<String>,
        channel: Arc<dyn Channel>,
        counters: Arc<SinkCounter>,
        factory: SinkFactory,
    ) -> Result<Self, ComponentError> {
        let mut sink = factory()?;
        Ok(Self {
            name: name.into(),
            gathers: gathers(&mut *sink),
            sink,
            factory,
            channel,
            counters,
            under_way: UnderWay::default(),
            started: false,
            delivered: 0,
            faults: Arc::default(),
        })
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The channel that the sink drains.
    pub fn channel(&self) -> &Arc<dyn Channel> {
        &self.channel
    }

    /// Where failures are noted.
    pub fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults)
    }

    /// Starts the sink. A failure is logged and not fatal: deliveries will say more.
    pub async fn start(&mut self) {
        self.started = true;
        let started = AssertUnwindSafe(self.sink.start(&self.counters))
            .catch_unwind()
            .await;
        match started {
            Ok(Ok(())) => tracing::debug!(sink = self.name, "sink started"),
            Ok(Err(error)) => {
                tracing::warn!(
                    sink = self.name,
                    error = chain(&error),
                    "sink did not start"
                );
                self.faults.record(chain(&error));
            }
            Err(panic) => self.replace_sink(panic.as_ref()),
        }
    }

    /// Flume's `process()` of a sink: delivers one batch, or finds none. With `pipelined`, further
    /// full batches may be under way when it returns.
    ///
    /// # Errors
    /// What was under way is back in the channel.
    pub async fn process(&mut self, pipelined: bool) -> Result<Status, EventDeliveryError> {
        if !self.started {
            self.start().await;
        }
        let processed = AssertUnwindSafe(self.deliver_next(pipelined))
            .catch_unwind()
            .await;
        self.conclude(processed)
    }

    /// Delivers a batch that was taken elsewhere, in one piece.
    ///
    /// # Errors
    /// The batch comes back for another sink, with the reason, which is noted.
    pub async fn deliver(
        &mut self,
        batch: TakeTransaction,
    ) -> Result<(), (TakeTransaction, EventDeliveryError)> {
        if !self.started {
            self.start().await;
        }
        let taken = batch.events().len();
        self.count_take(taken, self.batch_size());
        let delivered = AssertUnwindSafe(self.sink.deliver(batch.events()))
            .catch_unwind()
            .await;
        match self.conclude(delivered) {
            Ok(()) => {
                self.settled(batch);
                Ok(())
            }
            Err(error) => Err((batch, error)),
        }
    }

    /// Waits for the answers to all that is under way.
    ///
    /// # Errors
    /// What was under way and is not delivered is back in the channel.
    pub async fn drain(&mut self) -> Result<(), EventDeliveryError> {
        let drained = AssertUnwindSafe(self.settle_all()).catch_unwind().await;
        self.conclude(drained)
    }

    /// Events delivered since the lane was made.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether batches are under way.
    pub fn is_busy(&self) -> bool {
        !self.under_way.0.is_empty()
    }

    /// Whether batches are under way that will be answered by themselves.
    pub fn waits_for_answers(&self) -> bool {
        self.is_busy() && !self.gathers
    }

    /// Whether batches are under way that wait for more.
    pub fn holds_back(&self) -> bool {
        self.is_busy() && self.gathers
    }

    /// Lets go of what is held back: somebody waits for the room.
    pub async fn hand_in(&mut self) {
        if let Err(error) = self.drain().await {
            tracing::warn!(
                sink = self.name,
                error = chain(&error),
                "batches that were held back are not delivered"
            );
        }
    }

    /// When the sink wants to be called even without events.
    pub fn next_tick(&self) -> Option<Instant> {
        self.sink.next_tick()
    }

    /// Calls the sink as it asked to be.
    pub async fn tick(&mut self) {
        let ticked = AssertUnwindSafe(self.tick_and_settle())
            .catch_unwind()
            .await;
        if let Err(error) = self.conclude(ticked) {
            tracing::warn!(
                sink = self.name,
                error = chain(&error),
                "sink failed in its spare time"
            );
        }
    }

    /// Lets the sink go.
    pub async fn stop(&mut self) {
        if let Err(error) = self.drain().await {
            tracing::warn!(
                sink = self.name,
                error = chain(&error),
                "last batches not delivered"
            );
        }
        if let Err(panic) = AssertUnwindSafe(self.sink.stop()).catch_unwind().await {
            self.replace_sink(panic.as_ref());
        }
    }

    async fn tick_and_settle(&mut self) -> Result<(), EventDeliveryError> {
        self.sink.tick().await?;
        if self.holds_back() {
            self.settle().await?;
        }
        Ok(())
    }

    /// Sends one batch, or none, to a sink that gathers them.
    async fn gather(&mut self, window: usize) -> Result<Status, EventDeliveryError> {
        if self.next_tick().is_some_and(|due| due <= clock::now()) {
            self.tick_and_settle().await?;
        }
        let Some(transaction) = self.take() else {
            return Ok(Status::Backoff);
        };
        self.under_way.0.push_back(transaction);
        if let (Some(pipeline), Some(last)) = (self.sink.pipeline(), self.under_way.0.back()) {
            pipeline.send(last.events()).await?;
        }
        match self.under_way.0.len() < window {
            true => self.settle().await?,
            false => self.settle_all().await?,
        }
        Ok(Status::Ready)
    }

    async fn deliver_next(&mut self, pipelined: bool) -> Result<Status, EventDeliveryError> {
        let window = match self.sink.pipeline() {
            Some(pipeline) if pipelined => pipeline.window().max(1),
            _ => return self.deliver_one().await,
        };
        if self.gathers {
            return self.gather(window).await;
        }
        self.let_puts_in().await;
        while self.under_way.0.len() < window {
            if self.is_busy() && self.channel.depth() < self.batch_size() {
                break;
            }
            let Some(transaction) = self.take() else {
                break;
            };
            // Queued first: if sending fails, it rolls back with the others and in their order.
            self.under_way.0.push_back(transaction);
            if let (Some(pipeline), Some(last)) = (self.sink.pipeline(), self.under_way.0.back()) {
                pipeline.send(last.events()).await?;
            }
        }
        if !self.is_busy() {
            return Ok(Status::Backoff);
        }
        self.settle().await?;
        Ok(Status::Ready)
    }

    async fn deliver_one(&mut self) -> Result<Status, EventDeliveryError> {
        self.settle_all().await?;
        self.let_puts_in().await;
        let Some(transaction) = self.take() else {
            return Ok(Status::Backoff);
        };
        self.under_way.0.push_back(transaction);
        if let Some(transaction) = self.under_way.0.back() {
            self.sink.deliver(transaction.events()).await?;
        }
        self.commit(1);
        Ok(Status::Ready)
    }

    async fn settle(&mut self) -> Result<(), EventDeliveryError> {
        let Some(pipeline) = self.sink.pipeline() else {
            return Ok(());
        };
        let delivered = pipeline.settle().await?;
        self.commit(delivered);
        Ok(())
    }

    async fn settle_all(&mut self) -> Result<(), EventDeliveryError> {
        if self.holds_back() {
            if let Some(pipeline) = self.sink.pipeline() {
                pipeline.complete().await?;
            }
            self.settle().await?;
            if self.is_busy() {
                let left = "the sink completed its files and left batches without an answer";
                return Err(EventDeliveryError::new(left));
            }
        }
        while self.is_busy() {
            self.settle().await?;
        }
        Ok(())
    }

    /// Has the room that the last commit freed filled by the puts that wait for it, if without them
    /// the next batch would not be full. Else a small channel goes in halves: one under way, and
    /// one that is taken the moment that the first is delivered.
    async fn let_puts_in(&mut self) {
        if !self.is_busy()
            && self.channel.is_short_of_room()
            && self.channel.depth() < self.batch_size()
        {
            tokio::task::yield_now().await;
        }
    }

    /// The most events in one transaction: what the sink wants, and the channel allows.
    pub fn batch_size(&self) -> usize {
        self.sink
            .batch_size()
            .clamp(1, self.channel.transaction_capacity())
    }

    fn take(&mut self) -> Option<TakeTransaction> {
        let mut transaction = TakeTransaction::begin(&self.channel);
        let wanted = self.batch_size();
        let taken = transaction.take_batch(wanted);
        self.count_take(taken, wanted);
        (taken > 0).then_some(transaction)
    }

    fn count_take(&self, taken: usize, wanted: usize) {
        match taken {
            0 => self.counters.batch_empty.increment(),
            _ if taken < wanted => self.counters.batch_underflow.increment(),
            _ => self.counters.batch_complete.increment(),
        }
        self.counters.event_drain_attempt.add(taken);
    }

    fn commit(&mut self, batches: usize) {
        for _ in 0..batches {
            if let Some(transaction) = self.under_way.0.pop_front() {
                self.settled(transaction);
            }
        }
    }

    fn settled(&mut self, transaction: TakeTransaction) {
        let events = transaction.events().len();
        self.counters.event_drain_success.add(events);
        self.delivered = self
            .delivered
            .saturating_add(u64::try_from(events).unwrap_or(u64::MAX));
        transaction.commit();
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
                EventDeliveryError::new(format!("sink panicked: {}", words(panic.as_ref())))
            }
        };
        self.under_way.roll_back();
        self.counters.event_write_fail.increment();
        self.faults.record(chain(&error));
        Err(error)
    }

    fn replace_sink(&mut self, panic: &(dyn Any + Send)) {
        tracing::error!(
            sink = self.name,
            panic = words(panic),
            "sink panicked and is made anew"
        );
        self.faults.restarts.increment();
        self.faults.record(format!("panicked: {}", words(panic)));
        match (self.factory)() {
            Ok(mut sink) => {
                self.gathers = gathers(&mut *sink);
                self.sink = sink;
                self.started = false;
            }
            Err(error) => {
                tracing::error!(
                    sink = self.name,
                    error = chain(&error),
                    "sink cannot be made anew"
                );
            }
        }
    }
}

fn gathers(sink: &mut dyn Sink) -> bool {
    sink.pipeline()
        .is_some_and(|pipeline| pipeline.gathers().is_some())
}

/// Transactions in the order in which they were taken. Dropped, the newest rolls back first.
#[derive(Debug, Default)]
struct UnderWay(VecDeque<TakeTransaction>);

impl UnderWay {
    fn roll_back(&mut self) {
        while let Some(transaction) = self.0.pop_back() {
            transaction.rollback();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.roll_back();
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What a panic said.
pub(super) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
