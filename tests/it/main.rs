//! End to end: real processes, loopback only. One module per scenario, each with goal and method.

#![allow(
    clippy::disallowed_methods,
    reason = "drives real processes: real time, and real waits between two looks at them"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a scenario that finds less than it asked for has failed"
)]

mod admin;
mod avro_client;
mod bucket_failover;
mod bucket_faults;
mod bucket_kills;
mod bucket_leases;
mod bucket_peers;
mod bucket_twins;
mod buckets;
mod counts;
mod exits;
mod file_roll;
mod guests;
mod hostile;
mod interop_avsc;
mod interop_flume;
mod latency;
mod mirrors;
mod peers_selfcheck;
mod policies;
mod policy_cli;
mod policy_new;
mod policy_tools;
mod policy_traces;
mod policy_wiring;
mod quickstart;
mod reload;
mod shared_conf;
mod shutdown;
mod tidy;
mod tls;
