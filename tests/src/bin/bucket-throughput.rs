//! Prints how fast our bucket writer is, and what CPU time it takes, beside real Flume's hdfs sink.
//!
//! `cargo run --release -p flume-tests --bin bucket-throughput [PAIRS [SECONDS [WARM [BATCH]]]]`:
//! 3 pairs of 10 seconds after 15 of warming up, in batches of 1,000, into an HDFS on this machine
//! and onto its disk; see `flume_tests::bucket_rates`. Needs Java and Maven.

use std::process::ExitCode;
use std::time::Duration;

use flume_tests::bucket_rates::{self, Runs, Store};
use flume_tests::figures::spread;
use flume_tests::pipeline::Run;
use flume_tests::{Availability, Hadoop, Jvm, say};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u32| match words.get(at) {
        Some(word) => word.parse(),
        None => Ok(default),
    };
    let seconds = |count: u32| Duration::from_secs(u64::from(count));
    let mut runs = Runs {
        pairs: usize::try_from(number(0, 3)?)?,
        each: seconds(number(1, 10)?),
        warm: seconds(number(2, 15)?),
        batch: number(3, 1_000)?,
        store: Store::Hdfs,
    };
    let hadoop = match Hadoop::enter() {
        Availability::Ready(hadoop) => hadoop,
        Availability::Missing(why) => return missing(&why),
    };
    let flume = match hadoop.flume() {
        Availability::Ready(stage) => stage.jvm(Jvm::Measured),
        Availability::Missing(why) => return missing(&why),
    };
    say::line(&format!("{:<36}{:>14}   lowest to highest", "", "median"));
    for (title, store) in [("HDFS", Store::Hdfs), ("disk", Store::Files)] {
        say::line(title);
        runs.store = store;
        tell(&bucket_rates::pairs(&runs, &hadoop, &flume));
    }
    Ok(ExitCode::SUCCESS)
}

fn missing(why: &str) -> Result<ExitCode, Box<dyn std::error::Error>> {
    say::line(&format!("skipped: {why}"));
    Ok(ExitCode::FAILURE)
}

/// Prints what came of the pairs.
fn tell(pairs: &[(Run, Run)]) {
    let told = |what: &str, of: fn(&(Run, Run)) -> f64| {
        let (median, low, high) = spread(pairs.iter().map(of).collect()).unwrap_or_default();
        say::line(&format!(
            "  {what:<34}{median:>14.3}   {low:.3} to {high:.3}"
        ));
    };
    told("ours, events a second", |(ours, _)| ours.rate);
    told("Flume, events a second", |(_, real)| real.rate);
    told("ours, CPU-s per million events", |(ours, _)| ours.cpu / 1e3);
    told("Flume, CPU-s per million events", |(_, real)| {
        real.cpu / 1e3
    });
    told("ours / Flume, of events a second", |(ours, real)| {
        ours.rate / real.rate
    });
    told("Flume / ours, of CPU", |(ours, real)| real.cpu / ours.cpu);
}
