//! How much is read at most. What is larger is refused by name, and never cut.

/// Logs of all data directories.
const MOST_LOGS: usize = 65_536;
/// Bytes of a record. Flume cannot read an event of more than 64 MiB back.
const MOST_RECORD: u64 = 128 << 20;
/// Events that are known at once: undelivered, or of open transactions. Each needs some 24 bytes.
const MOST_EVENTS: usize = 50_000_000;
/// Transactions that are open at once. Flume has one for each thread; kills leave some.
const MOST_TRANSACTIONS: usize = 1_000_000;

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Logs of all data directories.
    pub logs: usize,
    /// Bytes of a record; an event of a larger one is reported as unreadable.
    pub record: u64,
    /// Events that are known at once.
    pub events: usize,
    /// Transactions that are open at once.
    pub transactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            logs: MOST_LOGS,
            record: MOST_RECORD,
            events: MOST_EVENTS,
            transactions: MOST_TRANSACTIONS,
        }
    }
}
