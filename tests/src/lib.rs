//! The harness of the end-to-end scenarios: real processes on the loopback interface.
//!
//! Its law: every wait has a bound, every process that is started is ended, every event is
//! counted by its number, and a scenario that cannot run says why instead of passing. It uses
//! threads and blocking calls instead of a runtime: a scenario reads from top to bottom, and the
//! processes under test do the work.
//!
//! | environment | meaning |
//! |---|---|
//! | `FLUME_HOST_BIN` | the agent to test, in place of one that cargo builds |
//! | `FLUME_TESTS_REQUIRE_PEERS=1` | a missing peer fails the test instead of skipping it |
//! | `FLUME_TESTS_SEED` | the choices of a drill that makes random ones; each says the seed that it has |
//! | `FLUME_TESTS_ROUNDS` | how often a real Flume is killed and replaced, in place of twice |
//! | `FLUME_TESTS_PEERS_DIR` | where peers and toolchains are kept, in place of `target/`; it may outlive the clone |
//!
//! Skipped scenarios are listed in `target/skipped.txt`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a harness has no better answer to a broken machine than to fail the scenario"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "drives real processes: real time, and real waits between two checks"
)]

pub mod agent;
pub mod agent_file;
pub mod cargo;
pub mod collector;
pub mod eventually;
pub mod failing_disk;
pub mod figures;
pub mod host;
pub mod landing;
pub mod machine;
pub mod mutate;
pub mod netcat;
pub mod peers;
pub mod ports;
pub mod process;
pub mod say;
pub mod scratch;
pub mod seed;
pub mod skip;
pub mod small_disk;
pub mod swap;
pub mod tally;
pub mod target;
pub mod tenants;
pub mod unix_http;

pub use agent::{Agent, Kind};
pub use agent_file::AgentFile;
pub use cargo::cargo;
pub use collector::collector;
pub use eventually::{eventually, within};
pub use host::Host;
pub use landing::Landing;
pub use machine::Machine;
pub use netcat::{Feed, Lines, Replies};
pub use peers::avsc::{Avsc, AvscServer};
pub use peers::azure::{Azure, AzureServer, Blob};
pub use peers::faketime::Faketime;
pub use peers::fastavro::Fastavro;
pub use peers::flume::{Flume, Jvm, Release, Stage};
pub use peers::hdfs::{Hadoop, Hdfs};
pub use peers::kafka::{Brokers, Cluster, Isolation, Kafka, Login, Record, Setup};
pub use peers::keys::KeyStores;
pub use peers::qemu::Qemu;
pub use peers::s3::{S3, S3Server};
pub use process::Process;
pub use scratch::Scratch;
pub use seed::Seed;
pub use skip::Availability;
pub use small_disk::SmallDisk;
pub use tally::{Tally, UNDER_WAY};
