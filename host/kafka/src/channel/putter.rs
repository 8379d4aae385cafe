//! How events get into the topic: puts go to the client in the order of their commits, and each is
//! answered when the brokers have answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use flume_core::{ChannelError, Commit, Event, LogLimit, chain, clock};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Shared;
use crate::client::{ClientError, ErrorKind, Producer, Record, Refused};
use crate::place::Topic;
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
        _: &Arc<Shared>,
        producer: Arc<dyn Producer>,
        runtime: &Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
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

    fn push(self: &Arc<Self>, put: Put, shared: &Arc<Shared>) {
        let mut queue = self.queue.lock();
        queue.puts.push_back(put);
        if !std::mem::replace(&mut queue.is_served, true) {
            let (putter, shared) = (Arc::clone(self), Arc::clone(shared));
            self.runtime
                .spawn(async move { putter.serve(shared).await });
        }
    }

    /// Hands over what there is, in its order.
    async fn serve(self: Arc<Self>, shared: Arc<Shared>) {
        loop {
            let put = {
                let mut queue = self.queue.lock();
                let put = queue.puts.pop_front();
                queue.is_served = put.is_some();
                put
            };
            let Some(put) = put else { return };
            let (putter, shared) = (Arc::clone(&self), Arc::clone(&shared));
            let Put {
                records,
                events,
                tell,
            } = put;
            match self.producer.send(records).await {
                Err(error) => putter.end_put(&shared, events, tell, Err(error)),
                Ok(acks) => {
                    self.runtime.spawn(async move {
                        let answer = acks.await;
                        putter.end_put(&shared, events, tell, answer);
                    });
                }
            }
        }
    }

    /// Answers a put.
    fn end_put(
        &self,
        shared: &Shared,
        events: Vec<Event>,
        tell: oneshot::Sender<Result<(), ChannelError>>,
        answer: Result<Vec<Refused>, ClientError>,
    ) {
        let error = match answer {
            Err(error) => Some(error),
            Ok(refused) => refused.into_iter().next().map(|it| it.error),
        };
        let answer = match error {
            None => {
                shared.counters.event_put_success.add(events.len());
                shared.note_put(None);
                Ok(())
            }
            Some(error) => {
                self.say(shared, &error);
                if error.kind == ErrorKind::Fatal
                    && let Some(open) = &mut *shared.open.lock()
                {
                    // The next put has a new client.
                    open.putter = None;
                }
                Err(failed(&error))
            }
        };
        shared.room.release(&events);
        // Nobody may wait for it any more.
        tell.send(answer).ok();
    }

    fn say(&self, shared: &Shared, error: &ClientError) {
        if error.kind != ErrorKind::Record {
            shared.note_put(Some(format!("{FAILED}: {error}")));
        }
        if let Some(left_out) = self.log.lock().admit(clock::now()) {
            let channel = &shared.name;
            tracing::warn!(channel, %error, left_out, "{FAILED}");
        }
    }
}

fn failed(error: &ClientError) -> ChannelError {
    ChannelError::Place {
        reason: format!("{FAILED}: {}", chain(error)).into(),
    }
}

/// Puts events, for which there is room.
pub(super) fn append(shared: &Arc<Shared>, events: Vec<Event>) -> Commit {
    shared.counters.event_put_attempt.add(events.len());
    let begun = records(shared, &events).and_then(|records| {
        let putter = shared.putter();
        let putter = putter.map_err(|error| failed(&error))?;
        Ok((putter, records))
    });
    let (putter, records) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            shared.room.release(&events);
            return Commit::waits(async { Err(error) });
        }
    };
    let (tell, told) = oneshot::channel();
    let put = Put {
        records,
        events,
        tell,
    };
    putter.push(put, shared);
    Commit::waits(async move {
        let closed = || Err(failed(&ClientError::closed()));
        told.await.unwrap_or_else(|_| closed())
    })
}

fn records(shared: &Shared, events: &[Event]) -> Result<Vec<Record>, ChannelError> {
    let usual: ByteString = shared.keys.topic.as_str().into();
    let mut values = Values::of(events, shared.keys.is_flume);
    let mut record = |event: &Event| {
        let place = shared.keys.place.of(event)?;
        Ok(Record {
            topic: match place.topic {
                Topic::Usual => usual.clone(),
                Topic::Own(name) => name.into(),
            },
            partition: place.partition,
            key: record::key(event),
            value: values.next(event)?,
            ..Record::default()
        })
    };
    let records: Result<Vec<Record>, String> = events.iter().map(&mut record).collect();
    records.map_err(|reason| ChannelError::Place {
        reason: reason.into(),
    })
}
