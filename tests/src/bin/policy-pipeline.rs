//! Prints what a whole agent loses by a policy in place of its native twin.
//!
//! `cargo run --release -p flume-tests --bin policy-pipeline [PAIRS [SECONDS [BATCH [FILE.wasm]]]]`:
//! 9 pairs of 3 seconds in batches of 100, `round_robin` and its twin, with sinks that forget and
//! with avro sinks; see `flume_tests::pipeline`. Fails if with avro sinks the median ratio of events
//! a second is below 0.99.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use flume_tests::figures::spread;
use flume_tests::pipeline::{self, Ends, Run, Runs};
use flume_tests::say;

/// The least that a policy must leave of the native rate.
const LEAST: f64 = 0.99;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u32| match words.get(at) {
        Some(word) => word.parse(),
        None => Ok(default),
    };
    let policy = match words.get(3) {
        Some(path) => PathBuf::from(path).canonicalize()?,
        None => flume_artifacts::guest("selector-round-robin")?.canonicalize()?,
    };
    let mut runs = Runs {
        pairs: usize::try_from(number(0, 9)?)?,
        each: Duration::from_secs(u64::from(number(1, 3)?)),
        batch: number(2, 100)?,
        ends: Ends::Null,
    };
    say::line(&format!("{:<36}{:>14}   lowest to highest", "", "median"));
    say::line("sinks that forget");
    tell(&pipeline::pairs(&runs, &policy));
    say::line("avro sinks");
    runs.ends = Ends::Avro;
    let met = tell(&pipeline::pairs(&runs, &policy)) >= LEAST;
    say::line(&format!(
        "at least {LEAST} of the native rate with avro sinks: {}",
        if met { "met" } else { "missed" }
    ));
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints what came of the pairs; returns the median ratio of events a second.
fn tell(pairs: &[(Run, Run)]) -> f64 {
    let told = |what: &str, of: fn(&(Run, Run)) -> f64| {
        let (median, low, high) = spread(pairs.iter().map(of).collect()).unwrap_or_default();
        say::line(&format!(
            "  {what:<34}{median:>14.3}   {low:.3} to {high:.3}"
        ));
        median
    };
    told("native, events a second", |(native, _)| native.rate);
    told("policy, events a second", |(_, wasm)| wasm.rate);
    told("native, ns of CPU an event", |(native, _)| native.cpu);
    told("policy, ns of CPU an event", |(_, wasm)| wasm.cpu);
    told("native / policy, of CPU", |(native, wasm)| {
        native.cpu / wasm.cpu
    });
    told("policy / native, of events", |(native, wasm)| {
        wasm.rate / native.rate
    })
}
