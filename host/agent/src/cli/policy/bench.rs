//! `policy bench`: what a policy costs for each call and each event.
//!
//! The subjects take turns, so what else the machine does hits all of them alike; see
//! [`flume_policy::bench`]. A selector stands beside the native one of its name or, having none,
//! beside `round_robin`, which is the least that any order costs. An interceptor stands beside the
//! native one that `--twin` names, or else beside that of its own name with the same properties or,
//! having none, beside one that does nothing. With `--twin` the events that come out of both are
//! compared first: figures of two that do different things would say nothing. The events are lines
//! of 100 bytes with the headers `host` and `port`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use flume_core::clock::WallClock;
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Batch, Context, Event, Interceptor, InterceptorError, SinkSelector};
use flume_policy::bench::{self, Bench};
use flume_policy::{
    Artifact, InterceptorSetup, Limits, Policy, PolicyEngine, PolicyError, Properties, Remedy,
    SelectorSetup, SinkInfo, World,
};

use super::check::{opened, pair, plain, problem_lines, sink};
use super::refuse;
use crate::cli::{EXIT_CONFIG, complain, print};
use crate::logging::{self, LogFormat};
use crate::services::{Resolver, Services};
use crate::{component, interceptor};

/// Orders, and events, in a round.
const ORDERS: u32 = 1000;
const EVENTS: u32 = 4000;

