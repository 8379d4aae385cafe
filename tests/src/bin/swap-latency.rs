//! Overwrites a policy under load and prints who waited how long.
//!
//! `cargo run --release -p flume-tests --bin swap-latency [RATE [SECONDS [FIRST.wasm SECOND.wasm]]]`:
//! 50000 events a second, 10 seconds without swaps and 10 with one every 1.5 s, between weighted
//! and round robin. Fails if an event was lost or doubled, or if a group stood still for more than a
//! millisecond.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use flume_tests::figures::millis;
use flume_tests::swap::{self, Load};

/// How long a batch may wait for a swap.
const MOST: Duration = Duration::from_millis(1);

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| match words.get(at) {
        Some(word) => word.parse(),
        None => Ok(default),
    };
    let policies = match (words.get(2), words.get(3)) {
        (Some(first), Some(second)) => [PathBuf::from(first), PathBuf::from(second)],
        _ => [
            flume_artifacts::guest("selector-weighted")?,
            flume_artifacts::guest("selector-round-robin")?,
        ],
    };
    let load = Load {
        rate: number(0, 50_000)?,
        seconds: number(1, 10)?,
        between: Duration::from_millis(1500),
        policies,
    };
    let outcome = swap::run(&load);
    let (tally, longest) = (&outcome.tally, outcome.stood_still.quantile(10_000));
    let lines = [
        format!("{tally}"),
        format!("an event's wait, without swaps: {}", outcome.quiet),
        format!("an event's wait, with swaps:    {}", outcome.swapped),
        format!("the group's, for a swap:        {}", outcome.stood_still),
    ];
    flume_tests::say::line(&lines.join("\n"));
    let exact = tally.lost().is_empty() && tally.doubled() == 0;
    let met = exact && longest > Duration::ZERO && longest <= MOST;
    flume_tests::say::line(&format!(
        "0 lost, 0 doubled, no batch waits longer than {} ms for a swap: {}",
        millis(MOST),
        if met { "met" } else { "missed" }
    ));
    Ok(if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
