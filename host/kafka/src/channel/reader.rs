//! How events come from the topic, and how partitions are handed over.
//!
//! A partition that is to leave is not read any more, and what waits of it is forgotten. What is taken
//! gets some time to be delivered; then what is done is committed, and the partition let go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flume_core::{LogLimit, clock};
use tokio_util::sync::CancellationToken;

use super::limits::{MOST_BYTES_READ, MOST_READ};
use super::shared::Shared;
use super::shelf::StayId;
use crate::client::{ClientError, Consumer, Partition, Polled, Received};
use crate::pace::{BUSY, EVERY, HANDOVER, IDLE, Pauses};
use crate::progress::{Committer, Progress};
use crate::record::{self, Read};
use crate::settings::Resolved;

/// The pause between looks whether takers have made room.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// After so long without room the partitions rest, and the group is answered all the same.
const REST_AFTER: Duration = Duration::from_secs(1);
/// The most records of one poll.
const MOST_POLLED: usize = 1000;

/// Reads the topic for takers.
pub(super) struct Reader {
    shared: Arc<Shared>,
    settings: Resolved,
    stop: CancellationToken,
    stays: HashMap<Partition, StayId>,
    progress: Progress,
    committer: Committer,
    rests: bool,
    log: LogLimit,
}

impl Reader {
    pub(super) fn new(shared: &Arc<Shared>, settings: Resolved, stop: CancellationToken) -> Self {
        Self {
            shared: Arc::clone(shared),
            settings,
            stop,
            stays: HashMap::new(),
            progress: Progress::default(),
            committer: Committer::new(&shared.name),
            rests: false,
            log: LogLimit::new(1, EVERY),
        }
    }