/// Measures what a policy costs, beside its native twin where there is one. Exits with 0, with 65
/// if the file is no policy or breaks the contract, with 66 if it cannot be read, or with 78 if it
/// does not accept its properties.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The file: a component or a core module, `.wasm` or `.wat`.
    file: PathBuf,
    /// A property of the policy; may be given several times.
    #[arg(short, long = "property", value_name = "KEY=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
    /// A sink of the group, with its own properties; may be given several times. Without it there
    /// are four sinks, `s1` to `s4`.
    #[arg(short, long = "sink", value_name = "NAME[:KEY=VALUE,...]", value_parser = sink)]
    sinks: Vec<SinkInfo>,
    /// A limit, as below `processor.policy.`: `deadline-ms=5`; may be given several times.
    #[arg(short, long = "limit", value_name = "KEY=VALUE", value_parser = pair)]
    limits: Vec<(String, String)>,
    /// For an interceptor: the native type that does the same work (`search_replace`).
    #[arg(long, value_name = "TYPE")]
    twin: Option<String>,
    /// A property of the twin; may be given several times.
    #[arg(long = "twin-property", value_name = "KEY=VALUE", value_parser = pair, requires = "twin")]
    twin_properties: Vec<(String, String)>,
    /// Events in a batch.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch: u32,
    /// Rounds of which the median is shown.
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The seed of the policy's random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> ExitCode {
    logging::start(LogFormat::Text, "warn");
    let (bytes, limits) = match opened(&args.file, &args.limits) {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let twin = match named_twin(args) {
        Ok(twin) => twin,
        Err(problems) => {
            complain(&problems);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match measured(args, &name, &bytes, limits, twin) {
        Ok(table) => {
            print(&table);
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&args.file, &error),
    }
}

fn measured(
    args: &BenchArgs,
    name: &str,
    bytes: &[u8],
    limits: Limits,
    twin: Option<Twin>,
) -> Result<String, PolicyError> {
    let engine = PolicyEngine::new()?;
    let artifact = Artifact::load(&engine, name, bytes, None)?;
    let world = artifact.world();
    let policy = Policy::new(engine, artifact, limits, WallClock::system());
    let rows = match world {
        World::Selector { .. } => orders(args, name, &policy)?,
        World::Interceptor => events(args, name, &policy, twin)?,
    };
    let stats = policy.stats();
    // A call that was refused costs less than one that was heeded: the figure would be no figure.
    let broken = match stats.all_violations() {
        0 => String::new(),
        count => format!("the policy broke the contract {count} times: the figures mean little\n"),
    };
    Ok(format!(
        "{}\n{rows}{broken}one call: half within {:?}, 99 % within {:?}, longest {:?}; memory {} KiB\n",
        bench::HEADING,
        stats.latency.quantile(500),
        stats.latency.quantile(990),
        stats.latency.longest(),
        stats.memory.most() / 1024,
    ))
}

fn orders(args: &BenchArgs, name: &str, policy: &Arc<Policy>) -> Result<String, PolicyError> {
    let sinks = match args.sinks.as_slice() {
        [] => ["s1", "s2", "s3", "s4"].map(plain).to_vec(),
        sinks => sinks.to_vec(),
    };
    let count = sinks.len();
    let (twin, mut native) = native_selector(name, count);
    let setup = SelectorSetup {
        properties: args.properties.clone(),
        sinks,
        seed: args.seed,
    };
    let mut selector = policy.selector("bench", setup, native_selector(name, count).1)?;
    let lines = bench::lines(usize::try_from(args.batch).unwrap_or(usize::MAX));
    let shown = match selector.wants_events() {
        true => &*lines,
        false => &[],
    };
    let mut bench = Bench::default();
    bench.add(&twin, ORDERS, || bench::orders(&mut *native, shown, ORDERS));
    bench.add(name, ORDERS, || bench::orders(&mut selector, shown, ORDERS));
    let title = format!("an order of {count} sinks, with the news of a batch of 100\n");
    Ok(title + &rows(bench, args))
}

fn events(
    args: &BenchArgs,
    name: &str,
    policy: &Arc<Policy>,
    named: Option<Twin>,
) -> Result<String, PolicyError> {
    let setup = InterceptorSetup {
        properties: args.properties.clone(),
        seed: args.seed,
    };
    let ours = policy.interceptor("bench", setup, Remedy::Fail)?;
    let lines = bench::lines(usize::try_from(args.batch).unwrap_or(usize::MAX));
    let alike = match &named {
        Some((twin, native)) => likeness(twin, &**native, &ours, &lines),
        None => String::new(),
    };
    let (twin, native) = named.unwrap_or_else(|| native_interceptor(name, &args.properties));
    let batches = (EVENTS / args.batch).max(1);
    let mut bench = Bench::default();
    for (name, interceptor) in [(&*twin, &*native), (name, &ours as &dyn Interceptor)] {
        let lines = &lines;
        bench.add(name, batches.saturating_mul(args.batch), move || {
            // A batch that is refused counts as one that takes for ever.
            bench::batches(interceptor, lines, batches).unwrap_or(std::time::Duration::MAX)
        });
    }
    Ok(format!(
        "an event, in batches of {}\n{}{alike}",
        args.batch,
        rows(bench, args)
    ))
}

/// Whether a batch comes out of both alike, in a line.
fn likeness(
    twin: &str,
    native: &dyn Interceptor,
    ours: &dyn Interceptor,
    lines: &[Event],
) -> String {
    let out_of = |interceptor: &dyn Interceptor| {
        let mut batch = Batch::new(lines.to_vec());
        let handled = interceptor.intercept(&mut batch);
        handled.map(|()| batch.into_events())
    };
    match (out_of(native), out_of(ours)) {
        (Ok(theirs), Ok(ours)) if theirs != ours => {
            format!("{twin} does something else to these events: the ratio means little\n")
        }
        (Ok(events), Ok(_)) if events == lines => {
            "neither changes any of these events\n".to_owned()
        }
        (Ok(_), Ok(_)) => format!("{twin} does the same to these events\n"),
        (Err(error), _) | (_, Err(error)) => format!("not handled: {error}\n"),
    }
}

fn rows(bench: Bench<'_>, args: &BenchArgs) -> String {
    let measured = bench.run(args.rounds.into());
    measured.iter().map(|row| format!("{row}\n")).collect()
}

/// The native name of a policy: `selector-round-robin` is `round_robin`.
fn native_name(name: &str) -> String {
    let name = name.replace('-', "_");
    let kinds = ["selector_", "interceptor_"];
    let bare = kinds.iter().find_map(|kind| name.strip_prefix(kind));
    bare.unwrap_or(&name).to_owned()
}

/// The native selector of this name, or else the plainest one.
fn native_selector(name: &str, sinks: usize) -> (String, Box<dyn SinkSelector>) {
    let found = sink_selector::find(&native_name(name));
    let (what, build): (_, fn(Backoff, u64) -> _) = match found {
        Some(twin) => (twin.name, twin.build),
        None => ("round_robin", sink_selector::round_robin::build),
    };
    (format!("native {what}"), build(Backoff::none(sinks), 1))
}

/// A native interceptor, and what it is called in the table.
type Twin = (String, Box<dyn Interceptor>);

/// The native interceptor that the command line names; an error is a line for each problem.
fn named_twin(args: &BenchArgs) -> Result<Option<Twin>, String> {
    let twin = args.twin.as_deref();
    twin.map(|name| built(name, &args.twin_properties))
        .transpose()
}

/// The native interceptor of this name, if it takes these properties, or else one that does
/// nothing.
fn native_interceptor(name: &str, properties: &Properties) -> Twin {
    built(&native_name(name), properties)
        .unwrap_or_else(|_| ("native, does nothing".to_owned(), Box::new(Nothing)))
}

/// A native interceptor; an error is a line for each problem.
fn built(name: &str, properties: &Properties) -> Result<Twin, String> {
    let twin = component::find(interceptor::COMPONENTS, name)
        .ok_or_else(|| format!("error: there is no native interceptor `{name}`\n"))?;
    let pairs: Vec<(&str, &str)> = properties
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    let mut context = Context::of("twin", &pairs);
    let built = (twin.configure)(&mut context, &Services::system(Resolver::default()));
    let problems = context.finish();
    match built.filter(|_| problems.is_empty()) {
        Some(built) => Ok((format!("native {name}"), built)),
        None => Err(problem_lines(&problems)),
    }
}

/// Does nothing.
struct Nothing;

impl Interceptor for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn intercept(&self, _: &mut Batch) -> Result<(), InterceptorError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_by_name() {
        let selector = |name| native_selector(name, 2).0;
        assert_eq!(selector("random"), "native random");
        assert_eq!(selector("selector-round-robin"), "native round_robin");
        assert_eq!(selector("weighted"), "native round_robin");
        let interceptor = |name, properties: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            native_interceptor(name, &properties.iter().map(owned).collect()).0
        };
        assert_eq!(interceptor("static", &[("key", "a")]), "native static");
        assert_eq!(
            interceptor("static", &[("kez", "a")]),
            "native, does nothing"
        );
        assert_eq!(interceptor("redact", &[]), "native, does nothing");
    }

    #[test]
    fn a_twin_must_do_the_same() {
        let built = |pairs: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            built("static", &pairs.iter().map(owned).collect())
        };
        let (name, first) = built(&[("key", "a"), ("value", "1")]).unwrap();
        let (_, second) = built(&[("key", "a"), ("value", "2")]).unwrap();
        let lines = bench::lines(3);
        let said = |ours| likeness(&name, &*first, ours, &lines);
        assert_eq!(
            said(&*first),
            "native static does the same to these events\n"
        );
        assert!(
            said(&*second).contains("something else"),
            "{}",
            said(&*second)
        );
        let nothing = likeness(&name, &Nothing, &Nothing, &lines);
        assert_eq!(nothing, "neither changes any of these events\n");
        let refused = built(&[("kez", "a")]).err().unwrap();
        assert!(refused.contains("`kez`"), "{refused}");
    }
}
