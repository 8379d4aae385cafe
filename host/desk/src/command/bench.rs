//! `policy bench`: what a policy costs for each call and each event.
//!
//! The subjects take turns, so what else the machine does hits all of them alike; see
//! [`crate::bench`]. A selector is compared with the native one of its name or, if there is none,
//! with `round_robin`, which is the least that any order costs. An interceptor is compared with the
//! native one that `--twin` names, or else with that of its own name and the same properties or, if
//! there is none, with one that does nothing. With `--twin` the events that come out of both are
//! compared first: figures of two that do different things would mean nothing. The events are lines
//! of 100 bytes with the headers `host` and `port`.

use std::process::ExitCode;
use std::sync::Arc;

use crate::bench::{self, Bench, Nothing};
use clap::Args;
use flume_core::clock::WallClock;
use flume_core::shell::{EXIT_CONFIG, complain, print};
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Batch, Event, Interceptor, SinkSelector};
use flume_policy::{
    Artifact, Compiler, Limits, Policy, PolicyEngine, PolicyError, Properties, Remedy, World,
};

use super::place::{PlaceArgs, pair};
use super::{NativeInterceptor, deadline, refuse};

/// Orders, and events, in a round.
const ORDERS: u32 = 1000;
const EVENTS: u32 = 4000;

/// Sinks of the group, unless the command line names some.
const SINKS: usize = 4;

/// Measures what a policy costs, beside its native twin where there is one. Exits with 0, with 65
/// if the file is not a policy or breaks the contract, with 66 if it cannot be read, or with 78 if it
/// does not accept its properties.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    place: PlaceArgs,
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
}

