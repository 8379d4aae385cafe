//! Operators' drills, in the full tier: what happens to a fleet sooner or later, with every event
//! counted.
//!
//! | drill | where |
//! |---|---|
//! | a collector that hangs | `full::hung`; with peers, `peers::interop::stopped` |
//! | a full disk, also with the log and records on it | `full::disk` |
//! | a wall clock that jumps by days | `full::clock` |
//! | a log that nobody reads | `logs`, and with trouble in the agent `full::unread` |
//! | edits under load | `full::edits`, and while a collector is away `departing::full` |
//! | collectors that are killed at random | `peers::interop::killed` |
//! | a Flume fleet that is replaced, and rolled back | `peers::interop::fleet` |
//!
//! A drill with random choices says its seed; `FLUME_TESTS_SEED` sets it.

mod full;
