//! How events get into the topic: puts go to the client in the order of their commits, and each is
//! answered when the brokers have answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use flume_core::{ChannelError, Commit, Event, LogLimit, chain, clock};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::shared::Shared;
use crate::client::{ClientError, ErrorKind, Producer, Record, Refused};
use crate::patience::answers;
use crate::record::{self, Values};

/// What a source is told, in Flume's words.
const FAILED: &str = "Commit failed as send to Kafka failed";

/// Too many puts are under way.
pub(super) const FULL: ChannelError = ChannelError::Full {
    words: "The channel has as many puts under way as it may: the brokers are slower than the sources",
};

/// How long the end of the channel waits for puts that are under way.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Lines about puts that failed: one in this time.
const EVERY: Duration = Duration::from_secs(60);

/// Hands puts to a client.
pub(super) struct Putter {
    shared: Arc<Shared>,
    /// Whether the client cannot go on.
    is_broken: AtomicBool,
    producer: Arc<dyn Producer>,
    runtime: Handle,
    queue: Mutex<Queue>,
    log: Mutex<LogLimit>,
}

#[derive(Default)]
struct Queue {
    puts: VecDeque<Put>,
    /// Whether a task hands puts over.
    is_served: bool,
}

/// A put on its way.
struct Put {
    records: Vec<Record>,
    events: Vec<Event>,
    tell: oneshot::Sender<Result<(), ChannelError>>,
}

impl Putter {
    pub(super) fn begin(
        shared: &Arc<Shared>,
        producer: Arc<dyn Producer>,
        runtime: &Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            is_broken: AtomicBool::new(false),
            producer,
            runtime: runtime.clone(),
            queue: Mutex::default(),
            log: Mutex::new(LogLimit::new(1, EVERY)),
        })
    }

    /// Waits for what is under way.
    pub(super) async fn end(&self) {
        self.producer.flush(LAST_WAIT).await;
    }

    /// Whether the client cannot go on, so that the next put needs another one.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(SeqCst)
    }

    /// Puts events, for which there is room.
    pub(super) fn put(self: &Arc<Self>, events: Vec<Event>) -> Commit {
        self.shared.counters.event_put_attempt.add(events.len());
        let records = match records(&self.shared, &events) {
            Ok(records) => records,
            Err(error) => {
                self.shared.room.release(&events);
                return Commit::waits(async { Err(error) });
            }
        };
        let (tell, told) = oneshot::channel();
        self.push(Put {
            records,
            events,
            tell,
        });
        Commit::waits(async move {
            let closed = || Err(failed(&ClientError::closed()));
            told.await.unwrap_or_else(|_| closed())
        })
    }

    fn push(self: &Arc<Self>, put: Put) {
        let mut queue = self.queue.lock();
        queue.puts.push_back(put);
        if !std::mem::replace(&mut queue.is_served, true) {
            let putter = Arc::clone(self);
            self.runtime.spawn(async move { putter.serve().await });
        }
    }

    /// Hands over what there is, in its order.
    async fn serve(self: Arc<Self>) {
        loop {
            let put = {
                let mut queue = self.queue.lock();
                let put = queue.puts.pop_front();
                queue.is_served = put.is_some();
                put
            };
            let Some(put) = put else { return };
            let putter = Arc::clone(&self);
            let Put {
                records,
                events,
                tell,
            } = put;
            match self.producer.send(records).await {
                Err(error) => putter.end_put(&events, tell, Err(error)),
                Ok(mut acks) => {
                    self.runtime.spawn(async move {
                        let numbers = &putter.shared.vitals.numbers;
                        let answer = answers(&mut acks, numbers, clock::now()).await;
                        if answer.is_err() {
                            // What is given up is not to come after all.
                            putter.producer.purge();
                        }
                        putter.end_put(&events, tell, answer);
                    });
                }
            }
        }
    }

    /// Answers a put.
    fn end_put(
        &self,
        events: &[Event],
        tell: oneshot::Sender<Result<(), ChannelError>>,
        answer: Result<Vec<Refused>, ClientError>,
    ) {
        let error = match answer {
            Err(error) => Some(error),
            Ok(refused) => refused.into_iter().next().map(|it| it.error),
        };
        let answer = match error {
            None => {
                self.shared.counters.event_put_success.add(events.len());
                self.shared.note_put(None);
                Ok(())
            }
            Some(error) => {
                self.say(&error);
                if error.kind == ErrorKind::Fatal {
                    self.is_broken.store(true, SeqCst);
                }
                Err(failed(&error))
            }
        };
        self.shared.room.release(events);
        // Nobody may wait for it any more.
        tell.send(answer).ok();
    }

    fn say(&self, error: &ClientError) {
        if error.kind != ErrorKind::Record {
            self.shared.note_put(Some(format!("{FAILED}: {error}")));
        }
        if let Some(left_out) = self.log.lock().admit(clock::now()) {
            let channel = &self.shared.name;
            tracing::warn!(channel, %error, left_out, "{FAILED}");
        }
    }
}

/// A put that the client did not take, as the source hears of it.
pub(super) fn failed(error: &ClientError) -> ChannelError {
    ChannelError::Place {
        reason: format!("{FAILED}: {}", chain(error)).into(),
    }
}

fn records(shared: &Shared, events: &[Event]) -> Result<Vec<Record>, ChannelError> {
    let mut values = Values::of(events, shared.keys.is_flume);
    let record = |event| record::at(shared.keys.place.of(event)?, event, &mut values);
    let records: Result<Vec<Record>, String> = events.iter().map(record).collect();
    records.map_err(|reason| ChannelError::Place {
        reason: reason.into(),
    })
}