/// Runs the command.
pub(super) fn run(args: &BenchArgs, native: NativeInterceptor, compiler: &Compiler) -> ExitCode {
    let (bytes, limits) = match args.place.open() {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let twin = match named_twin(args, native) {
        Ok(twin) => twin,
        Err(problems) => {
            complain(&problems);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match measured(args, &bytes, limits, (native, twin), compiler) {
        Ok(table) => {
            print(&table);
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&args.place.file, &error),
    }
}

fn measured(
    args: &BenchArgs,
    bytes: &[u8],
    limits: Limits,
    (native, twin): (NativeInterceptor, Option<Twin>),
    compiler: &Compiler,
) -> Result<String, PolicyError> {
    let engine = PolicyEngine::new(compiler.clone())?;
    let name = &*args.place.name();
    let artifact = Artifact::load(&engine, name, bytes, None)?;
    let world = artifact.world();
    let policy = Policy::new(engine, artifact, WallClock::system());
    let rows = match world {
        World::Selector { .. } => orders(args, name, &policy, limits)?,
        World::Interceptor => events(args, name, &policy, limits, native, twin)?,
    };
    let stats = policy.stats();
    // An answer that is refused costs less than one that is used, so the figures would be too good.
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

fn orders(
    args: &BenchArgs,
    name: &str,
    policy: &Arc<Policy>,
    limits: Limits,
) -> Result<String, PolicyError> {
    let setup = args.place.selector(SINKS);
    let count = setup.sinks.len();
    let (twin, mut native) = native_selector(name, count);
    let mut selector = policy.selector(
        "bench",
        limits.clone(),
        setup,
        native_selector(name, count).1,
    )?;
    let lines = bench::lines(usize::try_from(args.batch).unwrap_or(usize::MAX));
    let shown = match selector.wants_events() {
        true => &*lines,
        false => &[],
    };
    let mut bench = Bench::default();
    bench.add(&twin, ORDERS, || bench::orders(&mut *native, shown, ORDERS));
    bench.add(name, ORDERS, || bench::orders(&mut selector, shown, ORDERS));
    let title = format!("an order of {count} sinks, with the news of a batch of 100\n");
    let rows = rows(bench, args);
    let verdict = match shown {
        [] => String::new(),
        _ => deadline::verdict(policy.artifact().world(), &selector.cost(), &limits),
    };
    Ok(title + &rows + &verdict)
}

fn events(
    args: &BenchArgs,
    name: &str,
    policy: &Arc<Policy>,
    limits: Limits,
    native: NativeInterceptor,
    named: Option<Twin>,
) -> Result<String, PolicyError> {
    let setup = args.place.interceptor();
    let ours = policy.interceptor("bench", limits.clone(), setup, Remedy::Fail)?;
    let lines = bench::lines(usize::try_from(args.batch).unwrap_or(usize::MAX));
    let alike = match &named {
        Some((twin, native)) => likeness(twin, &**native, &ours, &lines),
        None => String::new(),
    };
    let (twin, theirs) =
        named.unwrap_or_else(|| native_interceptor(native, name, &args.place.properties));
    let batches = (EVENTS / args.batch).max(1);
    let mut bench = Bench::default();
    for (name, interceptor) in [(&*twin, &*theirs), (name, &ours as &dyn Interceptor)] {
        let lines = &lines;
        bench.add(name, batches.saturating_mul(args.batch), move || {
            // A batch that fails counts as one that takes for ever.
            bench::batches(interceptor, lines, batches).unwrap_or(std::time::Duration::MAX)
        });
    }
    let rows = rows(bench, args);
    let verdict = deadline::verdict(World::Interceptor, &ours.cost(), &limits);
    Ok(format!(
        "an event, in batches of {}\n{rows}{alike}{verdict}",
        args.batch
    ))
}

/// A line that says whether both make the same of a batch.
fn likeness(
    twin: &str,
    native: &dyn Interceptor,
    ours: &dyn Interceptor,
    lines: &[Event],
) -> String {
    let out_of = |interceptor: &dyn Interceptor| {
        let mut batch = Batch::new(lines.to_vec());
        let handled = interceptor.intercept(&mut batch);
        match batch.refused() {
            [(_, error), ..] => Err(error.clone()),
            [] => handled.map(|()| batch.into_events()),
        }
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

/// The native selector of this name, or else the simplest one.
fn native_selector(name: &str, sinks: usize) -> (String, Box<dyn SinkSelector>) {
    let found = sink_selector::TYPES.find(&native_name(name));
    let (what, build): (_, fn(Backoff, u64) -> _) = match found {
        Some(twin) => (twin.name(), twin.configure),
        None => ("round_robin", sink_selector::round_robin::configure),
    };
    (format!("native {what}"), build(Backoff::none(sinks), 1))
}

/// A native interceptor, and its name in the table.
type Twin = (String, Box<dyn Interceptor>);

/// The native interceptor that the command line names; an error is a line for each problem.
fn named_twin(args: &BenchArgs, native: NativeInterceptor) -> Result<Option<Twin>, String> {
    let twin = args.twin.as_deref();
    twin.map(|name| built(native, name, &args.twin_properties))
        .transpose()
}

/// The native interceptor of this name, if it takes these properties, or else one that does
/// nothing.
fn native_interceptor(native: NativeInterceptor, name: &str, properties: &Properties) -> Twin {
    built(native, &native_name(name), properties)
        .unwrap_or_else(|_| ("native, does nothing".to_owned(), Box::new(Nothing)))
}

/// A native interceptor; an error is a line for each problem.
fn built(native: NativeInterceptor, name: &str, properties: &Properties) -> Result<Twin, String> {
    match native(name, properties) {
        Ok(built) => Ok((format!("native {name}"), built)),
        Err(problems) => {
            let lines = problems.iter().map(|problem| format!("error: {problem}\n"));
            Err(lines.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flume_core::InterceptorError;

    /// Sets a header: the native interceptor `stamp` of these tests, with the keys `key` and `value`.
    struct Stamp(String, String);

    impl Interceptor for Stamp {
        fn name(&self) -> &str {
            "stamp"
        }

        fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
            for event in batch.events_mut() {
                *event = event.clone().with_header(self.0.as_str(), self.1.as_str());
            }
            Ok(())
        }
    }

    fn stamp(name: &str, properties: &Properties) -> Result<Box<dyn Interceptor>, Vec<String>> {
        let value = |wanted: &str| {
            let found = properties.iter().find(|(key, _)| key == wanted);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let unknown = properties
            .iter()
            .find(|(key, _)| key != "key" && key != "value");
        match unknown {
            None if name == "stamp" => Ok(Box::new(Stamp(value("key"), value("value")))),
            None => Err(vec![format!("there is no native interceptor `{name}`")]),
            Some((key, _)) => Err(vec![format!("`{key}` is not known")]),
        }
    }

    #[test]
    fn twins_are_found_by_name() {
        let selector = |name| native_selector(name, 2).0;
        assert_eq!(selector("random"), "native random");
        assert_eq!(selector("selector-round-robin"), "native round_robin");
        assert_eq!(selector("weighted"), "native round_robin");
        let interceptor = |name, properties: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            native_interceptor(stamp, name, &properties.iter().map(owned).collect()).0
        };
        assert_eq!(interceptor("stamp", &[("key", "a")]), "native stamp");
        assert_eq!(
            interceptor("stamp", &[("kez", "a")]),
            "native, does nothing"
        );
        assert_eq!(interceptor("redact", &[]), "native, does nothing");
    }

    #[test]
    fn a_twin_must_do_the_same() {
        let built = |pairs: &[(&str, &str)]| {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            built(stamp, "stamp", &pairs.iter().map(owned).collect())
        };
        let (name, first) = built(&[("key", "a"), ("value", "1")]).unwrap();
        let (_, second) = built(&[("key", "a"), ("value", "2")]).unwrap();
        let lines = bench::lines(3);
        let said = |ours| likeness(&name, &*first, ours, &lines);
        assert_eq!(
            said(&*first),
            "native stamp does the same to these events\n"
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
