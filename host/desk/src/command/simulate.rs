//! `policy simulate`: what a policy does to a group, in virtual time and without a network.
//!
//! The same arguments give the same output: what is random comes from `--seed`, and no clock is
//! read.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::simulate::{Delay, Outage, Scenario, Simulated, Simulation};
use clap::Args;
use flume_core::shell::{EXIT_USAGE, complain, print};
use flume_policy::Compiler;
use flume_policy::{SelectorSetup, SinkInfo};

use self::terminal::Terminal;
use super::candidate::{CandidateArgs, LoadedSelector, violations};
use super::place;

mod chart;
mod parse;
mod report;
mod svg;
pub(super) mod terminal;

/// Parts into which the time is divided; charts join some of them where they have less room.
const SLOTS: usize = 240;

/// Plays a policy in virtual time: draws the share of each sink, and counts what became of the
/// events. Sinks are called s1, s2, …
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// What is played.
    #[command(flatten)]
    candidate: CandidateArgs,
    /// How many sinks the group has.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=256))]
    sinks: u16,
    /// Properties that a sink carries for the policy; may be given several times.
    #[arg(short = 's', long = "sink", value_name = "NAME:KEY=VALUE,...")]
    #[arg(value_parser = place::sink)]
    properties_of: Vec<SinkInfo>,
    /// Events in a second.
    #[arg(long, default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// How long it goes on.
    #[arg(long, default_value = "60s", value_parser = parse::duration)]
    duration: Duration,
    /// Events that a sink takes at once.
    #[arg(long, default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch: u32,
    /// What a sink takes for a batch.
    #[arg(long, default_value = "2ms", value_parser = parse::duration)]
    latency: Duration,
    /// By how many per cent that varies, up and down.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=99))]
    jitter: u32,
    /// Batches that may be under way at once, as `processor.parallelism`.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Events that the channel holds.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    capacity: u32,
    /// A sink fails, always or for a while, all batches or some; may be given several times.
    #[arg(long, value_name = "SINK[@FROM..TO][=PERCENT%]", value_parser = parse::outage)]
    fail: Vec<Outage>,
    /// A sink takes another time for a batch, always or for a while; may be given several times.
    #[arg(long, value_name = "SINK[@FROM..TO]=LATENCY", value_parser = parse::delay)]
    slow: Vec<Delay>,
    /// Events have this header, with this many different values; may be given several times.
    #[arg(long = "header", value_name = "NAME=VALUES", value_parser = parse::header)]
    headers: Vec<(String, usize)>,
    /// The seed of everything random: latencies, failures, headers, the policy's own numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also draw the shares into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object, and no chart.
    #[arg(long)]
    json: bool,
    /// Columns of the chart. Default: those of the terminal, or 80.
    #[arg(long)]
    width: Option<u16>,
    /// Only ASCII characters. Default: what the locale says.
    #[arg(long)]
    ascii: bool,
}

/// A simulation that is over.
struct Played {
    title: String,
    scenario: Scenario,
    seen: Simulated,
    /// For a policy: the rules that it broke, and how many batches the fallback ordered.
    conduct: Option<(Vec<(&'static str, u64)>, u64)>,
}

/// Runs the command.
pub(super) fn run(args: &SimulateArgs, compiler: &Compiler) -> ExitCode {
    match play(args, compiler) {
        Ok(played) => show(args, &played),
        Err(code) => code,
    }
}

fn play(args: &SimulateArgs, compiler: &Compiler) -> Result<Played, ExitCode> {
    let simulation = Simulation::new(args.scenario()).map_err(|error| {
        complain(&format!("error: {error}\n"));
        ExitCode::from(EXIT_USAGE)
    })?;
    let setup = SelectorSetup {
        properties: args.candidate.properties.clone(),
        sinks: args.sinks()?,
        seed: args.seed,
    };
    let loaded = args.candidate.load(setup, simulation.wall(), compiler)?;
    let LoadedSelector {
        selector,
        policy,
        zero,
    } = loaded;
    let seen = simulation.run(selector, zero);
    let digest = |policy: &flume_policy::Policy| format!(" ({})", policy.artifact().short_digest());
    let digest = policy.as_deref().map(digest).unwrap_or_default();
    Ok(Played {
        title: format!("{}{digest}", args.candidate.name()),
        scenario: simulation.scenario().clone(),
        seen,
        conduct: policy.map(|p| (violations(&p), p.stats().fallbacks.get())),
    })
}

fn show(args: &SimulateArgs, played: &Played) -> ExitCode {
    if let Some(path) = &args.out
        && let Err(error) = std::fs::write(path, svg::draw(played))
    {
        complain(&format!(
            "error: cannot write {}: {error}\n",
            path.display()
        ));
        return ExitCode::FAILURE;
    }
    if args.json {
        print(&format!("{:#}\n", report::json(played)));
    } else {
        let terminal = Terminal::find(args.width, args.ascii);
        let chart = chart::draw(&played.scenario, &played.seen, &terminal);
        print(&format!(
            "{}\n{chart}\n{}",
            report::heading(played),
            report::table(played)
        ));
    }
    ExitCode::SUCCESS
}

impl SimulateArgs {
    fn scenario(&self) -> Scenario {
        Scenario {
            sinks: self.sinks.into(),
            rate: self.rate,
            duration: self.duration,
            batch: usize::try_from(self.batch).unwrap_or(usize::MAX),
            parallel: self.parallel.into(),
            capacity: usize::try_from(self.capacity).unwrap_or(usize::MAX),
            latency: self.latency,
            jitter: self.jitter,
            seed: self.seed,
            headers: self.headers.clone(),
            outages: self.fail.clone(),
            delays: self.slow.clone(),
            slots: SLOTS,
        }
    }

    /// The sinks, with the properties that `--sink` gives them.
    fn sinks(&self) -> Result<Vec<SinkInfo>, ExitCode> {
        let names = (0..usize::from(self.sinks)).map(name);
        let mut sinks: Vec<SinkInfo> = names.map(|name| place::plain(&name)).collect();
        for given in &self.properties_of {
            let Some(sink) = sinks.iter_mut().find(|sink| sink.name == given.name) else {
                let last = name(usize::from(self.sinks) - 1);
                complain(&format!(
                    "error: there is no sink {}; the last one is {last}\n",
                    given.name
                ));
                return Err(ExitCode::from(EXIT_USAGE));
            };
            sink.properties.extend(given.properties.iter().cloned());
        }
        Ok(sinks)
    }
}

/// The name of a sink.
pub(super) fn name(sink: usize) -> String {
    format!("s{}", sink + 1)
}

#[cfg(test)]
mod tests;
