//! What one tenant's guest costs another tenant, printed.
//!
//! `cargo run --release -p flume-tests --bin tenants [-- EVENTS [ROUNDS]]`. For each guest a line
//! with the quiet tenant's throughput beside it, relative to that beside a good one: the median of
//! all rounds, the least and the most. A guest costs its neighbours most before it is quarantined: few
//! events show that time, the default of ten million a round shows what is left of it after seconds.

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
    // It orders well, and only minds a predecessor's state.
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
