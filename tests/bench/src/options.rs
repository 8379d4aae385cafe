//! The command line.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};
use flume_tests::tenants::ATTACKS;

/// Measures flume-host in comparison with real peers, and prints a table.
#[derive(Clone, Debug, Parser)]
#[command(name = "flume-bench", version, about)]
pub struct Options {
    /// The rows to measure. Default: all.
    #[arg(value_enum)]
    pub rows: Vec<Row>,
    /// Rounds for rows with a target; fewer than 11 are marked in the table.
    #[arg(long, default_value_t = 11)]
    pub pairs: usize,
    /// Seconds of load in each run.
    #[arg(long, default_value_t = 1.5)]
    pub seconds: f64,
    /// A quick run of a few minutes: 3 rounds of half a second, cold peers. Supports no claim.
    #[arg(long)]
    pub quick: bool,
    /// All sizes, batches and answers.
    #[arg(long)]
    pub full: bool,
    /// Only flume-host.
    #[arg(long)]
    pub no_peers: bool,
    /// The attacks of `tenants` to measure; may be repeated. Default: all.
    #[arg(long = "attack", value_name = "NAME", value_parser = names())]
    pub attacks: Vec<String>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ATTACKS.iter().map(|attack| attack.name))
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Row {
    /// Generator to receiver, with nothing between them.
    Ceiling,
    /// netcat → memory → null.
    B1,
    /// netcat → memory → avro.
    B2,
    /// avro → memory → avro.
    B3,
    /// A balanced group of 1, 2 and 4 sinks, near and far.
    B4,
    /// The group of B4 while one collector dies repeatedly.
    B5,
    /// Interceptors, native and as policies.
    B6,
    /// A selector, native and as a policy.
    B7,
    /// Start-up and idle memory.
    B8,
    /// Latency.
    B9,
    /// Policies swapped under load.
    B10,
    /// Interceptors before Flume's default channel.
    B11,
    /// The durable channel.
    B12,
    /// The durable channel with a backlog.
    B13,
    /// A spillable channel beside a memory channel.
    B14,
    /// netcat and avro → memory → kafka.
    B15,
    /// kafka → memory → null.
    B16,
    /// avro → kafka channel → avro.
    B17,
    /// A hostile tenant beside another one.
    Tenants,
    /// The bucket writer, into HDFS and onto disk.
    Buckets,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rounds for rows with a target.
    pub pairs: usize,
    /// Rounds for variants of those rows.
    pub variants: usize,
    /// Load in each run.
    pub time: Duration,
    /// Events sent to warm up a JVM before it is measured.
    pub warm: u64,
    /// All sizes, batches and answers.
    pub full: bool,
}

impl Options {
    /// The rows to measure, each once.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = match self.rows.as_slice() {
            [] => Row::value_variants().to_vec(),
            some => some.to_vec(),
        };
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// How much is measured.
    #[must_use]
    pub fn scale(&self) -> Scale {
        if self.quick {
            return Scale {
                pairs: self.pairs.min(3),
                variants: 2,
                time: Duration::from_millis(500),
                warm: 200_000,
                full: self.full,
            };
        }
        Scale {
            pairs: self.pairs.max(1),
            variants: self.pairs.clamp(1, 5),
            time: Duration::from_secs_f64(self.seconds.clamp(0.05, 60.0)),
            warm: 2_000_000,
            full: self.full,
        }
    }
}

impl Scale {
    /// The smallest scale: shows that a row works, not how fast it is.
    #[must_use]
    pub fn moment() -> Self {
        Self {
            pairs: 1,
            variants: 1,
            time: Duration::from_millis(20),
            warm: 1000,
            full: false,
        }
    }

    /// How many of these events a row takes: fewer where it only has to work.
    #[must_use]
    pub fn events(&self, events: u64) -> u64 {
        match self.time {
            time if time < Duration::from_millis(100) => events / 1_000,
            _ => events,
        }
    }

    /// The label for a JVM at this scale.
    #[must_use]
    pub fn warmth(&self) -> &'static str {
        if self.warm >= 2_000_000 {
            "warm"
        } else {
            "hardly warm"
        }
    }
}
