//! B10: a policy's file is overwritten repeatedly while events flow.

use std::io;
use std::time::Duration;

use flume_tests::figures::millis;
use flume_tests::swap::{self, Load};

use super::{Bench, shipped_policy};

/// Lines a second.
const RATE: u64 = 50_000;

/// How long a batch may wait for a swap.
const MOST: Duration = Duration::from_millis(1);

/// The least time between two versions.
const BETWEEN: Duration = Duration::from_millis(1500);

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    // Ten seconds without swaps and ten with, at the default scale.
    let seconds = (bench.time().as_secs_f64() * 20.0 / 3.0).ceil().max(4.0) as u64;
    bench.table.waits_section(&format!(
        "B10 netcat → memory → a group of 2, {RATE} lines a second, {seconds} s without swaps and \
         {seconds} s with"
    ))?;
    let outcome = swap::run(&Load {
        rate: RATE,
        seconds,
        between: BETWEEN,
        policies: ["weighted", "round-robin"].map(shipped_policy),
    });
    let (tally, table) = (&outcome.tally, &mut bench.table);
    table.waits("an event, without swaps", &outcome.quiet)?;
    table.waits("an event, with swaps", &outcome.swapped)?;
    table.waits("the group, for a swap", &outcome.stood_still)?;
    let exact = tally.lost().is_empty() && tally.doubled() == 0;
    if !exact {
        table.wrong(&format!("B10: {tally}"))?;
    }
    let swaps = outcome.stood_still.len();
    table.fact(
        &format!("B10 {swaps} swaps, 0 lost, 0 duplicated"),
        exact && swaps > 0,
    )?;
    let longest = outcome.stood_still.quantile(10_000);
    let name = format!(
        "B10 the group stood still for {:.3} ms at most, target <= {}",
        millis(longest),
        millis(MOST)
    );
    table.fact(&name, swaps > 0 && longest <= MOST)
}
