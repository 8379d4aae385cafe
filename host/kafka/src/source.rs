//! The kafka source: the records of topics become events.
//!
//! The laws: an offset is committed only when all events below it are in the channels, and no two
//! members of a group have one partition at once. So a record may come twice after a crash, and none is
//! passed over.
//!
//! ```text
//! poll ─▶ events ─▶ interceptors, channels ─▶ done ─▶ commit, beside the next poll
//!   │                      └─ no room: the partitions rest, and the group is answered all the same
//!   └─ partitions go to another member: what is under way ends, then commit, then release
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use flume_core::clock::{self, Instant};
use flume_core::dead_letter::By;
use flume_core::{
    ByHeader, ClientCounter, ComponentError, DeadLetters, Event, LogLimit, ProcessError,
    PutInProgress, PutTransaction, Recipe, Source, SourceContext,
};

use self::events::{Converted, convert};
use self::keys::{Keys, OnError};
use self::places::Places;
use crate::Surroundings;
use crate::client::{Consumer, Partition, Polled, Received};
use crate::pace::{BUSY, EVERY, HANDOVER, IDLE, PAUSE, Pauses};
use crate::progress::{Committer, Progress};
use crate::settings::Resolved;
use crate::vitals::Vitals;

mod events;
mod keys;
mod places;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["kafka", "org.apache.flume.source.kafka.KafkaSource"];

/// Reads topics as a member of a group.
pub struct KafkaSource {
    keys: Keys,
    around: Surroundings,
    settings: Option<Resolved>,
    letters: Option<DeadLetters>,
}

/// Reads the keys of a kafka source.
pub fn configure(
    context: &mut flume_core::Context,
    around: &Surroundings,
) -> Option<Recipe<dyn Source>> {
    let keys = Keys::read(context)?;
    let around = around.clone();
    Some(Recipe::<dyn Source>::new(keys, move |keys| {
        Box::new(KafkaSource {
            keys: keys.clone(),
            around: around.clone(),
            settings: None,
            letters: None,
        })
    }))
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn origin(&self) -> Option<ByHeader> {
        Some(ByHeader {
            cluster: self.keys.client.servers(),
            header: self.keys.topic_header.clone()?,
        })
    }

    fn letters(&self) -> Option<&str> {
        match &self.keys.on_error {
            OnError::DeadLetter(channel) => Some(channel),
            OnError::Pass | OnError::Drop => None,
        }
    }

    fn set_letters(&mut self, letters: DeadLetters) {
        self.letters = Some(letters);
    }

    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        self.settings = Some(self.keys.client.resolve(&*self.around.stores)?);
        Ok(None)
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let Some(settings) = self.settings.take() else {
            return Err(ComponentError::new("the source was not started"));
        };
        let numbers = context.counters.client.get_or_init(ClientCounter::default);
        let vitals = Vitals::of(&self.keys.name, numbers);
        let engine = &self.around.engine;
        let made = engine.consumer(&settings, &self.keys.topics, &vitals);
        let failed = |error| ComponentError::caused_by("no client of Kafka", error);
        let consumer = made.map_err(failed)?;
        let mut reader = Reader {
            keys: &self.keys,
            context: &context,
            letters: self.letters.as_ref(),
            committer: Committer::new(&self.keys.name),
            progress: Progress::default(),
            held: Vec::new(),
            log: LogLimit::new(1, EVERY),
            consumer,
        };
        let stop = context.stop.clone();
        stop.run_until_cancelled(reader.read()).await;
        reader.end().await;
        Ok(())
    }
}

/// A source at work.
struct Reader<'a> {
    keys: &'a Keys,
    context: &'a SourceContext,
    letters: Option<&'a DeadLetters>,
    consumer: Arc<dyn Consumer>,
    committer: Committer,
    progress: Progress,
    /// Records that came while others had no room.
    held: Vec<Received>,
    log: LogLimit,
}

