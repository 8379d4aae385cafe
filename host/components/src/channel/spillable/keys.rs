//! The keys of a spillable memory channel: Flume's, with their meaning, and those of a file channel.

use std::time::Duration;

use flume_core::channel::bounded::{Limits, keep_alive};
use flume_core::{Code, Context};

use crate::channel::file::keys::{LogConfig, MOST_EVENTS, MOST_TRANSACTION, MemoryFirst, Settings};

/// The settings of a spillable memory channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpillableConfig {
    /// Its log.
    pub(super) log: LogConfig,
    /// Events in memory (`memoryCapacity`, default 10,000).
    pub(super) memory: usize,
    /// Events on the disk; 0 if that is not used (`overflowCapacity`, default 100,000,000).
    pub(super) overflow: usize,
    /// How long a put waits for memory before it goes to the disk, and for the disk before it is refused
    /// (`overflowTimeout`, default 3 s).
    pub(super) timeout: Duration,
    /// Bytes in memory (`byteCapacity`, default 80 % of the memory of the machine).
    pub(super) byte_capacity: u64,
    /// Share of these kept free for headers (`byteCapacityBufferPercentage`, default 20).
    pub(super) buffer_percentage: u64,
    /// Bytes are counted in steps of this size (`avgEventSize`, default 500).
    pub(super) event_size: u64,
    /// Events in one transaction (`transactionCapacity`, default 10,000, or less if it would not fit).
    pub(super) transaction_capacity: usize,
}

/// Flume's default of `transactionCapacity`.
const TRANSACTION: usize = 10_000;
/// The largest `memoryCapacity`: no machine has the memory for more events.
const MOST_IN_MEMORY: usize = 1 << 31;

/// Keys that change nothing here, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "overflowDeactivationThreshold",
        "puts are kept in memory again when all that is on the disk has been read",
    ),
    (
        "capacity",
        "`memoryCapacity` and `overflowCapacity` say how many events there may be",
    ),
    ("keep-alive", "`overflowTimeout` says how long a put waits"),
];

impl SpillableConfig {
    /// Reads Flume's keys. On `None`, the context has a diagnostic.
    pub(super) fn configure(context: &mut Context, available_memory: u64) -> Option<Self> {
        let memory = context.number_or_default("memoryCapacity", 10_000, 0..=MOST_IN_MEMORY);
        let overflow = context.number_or_default("overflowCapacity", 100_000_000, 0..=MOST_EVENTS);
        let timeout = keep_alive(context, "overflowTimeout", 3);
        let bytes = available_memory / 100 * 80;
        let byte_capacity = context.number_or_default("byteCapacity", bytes, 0..=u64::MAX);
        let buffer_percentage =
            context.number_or_default("byteCapacityBufferPercentage", 20, 0..=100);
        let event_size = context.number_or_default("avgEventSize", 500, 1..=1 << 31);
        let transaction =
            context.number_or_default("transactionCapacity", TRANSACTION, 1..=MOST_TRANSACTION);
        for (key, why) in WITHOUT_EFFECT {
            context.without_effect(key, why);
        }
        let log = LogConfig::configure(context)?;
        has_room(context, memory, overflow)?;
        let transaction_capacity = transactions(context, transaction, memory.max(overflow))?;
        say_in_memory(context, memory);
        Some(Self {
            log,
            memory,
            overflow,
            timeout,
            byte_capacity,
            buffer_percentage,
            event_size,
            transaction_capacity,
        })
    }

    /// What it says to a channel with a log.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings {
            log: &self.log,
            limits: Limits {
                capacity: self.memory as u64,
                transaction_capacity: self.transaction_capacity,
                keep_alive: self.timeout,
                byte_slots: Some(self.byte_slots()),
            },
            memory_first: Some(MemoryFirst {
                slot: self.event_size,
                overflow: self.overflow as u64,
            }),
        }
    }

    /// Slots of bytes in memory. 0 bytes mean that they are not limited.
    fn byte_slots(&self) -> u64 {
        let free = u128::from(100 - self.buffer_percentage.min(100));
        let slots = u128::from(self.byte_capacity) * free / 100 / u128::from(self.event_size);
        match u64::try_from(slots) {
            Ok(0) | Err(_) => u64::MAX / 2,
            Ok(slots) => slots,
        }
    }
}

/// The names of its folders may promise more than it keeps.
fn say_in_memory(context: &mut Context, memory: usize) {
    if memory > 0 {
        let message = format!(
            "`{}` keeps events in memory first: a kill or a loss of power loses up to {memory} of them",
            context.path()
        );
        let help =
            "nothing, if that is meant: a stop loses none; with `type = file` a kill loses none";
        context.error("type", Code::InMemory, message, help);
    }
}

/// Events need a place. (Flume takes its default of `overflowCapacity` instead, in a line of its log.)
fn has_room(context: &mut Context, memory: usize, overflow: usize) -> Option<()> {
    if memory > 0 || overflow > 0 {
        return Some(());
    }
    let path = context.path();
    let message = format!("`{path}` has no room: memoryCapacity and overflowCapacity are 0");
    let help = "remove one of them: without `overflowCapacity`, 100000000 events fit on the disk";
    context.error("overflowCapacity", Code::OutOfRange, message, help);
    None
}

/// A transaction is either in memory or on the disk, so it has to fit into one of them.
fn transactions(context: &mut Context, transaction: usize, most: usize) -> Option<usize> {
    if transaction <= most || context.value("transactionCapacity").is_none() {
        return Some(transaction.min(most));
    }
    let path = context.path();
    let message = format!(
        "`{path}.transactionCapacity` ({transaction}) is larger than both `memoryCapacity` and \
         `overflowCapacity`"
    );
    let help = format!("set one of them to {transaction}, or `transactionCapacity` to {most}");
    context.error("transactionCapacity", Code::OutOfRange, message, &help);
    None
}
