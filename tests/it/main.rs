//! End to end: real processes, loopback only. One module per scenario, each with goal and method.

#![allow(
    clippy::disallowed_methods,
    reason = "drives real processes: real time, and real waits between two looks at them"
)]

mod peers_selfcheck;