    /// Reads until it is stopped. Then what is done is committed, and the group left.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let Some(Some(consumer)) = stop.run_until_cancelled(self.join()).await else {
            return;
        };
        stop.run_until_cancelled(self.read(&consumer)).await;
        self.note();
        self.committer.finish(&consumer, &mut self.progress).await;
        consumer.close().await;
    }

    /// Becomes a member of the group.
    async fn join(&mut self) -> Option<Arc<dyn Consumer>> {
        let topics = [self.shared.keys.topic.clone()];
        let mut pauses = Pauses::new();
        loop {
            let engine = &self.shared.around.engine;
            let made = engine.consumer(&self.settings, &topics, &self.shared.vitals);
            match made {
                Ok(consumer) => return Some(consumer),
                Err(error) => self.failed(&error),
            }
            pauses.wait().await;
        }
    }

    async fn read(&mut self, consumer: &Arc<dyn Consumer>) {
        let mut pauses = Pauses::new();
        loop {
            self.note();
            self.committer.advance(consumer, &mut self.progress);
            let room = self.room(consumer).await;
            let wait = match self.rests || self.committer.has_work(&self.progress) {
                true => BUSY,
                false => IDLE,
            };
            match consumer.poll(room.min(MOST_POLLED), wait).await {
                Ok(Polled::Records(records)) => {
                    pauses.end();
                    self.found(records);
                }
                Ok(Polled::Assigned(partitions)) => self.assigned(partitions),
                Ok(Polled::Revoked { partitions, lost }) => {
                    self.hand_over(consumer, &partitions, lost).await;
                }
                Err(error) => {
                    self.failed(&error);
                    pauses.wait().await;
                }
            }
        }
    }

    /// For how many records there is room. Waits a while for some; then the partitions rest.
    async fn room(&mut self, consumer: &Arc<dyn Consumer>) -> usize {
        let until = clock::now() + REST_AFTER;
        loop {
            let room = self.room_now();
            let wants_rest = clock::now() >= until;
            if room > MOST_READ / 2 && self.rests {
                self.rest(consumer, false);
            }
            if room > 0 && !self.rests {
                return room;
            }
            if self.rests {
                return MOST_POLLED;
            }
            if wants_rest {
                self.rest(consumer, true);
                return MOST_POLLED;
            }
            self.note();
            self.committer.advance(consumer, &mut self.progress);
            clock::sleep_until(clock::now() + FULL_PAUSE).await;
        }
    }

    fn room_now(&self) -> usize {
        let state = self.shared.room.lock();
        match state.queue.bytes() < MOST_BYTES_READ {
            true => MOST_READ.saturating_sub(state.queue.waiting()),
            false => 0,
        }
    }

    fn rest(&mut self, consumer: &Arc<dyn Consumer>, on: bool) {
        match consumer.pause(on) {
            Ok(()) => self.rests = on,
            Err(error) => self.failed(&error),
        }
    }

    fn assigned(&mut self, partitions: Vec<Partition>) {
        let channel = &self.shared.name;
        let count = partitions.len();
        tracing::info!(channel, count, "partitions come to this channel");
        let mut state = self.shared.room.lock();
        for partition in partitions {
            if let Some(id) = state.queue.begin(partition.clone()) {
                self.stays.insert(partition, id);
            }
        }
    }

    /// Records were read.
    fn found(&mut self, records: Vec<Received>) {
        if records.is_empty() {
            return;
        }
        self.shared.note_take(None);
        let is_flume = self.shared.keys.is_flume;
        let mut strange = None;
        let mut state = self.shared.room.lock();
        for record in records {
            let Read { mut event, why } = record::read(&record, is_flume);
            if let Some(key) = &record.key {
                event.headers.insert(record::KEY, record::text(key));
            }
            if let Some(why) = why {
                let (partition, offset) = (&record.partition, record.offset);
                let text = format!("{partition}, offset {offset}: {why}");
                strange.get_or_insert((0, text)).0 += 1;
            }
            let id = self.stays.get(&record.partition);
            if let (Some(id), Ok(offset)) = (id, u64::try_from(record.offset)) {
                state.queue.read(*id, offset, event);
            }
        }
        drop(state);
        self.shared.room.notify_taker();
        if let Some((records, text)) = strange {
            self.say_strange(records, &text);
        }
    }

    fn say_strange(&mut self, records: usize, text: &str) {
        if let Some(left_out) = self.log.admit(clock::now()) {
            let channel = &self.shared.name;
            tracing::error!(
                channel,
                records,
                text,
                left_out,
                "records are no events, and go on with the header `kafka.error`; see parseAsFlumeEvent"
            );
        }
    }

    /// Notes what is delivered.
    fn note(&mut self) {
        let here: Vec<StayId> = self.stays.values().copied().collect();
        let done = self.shared.room.lock().queue.done(&here);
        self.note_all(done);
    }

    fn note_all(&mut self, done: Vec<(Partition, u64)>) {
        for (partition, next) in done {
            if let Ok(next) = i64::try_from(next) {
                self.progress.done(&partition, next);
            }
        }
    }

    /// Ends what is under way with partitions, and lets them go.
    async fn hand_over(
        &mut self,
        consumer: &Arc<dyn Consumer>,
        partitions: &[Partition],
        lost: bool,
    ) {
        let stays: Vec<StayId> = partitions
            .iter()
            .filter_map(|partition| self.stays.remove(partition))
            .collect();
        self.shared.room.lock().queue.withdraw(&stays);
        if !lost {
            let until = clock::now() + HANDOVER;
            while self.shared.room.lock().queue.is_busy(&stays) && clock::now() < until {
                clock::sleep_until(clock::now() + FULL_PAUSE).await;
            }
            let done = self.shared.room.lock().queue.done(&stays);
            self.note_all(done);
            self.committer.finish(consumer, &mut self.progress).await;
        }
        for partition in partitions {
            self.progress.forget(partition);
        }
        consumer.release().await;
        let (channel, count) = (&self.shared.name, partitions.len());
        tracing::info!(channel, count, lost, "partitions leave this channel");
    }

    fn failed(&mut self, error: &ClientError) {
        self.shared.note_take(Some(error.to_string()));
        if let Some(left_out) = self.log.admit(clock::now()) {
            let channel = &self.shared.name;
            tracing::warn!(channel, %error, left_out, "Error while getting events from Kafka");
        }
    }
}