impl Reader<'_> {
    async fn read(&mut self) {
        let mut pauses = Pauses::new();
        loop {
            self.committer.advance(&self.consumer, &mut self.progress);
            let records = std::mem::take(&mut self.held);
            if !records.is_empty() {
                self.put(records).await;
                continue;
            }
            let wait = match self.committer.has_work(&self.progress) {
                true => BUSY,
                false => IDLE,
            };
            match self.consumer.poll(self.keys.batch_size, wait).await {
                Ok(Polled::Records(records)) => {
                    pauses.end();
                    self.put(records).await;
                }
                Ok(Polled::Assigned(partitions)) => self.assigned(&partitions),
                Ok(Polled::Revoked { partitions, lost }) => self.hand_over(&partitions, lost).await,
                Err(error) => {
                    self.context.counters.event_read_fail.increment();
                    self.say("reading failed; trying again", &error);
                    pauses.wait().await;
                }
            }
        }
    }

    fn say(&mut self, what: &str, error: &dyn fmt::Display) {
        if let Some(left_out) = self.log.admit(clock::now()) {
            let source = &self.keys.name;
            tracing::warn!(source, %error, left_out, "{what}");
        }
    }

    fn assigned(&self, partitions: &[Partition]) {
        let source = &self.keys.name;
        let (count, partitions) = (partitions.len(), listed(partitions));
        tracing::info!(source, count, partitions, "partitions come to this source");
    }

    /// Commits what is done of partitions, and lets them go.
    async fn hand_over(&mut self, partitions: &[Partition], lost: bool) {
        if !lost {
            self.committer
                .finish(&self.consumer, &mut self.progress)
                .await;
        }
        for partition in partitions {
            self.progress.forget(partition);
        }
        self.held
            .retain(|record| !partitions.contains(&record.partition));
        self.consumer.release().await;
        let source = &self.keys.name;
        let (count, partitions) = (partitions.len(), listed(partitions));
        tracing::info!(
            source,
            count,
            partitions,
            lost,
            "partitions leave this source"
        );
    }

    /// Puts the events of records, however long that takes.
    async fn put(&mut self, records: Vec<Received>) {
        if records.is_empty() {
            return;
        }
        let counters = &self.context.counters;
        counters.event_received.add(records.len());
        let Converted {
            events,
            mut places,
            strange,
            letters,
        } = convert(self.keys, records);
        if let Some(reason) = strange {
            counters.event_read_fail.add(reason.records);
            let on_error = &self.keys.on_error;
            let text = format!(
                "{} records; on-error = {on_error}: {}",
                reason.records, reason.text
            );
            self.say("records that are no events", &text);
        }
        self.put_letters(letters).await;
        let begun = self.context.channels.begin(events).await;
        self.put_all(begun, &mut places).await;
    }

    /// Puts dead letters, however long that takes: until then nothing behind them is committed.
    async fn put_letters(&mut self, letters: Vec<(Event, String)>) {
        let Some(to) = self.letters.filter(|_| !letters.is_empty()) else {
            return;
        };
        let by = By::Source(&self.keys.name);
        let letter = |(event, why): &(Event, String)| to.letter(event, by, why, 1);
        let letters: Vec<Event> = letters.iter().map(letter).collect();
        let (mut rests, mut gone, mut nothing) = (false, None, Places::default());
        for part in letters.chunks(to.channel.transaction_capacity().max(1)) {
            loop {
                let put = PutTransaction::of(&to.channel, part.to_vec());
                let refused = match put {
                    Ok(put) => put.commit().await.err(),
                    Err(error) => Some(error),
                };
                let Some(error) = refused else { break };
                self.say("no room for dead letters; trying again", &error);
                rests = rests || self.consumer.pause(true).is_ok();
                self.listen(&mut gone).await;
                self.leave(&mut gone, &mut nothing).await;
            }
        }
        self.go_on(rests);
    }

    async fn put_all(&mut self, mut put: PutInProgress<'_>, places: &mut Places) {
        let context = self.context;
        let mut rests = false;
        let mut gone: Option<Gone> = None;
        while !put.is_complete() {
            let progress = put.advance().await;
            context.counters.event_accepted.add(progress.accepted);
            // At once: the source may be stopped in the next wait for room.
            self.note(places, put.place());
            if gone.as_ref().is_some_and(|gone| clock::now() >= gone.until) {
                self.leave(&mut gone, places).await;
            }
            let Some(error) = progress.refused else {
                continue;
            };
            match &error {
                ProcessError::Channel { .. } => context.counters.channel_write_fail.increment(),
                ProcessError::Interceptor(_) => {
                    context.counters.generic_processing_fail.increment();
                }
            }
            if !error.is_transient() {
                self.say("an event is dropped, since nothing takes it", &error);
                put.skip();
                continue;
            }
            self.say("unable to put; trying again", &error);
            rests = rests || self.consumer.pause(true).is_ok();
            self.listen(&mut gone).await;
        }
        // Also what came without an event.
        self.note(places, put.place());
        self.leave(&mut gone, places).await;
        self.go_on(rests);
    }

    /// Ends the rest of the partitions, if they rest.
    fn go_on(&mut self, rests: bool) {
        if rests && let Err(error) = self.consumer.pause(false) {
            self.say("the partitions rest and cannot go on", &error);
        }
    }

    /// Notes what is in the channels: of each partition the offset behind the last record.
    fn note(&mut self, places: &Places, until: usize) {
        for (partition, next) in places.before(until) {
            self.progress.done(partition, next);
        }
    }

    /// Answers the group while a put waits for room.
    async fn listen(&mut self, gone: &mut Option<Gone>) {
        self.committer.advance(&self.consumer, &mut self.progress);
        if gone.is_some() {
            return clock::sleep_until(clock::now() + PAUSE).await;
        }
        match self.consumer.poll(self.keys.batch_size, PAUSE).await {
            Ok(Polled::Records(records)) => self.held.extend(records),
            Ok(Polled::Assigned(partitions)) => self.assigned(&partitions),
            Ok(Polled::Revoked { partitions, lost }) => {
                *gone = Some(Gone {
                    partitions,
                    lost,
                    until: clock::now() + HANDOVER,
                });
            }
            Err(error) => {
                self.say("reading failed; trying again", &error);
                clock::sleep_until(clock::now() + PAUSE).await;
            }
        }
    }

    /// Hands partitions over for which a put was to be ended, if there are any.
    async fn leave(&mut self, gone: &mut Option<Gone>, places: &mut Places) {
        let Some(leaving) = gone.take() else { return };
        places.gone.extend_from_slice(&leaving.partitions);
        self.hand_over(&leaving.partitions, leaving.lost).await;
    }

    /// Commits what is done, and leaves the group.
    async fn end(&mut self) {
        self.committer
            .finish(&self.consumer, &mut self.progress)
            .await;
        self.consumer.close().await;
    }
}

/// Partitions that are to be handed over when what is under way has ended, at last then.
struct Gone {
    partitions: Vec<Partition>,
    lost: bool,
    until: Instant,
}

fn listed(partitions: &[Partition]) -> String {
    /// The most that are named in a line.
    const MOST: usize = 20;
    let named = partitions.iter().take(MOST).map(Partition::to_string);
    let mut text = named.collect::<Vec<_>>().join(" ");
    if partitions.len() > MOST {
        text.push_str(" …");
    }
    text
}

#[cfg(test)]
mod tests;
