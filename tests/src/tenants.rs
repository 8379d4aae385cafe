//! What one tenant's guest costs another tenant: two agents in one process, measured in rounds.
//!
//! Each round measures the quiet tenant next to a good and next to a hostile neighbour, one right
//! after the other, in alternating order, so that other work on the machine affects both equally.
//! The neighbour's traffic is the same in both, so the difference is due to its guest.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{AgentFile, Feed, Host, Lines, Scratch, eventually, ports};

const PATIENCE: Duration = Duration::from_secs(120);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Events of the quiet tenant in a measurement.
    pub events: u64,
    /// Pairs of measurements for each guest.
    pub rounds: usize,
    /// Events per second of the neighbour.
    pub neighbour: u64,
}

/// The quiet tenant's events per second, next to a guest.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Next to a neighbour with a good guest.
    pub alone: Vec<f64>,
    /// Next to the same neighbour with a hostile guest.
    pub beside: Vec<f64>,
}

impl Figures {
    /// The relative throughput of the quiet tenant, one figure per round, ascending.
    #[must_use]
    pub fn ratios(&self) -> Vec<f64> {
        let pairs = self.alone.iter().zip(&self.beside);
        let mut ratios: Vec<f64> = pairs.map(|(alone, beside)| beside / alone).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// Measures the quiet tenant next to a neighbour with a good guest and with a hostile one. `limits`
/// are keys below `a2.policies.`.
///
/// # Panics
/// When an event of the quiet tenant is not accepted.
#[must_use]
pub fn measure(good: &Path, hostile: &Path, limits: &[(&str, &str)], size: Size) -> Figures {
    let mut figures = Figures {
        alone: Vec::new(),
        beside: Vec::new(),
    };
    for round in 0..size.rounds {
        let alone = || once(good, limits, size);
        let beside = || once(hostile, limits, size);
        let (one, other) = if round.is_multiple_of(2) {
            let one = alone();
            (one, beside())
        } else {
            let other = beside();
            (alone(), other)
        };
        figures.alone.push(one);
        figures.beside.push(other);
    }
    figures
}

/// Runs a process with both tenants; returns the quiet one's events per second.
fn once(guest: &Path, limits: &[(&str, &str)], size: Size) -> f64 {
    let scratch = Scratch::new();
    let (quiet, loud) = (ports::free(), ports::free());
    let text = format!(
        "{}\n{}",
        tenant("a1", quiet, "round_robin", &[]),
        tenant("a2", loud, &guest.display().to_string(), limits)
    );
    let host = Host::start(&scratch, "tenants", &text);
    let neighbour = Feed::start(
        loud,
        Lines::new("b", size.neighbour * 600).rate(size.neighbour),
    );
    // Warms up, and makes sure that the neighbour's guest has been called.
    Feed::send(quiet, Lines::new("w", size.events / 10), PATIENCE).assert_all_acknowledged();
    let began = Instant::now();
    Feed::send(quiet, Lines::new("a", size.events), PATIENCE).assert_all_acknowledged();
    let took = began.elapsed();
    let delivered = || {
        let sum: u64 = ["k1", "k2", "k3"]
            .map(|sink| host.counter(&format!("SINK.a1.{sink}"), "EventDrainSuccessCount"))
            .iter()
            .sum();
        (sum >= size.events + size.events / 10).then_some(())
    };
    eventually(
        "the quiet tenant's events are delivered",
        PATIENCE,
        delivered,
    );
    drop(neighbour);
    size.events as f64 / took.as_secs_f64()
}

/// netcat → the header that turns hostile guests → memory → three null sinks in a balanced group.
fn tenant(agent: &str, input: u16, selector: &str, limits: &[(&str, &str)]) -> String {
    let names = ["k1", "k2", "k3"];
    let mut file = AgentFile::new(agent)
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .attacking("r1", "")
        .set("sinks", names.join(" "));
    for name in names {
        file = file
            .set(&format!("sinks.{name}.type"), "null")
            .set(&format!("sinks.{name}.channel"), "c1")
            .set(&format!("sinks.{name}.batchSize"), 10);
    }
    for (key, value) in limits {
        file = file.set(&format!("policies.{key}"), value);
    }
    file.set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", names.join(" "))
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.selector", selector)
        .text()
        .replace(&format!("{agent}.sinks = \n"), "")
}
