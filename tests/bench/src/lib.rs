//! The benchmark: agents and real peers under load, side by side, in one run.
//!
//! | to learn | see |
//! |---|---|
//! | what is measured, and how to read it | `README.md` next to the manifest |
//! | how load is made and counted | [`load`] |
//! | what is measured against what | [`subject`] |
//! | one measurement, and rounds of them | [`run`], [`rounds`] |
//! | the rows of the table | [`rows`] |
//!
//! The laws: generator and receiver are faster than whatever is between them, and their own ceiling
//! is a row of the table; every event has a number and is counted by it; a ratio is formed within a
//! round; CPU time is given next to wall time, because other work on the machine disturbs it least.
//! A missing peer is reported in a line of the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement on a broken machine has no better answer than to end"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "counts of events and bytes, which fit into any word of the machines that run this"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "measures real processes: real time, and real waits between two checks"
)]

pub mod cost;
pub mod load;
pub mod machine;
pub mod options;
pub mod rounds;
pub mod rows;
pub mod run;
pub mod setup;
pub mod subject;
pub mod table;
