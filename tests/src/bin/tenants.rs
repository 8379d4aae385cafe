//! Prints what one tenant's guest costs another tenant.
//!
//! `cargo run --profile dist -p flume-tests --bin tenants [-- EVENTS [ROUNDS]]`. It prints a line
//! for each guest: the quiet tenant's throughput next to it, relative to that next to a good one,
//! as the median, lowest and highest of all rounds. A guest costs its neighbours most before it is
//! quarantined. Runs with few events show that time; the default of ten million per round shows how
//! much remains after seconds.

use std::process::ExitCode;

use flume_tests::tenants::{Size, measure};

/// Keys below `policies.`, with their values.
type Limits = &'static [(&'static str, &'static str)];

/// The neighbour's guest, what it does, and limits of its agent.
const GUESTS: &[(&str, &str, Limits)] = &[
    ("spin_in_order", "spins, until it is quarantined", &[]),
    ("grow_memory", "takes all memory that it gets", &[]),
    ("trap_in_order", "stops at each order", &[]),
    ("log_flood", "logs ten thousand lines for each order", &[]),
    ("busy", "works for milliseconds over each order", &[]),
    (
        "busy",
        "the same, with cpu-percent = 5",
        &[("cpu-percent", "5")],
    ),
];

#[expect(clippy::print_stdout, reason = "a tool that prints figures")]
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let events = words
        .next()
        .and_then(|w| w.parse().ok())
        .unwrap_or(10_000_000);
    let rounds = words.next().and_then(|w| w.parse().ok()).unwrap_or(5);
    let size = Size {
        events,
        rounds,
        neighbour: 500,
    };
    // Its order is valid; it traps only on a predecessor's state.
    let good = flume_artifacts::hostile("import_trap");
    println!("{rounds} rounds of {events} events; relative throughput of the other tenant");
    for (guest, does, limits) in GUESTS {
        let figures = measure(&good, &flume_artifacts::hostile(guest), limits, size);
        let ratios = figures.ratios();
        let at = |part: usize| ratios.get(part).copied().unwrap_or(f64::NAN);
        println!(
            "{:<14} {:.3} ({:.3} to {:.3})  {does}",
            guest,
            at(rounds / 2),
            at(0),
            at(rounds.saturating_sub(1))
        );
    }
    ExitCode::SUCCESS
}
