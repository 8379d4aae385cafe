//! Counters with Flume's names, one set per component. They only grow, across restarts of the
//! component too.
//!
//! The name, meaning and unit of each counter are stated here once; `/metrics`, its `HELP` lines
//! and `host/METRICS.md` are made from them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

mod certificate;
mod client;
mod latency;

pub use self::certificate::Certificate;
pub use self::client::{Behind, ClientCounter};
pub use self::latency::{BOUNDS, Latency, LatencyCounts};

/// What a number of a component means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The attribute's name, Flume's where Flume has it.
    pub name: &'static str,
    /// Whether it can go down.
    pub kind: MetricKind,
    /// What is counted or measured.
    pub unit: &'static str,
    /// The meaning, as a sentence.
    pub help: &'static str,
}

/// Whether a number can go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Durations in buckets, their number and sum.
    Histogram,
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One number that only grows, or a gauge that is set.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Subtracts one (gauges only); never below 0.
    pub fn decrement(&self) {
        // A failed update means that the gauge was already 0.
        self.0
            .fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1))
            .ok();
    }

    /// Sets (gauges only).
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    (
        $(#[$doc:meta])*
        $name:ident {
            $(#[doc = $help:literal] $field:ident: $kind:ident $flume:literal, $unit:literal;)*
            $(+ $(#[$more_doc:meta])* $more:ident: $more_type:ident;)*
            $(= $(#[$latency_doc:meta])* $latency:ident)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            $(#[doc = $help] pub $field: Counter,)*
            $($(#[$more_doc])* pub $more: OnceLock<$more_type>,)*
            $($(#[$latency_doc])* pub $latency: Latency,)?
        }

        impl $name {
            /// What its numbers mean, in the order of [`attributes`](Self::attributes).
            pub const METRICS: &'static [Metric] = &[$(Metric {
                name: $flume,
                kind: MetricKind::$kind,
                unit: $unit,
                help: $help.trim_ascii(),
            },)*];

            /// The numbers with their meanings.
            pub fn attributes(&self) -> Vec<(&'static Metric, u64)> {
                let values = [$(self.$field.get(),)*];
                let own: Vec<(&'static Metric, u64)> = Self::METRICS.iter().zip(values).collect();
                $(
                    let more = self.$more.get().into_iter().flat_map($more_type::attributes);
                    let own = own.into_iter().chain(more).collect::<Vec<_>>();
                )*
                own
            }
        }
    };
}

counters! {
    /// What a source counts.
    SourceCounter {
        /// Events that came in, whether or not they could be kept.
        event_received: Counter "EventReceivedCount", "events";
        /// Events that all required channels took, or that an interceptor dropped.
        event_accepted: Counter "EventAcceptedCount", "events";
        /// Avro requests with a single event.
        append_received: Counter "AppendReceivedCount", "requests";
        /// Avro requests with a single event that were answered OK.
        append_accepted: Counter "AppendAcceptedCount", "requests";
        /// Avro requests with a batch.
        append_batch_received: Counter "AppendBatchReceivedCount", "requests";
        /// Avro requests with a batch that were answered OK.
        append_batch_accepted: Counter "AppendBatchAcceptedCount", "requests";
        /// Connections open now.
        open_connection: Gauge "OpenConnectionCount", "connections";
        /// Input that could not be understood: lines that are too long, connections that broke.
        event_read_fail: Counter "EventReadFail", "failures";
        /// Times that a required channel refused.
        channel_write_fail: Counter "ChannelWriteFail", "failures";
        /// Times that something else refused: an interceptor or a channel selector.
        generic_processing_fail: Counter "GenericProcessingFail", "failures";
        /// When the source started.
        start_time: Gauge "StartTime", "ms since 1970";
        /// When the source stopped; 0 while it runs.
        stop_time: Gauge "StopTime", "ms since 1970";
        +
        /// The certificate of a source with TLS.
        certificate: Certificate;
        +
        /// The client of a cluster, of a component that has one.
        client: ClientCounter;
    }
}

counters! {
    /// What a channel counts.
    ChannelCounter {
        /// Events that were put, refused or missed, each once, however often it was tried.
        event_put_attempt: Counter "EventPutAttemptCount", "events";
        /// Events that were put and committed: by sources, as dead letters, or moved by a reload.
        event_put_success: Counter "EventPutSuccessCount", "events";
        /// Events that missed the channel, which is optional for their source and had no room.
        event_missed: Counter "EventMissedCount", "events";
        /// Events that were taken, again after a rollback too; a look at an empty channel is one.
        event_take_attempt: Counter "EventTakeAttemptCount", "events";
        /// Events that left the channel for good, since they were delivered or given up.
        event_take_success: Counter "EventTakeSuccessCount", "events";
        /// When the channel started.
        start_time: Gauge "StartTime", "ms since 1970";
        /// When the channel stopped; 0 while it runs.
        stop_time: Gauge "StopTime", "ms since 1970";
        +
        /// Further counters of a durable channel.
        durable: DurableCounter;
        +
        /// The client of a cluster, of a component that has one.
        client: ClientCounter;
    }
}

counters! {
    /// What a durable channel counts besides.
    DurableCounter {
        /// Events that were in the channel when it was opened.
        found: Counter "EventFoundCount", "events";
        /// Events that are lost because what was stored of them is damaged.
        damaged: Counter "EventDamagedCount", "events";
        /// Puts that the disk refused.
        put_error: Counter "EventPutErrorCount", "failures";
        /// Reads of the disk that failed; they are tried again.
        take_error: Counter "EventTakeErrorCount", "failures";
        +
        /// Further counters of a channel that uses the disk only when memory is full.
        spill: SpillCounter;
    }
}

counters! {
    /// What a channel counts that uses the disk only when memory is full.
    SpillCounter {
        /// Events that were put and had room in memory.
        kept: Counter "EventKeptCount", "events";
        /// Events that were put and went to the disk, since memory was full.
        spilled: Counter "EventSpilledCount", "events";
        /// Times that the channel began to use its disk.
        begun: Counter "SpillCount", "times";
        /// 1 while a put that finds memory full goes to the disk at once.
        is_active: Gauge "Spilling", "1 or 0";
        /// Events that are on the disk, or were taken from there and are not delivered.
        on_disk: Gauge "SpilledSize", "events";
    }
}

impl ChannelCounter {
    /// Events that have come into the channel so far, or were found in it.
    pub fn entered(&self) -> u64 {
        let found = self.durable.get().map_or(0, |durable| durable.found.get());
        found + self.event_put_success.get()
    }

    /// Events that have left it.
    pub fn left(&self) -> u64 {
        let damaged = self
            .durable
            .get()
            .map_or(0, |durable| durable.damaged.get());
        damaged + self.event_take_success.get()
    }
}

counters! {
    /// What a sink counts.
    SinkCounter {
        /// Connections made; of sinks that write files, files created.
        connection_created: Counter "ConnectionCreatedCount", "connections";
        /// Connections closed, for any reason; of sinks that write files, files closed.
        connection_closed: Counter "ConnectionClosedCount", "connections";
        /// Connections that could not be made; of sinks that write files, files that failed.
        connection_failed: Counter "ConnectionFailedCount", "connections";
        /// Takes that found the channel empty.
        batch_empty: Counter "BatchEmptyCount", "batches";
        /// Batches with fewer events than the batch size.
        batch_underflow: Counter "BatchUnderflowCount", "batches";
        /// Batches with as many events as the batch size.
        batch_complete: Counter "BatchCompleteCount", "batches";
        /// Events taken for delivery, again after a rollback too.
        event_drain_attempt: Counter "EventDrainAttemptCount", "events";
        /// Events delivered and committed.
        event_drain_success: Counter "EventDrainSuccessCount", "events";
        /// Deliveries that failed and were rolled back.
        event_write_fail: Counter "EventWriteFail", "failures";
        /// Events that could not be delivered while others could, and that were set aside.
        event_set_aside: Counter "EventSetAsideCount", "events";
        /// Events that could not be delivered and were dropped, as `on-error` says.
        event_dropped: Counter "EventDroppedCount", "events";
        /// Events that could not be delivered and went to the dead letters, as `on-error` says.
        event_dead_letter: Counter "EventDeadLetterCount", "events";
        /// Batches that were taken and are neither delivered nor back.
        batch_under_way: Gauge "BatchUnderWayCount", "batches";
        /// Times that the channel could not be read: always 0, kept for Flume's dashboards.
        channel_read_fail: Counter "ChannelReadFail", "failures";
        /// When the sink started.
        start_time: Gauge "StartTime", "ms since 1970";
        /// When the sink stopped; 0 while it runs.
        stop_time: Gauge "StopTime", "ms since 1970";
        +
        /// Further counters of a sink that writes files.
        files: FileCounter;
        +
        /// The client of a cluster, of a component that has one.
        client: ClientCounter;
        =
        /// Time from the taking of a batch to its commit, for batches that are delivered.
        latency
    }
}

counters! {
    /// What a sink that writes files into buckets counts. Flume has no such counters.
    FileCounter {
        /// Buckets with an open file now.
        open_bucket: Gauge "BucketCount", "buckets";
        /// Files that were closed because they were full or their time was over.
        file_roll: Counter "FileRollCount", "files";
        /// Attempts that failed to give a file its final name.
        rename_fail: Counter "RenameFailCount", "failures";
        /// Attempts that failed to close a file.
        close_fail: Counter "CloseFailCount", "failures";
        /// Files and uploads of an earlier run that were found at the start.
        leftover: Counter "LeftoverCount", "files";
    }
}
