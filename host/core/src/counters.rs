//! Counters with Flume's names, one set a component. They only grow, across restarts too.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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

    /// Takes one off (gauges only); never below 0.
    pub fn decrement(&self) {
        // A failed update means that the gauge stood at 0 already.
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
            $($(#[$field_doc:meta])* $field:ident = $flume:literal,)*
            $(; $(#[$more_doc:meta])* $more:ident: $more_type:ident)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Counter,)*
            $($(#[$more_doc])* pub $more: OnceLock<$more_type>,)?
        }

        impl $name {
            /// Flume's attribute names with the values.
            pub fn attributes(&self) -> Vec<(&'static str, u64)> {
                let own = vec![$(($flume, self.$field.get()),)*];
                $(
                    let more = self.$more.get().into_iter().flat_map($more_type::attributes);
                    let own = own.into_iter().chain(more).collect();
                )?
                own
            }
        }
    };
}

counters! {
    /// What a source counts.
    SourceCounter {
        /// Events that came in.
        event_received = "EventReceivedCount",
        /// Events that all required channels took.
        event_accepted = "EventAcceptedCount",
        /// Requests with a single event.
        append_received = "AppendReceivedCount",
        /// Requests with a single event that were answered OK.
        append_accepted = "AppendAcceptedCount",
        /// Requests with a batch.
        append_batch_received = "AppendBatchReceivedCount",
        /// Requests with a batch that were answered OK.
        append_batch_accepted = "AppendBatchAcceptedCount",
        /// Connections open now.
        open_connection = "OpenConnectionCount",
        /// Times that input could not be read or understood.
        event_read_fail = "EventReadFail",
        /// Times that a required channel refused.
        channel_write_fail = "ChannelWriteFail",
        /// Times that something else refused: an interceptor, a selector.
        generic_processing_fail = "GenericProcessingFail",
        /// When the component started, in ms since the epoch.
        start_time = "StartTime",
        /// When it stopped, in ms since the epoch; 0 while it runs.
        stop_time = "StopTime",
    }
}

counters! {
    /// What a channel counts.
    ChannelCounter {
        /// Events that wanted in.
        event_put_attempt = "EventPutAttemptCount",
        /// Events that got in.
        event_put_success = "EventPutSuccessCount",
        /// Events and empty looks that takers asked for.
        event_take_attempt = "EventTakeAttemptCount",
        /// Events that were taken and delivered.
        event_take_success = "EventTakeSuccessCount",
        /// When the component started, in ms since the epoch.
        start_time = "StartTime",
        /// When it stopped, in ms since the epoch; 0 while it runs.
        stop_time = "StopTime",
    }
}

counters! {
    /// What a sink counts.
    SinkCounter {
        /// Connections made.
        connection_created = "ConnectionCreatedCount",
        /// Connections closed.
        connection_closed = "ConnectionClosedCount",
        /// Connections that failed or could not be made.
        connection_failed = "ConnectionFailedCount",
        /// Looks at an empty channel.
        batch_empty = "BatchEmptyCount",
        /// Batches smaller than the batch size.
        batch_underflow = "BatchUnderflowCount",
        /// Full batches.
        batch_complete = "BatchCompleteCount",
        /// Events taken for delivery.
        event_drain_attempt = "EventDrainAttemptCount",
        /// Events delivered.
        event_drain_success = "EventDrainSuccessCount",
        /// Batches that could not be delivered.
        event_write_fail = "EventWriteFail",
        /// Times that the channel could not be read.
        channel_read_fail = "ChannelReadFail",
        /// When the component started, in ms since the epoch.
        start_time = "StartTime",
        /// When it stopped, in ms since the epoch; 0 while it runs.
        stop_time = "StopTime",
        ;
        /// What a sink that writes files counts besides.
        files: FileCounter
    }
}

counters! {
    /// What a sink counts that writes files into buckets. Flume has no such counters.
    FileCounter {
        /// Buckets with an open file now.
        open_bucket = "BucketCount",
        /// Files that were closed because they were full or their time was over.
        file_roll = "FileRollCount",
        /// Times that a file could not be given its name for good.
        rename_fail = "RenameFailCount",
        /// Times that a file could not be closed.
        close_fail = "CloseFailCount",
        /// Files of another run that were found at the start.
        leftover = "LeftoverCount",
    }
}
