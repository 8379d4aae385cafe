//! End to end: real processes, loopback only. One module per scenario, each with goal and method.
//! Scenarios that need more than this workspace are below `peers`, with a folder for each area.

#![allow(
    clippy::disallowed_methods,
    reason = "drives real processes: real time, and real waits between two checks"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a scenario that finds less than it expects has failed"
)]

mod access;
mod admin;
mod attacks;
mod avro_client;
mod channel_cli;
mod dead_letters;
mod departing;
mod drills;
mod durable;
mod exits;
mod file_roll;
mod files;
mod flume_files;
mod fuzz;
mod health;
mod hostile;
mod interceptors;
mod latency;
mod limits;
mod logs;
mod mirrors;
mod monitoring;
mod peers;
mod penalty;
mod policies;
mod policy_cli;
mod policy_tools;
mod policy_traces;
mod policy_wiring;
mod quickstart;
mod refusals;
mod reload;
mod secrets;
mod service;
mod shutdown;
mod sockets;
mod strangers;
mod tenants;
mod tenants_start;
mod tidy;
mod tiers;
