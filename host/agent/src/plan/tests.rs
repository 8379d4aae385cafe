//! What becomes of a file: what runs of it, what is refused, and what is the same.

use std::time::Duration;

use flume_core::channel::memory::MemoryConfig;
use flume_core::{Code, Event, Severity, sink_processor};

use super::*;
use crate::config::{SourceFile, render};
use crate::load::{Loaded, Options, compile};
use crate::testing::{plan, services};

mod matrix;
mod mirrors;
mod on_error;
mod policies;
mod spares;

fn load(text: &str, mode: Mode) -> Loaded {
    let options = Options {
        mode,
        ..Options::default()
    };
    let path = "test.properties".to_owned();
    compile(path, text.into(), &options, &services(0), &|_| None)
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded
        .diagnostics
        .iter()
        .map(|finding| finding.code)
        .collect()
}

fn rendered(loaded: &Loaded) -> String {
    render::render(&loaded.diagnostics, &loaded.file, false)
}

/// What runs of an agent, in one line: `sources | channels | groups`.
fn running(plan: &AgentPlan) -> String {
    let sources = plan
        .sources
        .iter()
        .map(|source| format!("{}>{}", source.component.name, source.channels.join(",")));
    let channels = plan.channels.iter().map(|channel| channel.names.join("="));
    let groups = plan.groups.iter().map(|group| {
        let sink = |sink: &SinkPlan| format!("{}<{}", sink.component.name, sink.channel);
        let sinks: Vec<String> = group.sinks.iter().map(sink).collect();
        match group.declared {
            true => format!("{}({})", group.name, sinks.join(" ")),
            false => sinks.join(" "),
        }
    });
    let join = |parts: Vec<String>| parts.join(" ");
    format!(
        "{} | {} | {}",
        join(sources.collect()),
        join(channels.collect()),
        join(groups.collect())
    )
}

/// An agent with one of each.
const SMALL: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
";

/// The text without the lines of these keys, and with these lines.
fn edited(text: &str, without: &[&str], with: &[&str]) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let kept = text
        .lines()
        .filter(|line| !without.contains(&key(line).as_str()));
    kept.chain(with.iter().copied())
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What a logger takes at once is written nowhere; it takes what a transaction holds.
#[test]
fn only_batches_that_a_file_can_change_are_warned_of() {
    let flow = |kind: &str| {
        format!(
            "a1.sources = r1\na1.channels = c1\na1.sinks = k1\n\
             a1.sources.r1.type = netcat\na1.sources.r1.bind = 127.0.0.1\na1.sources.r1.port = 4444\n\
             a1.sources.r1.channels = c1\na1.channels.c1.type = memory\n\
             a1.channels.c1.transactionCapacity = 1\na1.sinks.k1.channel = c1\n\
             a1.sinks.k1.type = {kind}\n"
        )
    };
    assert_eq!(codes(&load(&flow("logger"), Mode::Strict)), []);
    let null = codes(&load(&flow("null"), Mode::Strict));
    assert_eq!(null, [Code::BatchSize]);
}

#[test]
fn a_plan_has_everything_that_runs() {
    let text = edited(
        SMALL,
        &[],
        &[
            "a1.sources.r1.ack-every-event = false",
            "a1.sources.r1.selector.optional = c1",
            "a1.sources.r1.interceptors = i2 i1",
            "a1.sources.r1.interceptors.i1.type = timestamp",
            "a1.sources.r1.interceptors.i2.type = \
             org.apache.flume.interceptor.HostInterceptor$Builder",
            "a1.sources.r1.interceptors.i2.useIP = false",
            "a1.channels.c1.capacity = 1000",
        ],
    );
    let plan = plan(&text);
    assert_eq!(running(&plan), "r1>c1 | c1 | k1<c1");
    let source = &plan.sources[0];
    assert_eq!(source.component.kind, "netcat");
    let keys: Vec<&str> = source.component.keys.shown().map(|(key, _)| key).collect();
    assert_eq!(keys, ["ack-every-event", "bind", "port"]);
    let selector = source.selector.make();
    let selection = selector.select(&Event::default());
    assert_eq!(
        (selection.required, selection.optional),
        (&[][..], &[0][..])
    );
    let kinds: Vec<String> = source
        .interceptors
        .iter()
        .map(InterceptorPlan::kind)
        .collect();
    assert_eq!(kinds, ["host", "timestamp"]);
    let InterceptorPlan::Native(host) = &source.interceptors[0] else {
        panic!("not a policy")
    };
    let keys: Vec<&str> = host.keys.shown().map(|(key, _)| key).collect();
    assert_eq!(keys, ["useIP"]);
    let memory: &MemoryConfig = plan.channels[0].recipe.downcast_ref().unwrap();
    assert_eq!(memory.capacity, 1000);
    assert_eq!(memory.byte_capacity, 800_000);
    assert!(!plan.groups[0].declared);
    assert_eq!(
        (
            plan.groups[0].name.as_str(),
            plan.groups[0].processor.parallelism
        ),
        ("k1", 1)
    );
    assert_eq!(plan.groups[0].processor, sink_processor::default::single());
}

/// A reload compares plans: what does not change a component must not change its plan.
#[test]
fn plans_are_equal_if_they_mean_the_same() {
    let moved = format!("# a comment\n\n{}", SMALL.replace(" = ", ":"));
    assert_eq!(plan(SMALL), plan(&moved));
    let port = SMALL.replace("44444", "44445");
    let (one, other) = (plan(SMALL), plan(&port));
    assert_ne!(one.sources, other.sources);
    assert_eq!(
        (&one.channels, &one.groups),
        (&other.channels, &other.groups)
    );
}

/// Flume: SinkProcessorFactoryTest.test, testInstantiatingLoadBalancingSinkProcessor (F5, F6).
#[test]
fn a_class_name_means_the_same_as_its_alias() {
    let group = |processor: &str| {
        let text = edited(
            SMALL,
            &["a1.sinks"],
            &[
                "a1.sinks = k1 k2",
                "a1.sinks.k2.type = org.apache.flume.sink.NullSink",
                "a1.sinks.k2.channel = c1",
                "a1.sinkgroups = g1",
                "a1.sinkgroups.g1.sinks = k1 k2",
                &format!("a1.sinkgroups.g1.processor.type = {processor}"),
            ],
        );
        running(&plan(&text))
    };
    let expected = "r1>c1 | c1 | g1(k1<c1 k2<c1)";
    for processor in [
        "failover",
        "Load_Balance",
        "org.apache.flume.sink.FailoverSinkProcessor",
        "org.apache.flume.sink.LoadBalancingSinkProcessor",
    ] {
        assert_eq!(group(processor), expected);
    }
}

#[test]
fn an_error_of_another_agent_counts_only_if_that_agent_is_wanted() {
    let broken = SMALL
        .replace("a1.", "b1.")
        .replace("netcat", "netcap")
        .replace("44444", "1");
    let text = format!("{SMALL}{broken}");
    let load = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let options = Options {
            names,
            ..Options::default()
        };
        let loaded = compile(
            "f".to_owned(),
            text.clone().into(),
            &options,
            &services(0),
            &|_| None,
        );
        let plans = loaded.plans.iter().map(|plan| plan.name.clone());
        (plans.collect::<Vec<_>>(), codes(&loaded))
    };
    assert_eq!(load(&["a1"]), (vec!["a1".to_owned()], vec![]));
    assert_eq!(load(&["b1"]), (vec![], vec![Code::UnknownType]));
    assert_eq!(load(&[]), (vec![], vec![Code::UnknownType]));
    assert_eq!(load(&["a2", "a1"]), (vec![], vec![Code::UnknownAgent]));
}

#[test]
fn parallelism_has_bounds() {
    let group = |parallelism: &str, processor: &str| {
        let text = edited(
            SMALL,
            &["a1.sinks"],
            &[
                "a1.sinks = k1 k2",
                "a1.sinks.k2.type = null",
                "a1.sinks.k2.channel = c1",
                "a1.sinkgroups = g1",
                "a1.sinkgroups.g1.sinks = k1 k2",
                &format!("a1.sinkgroups.g1.processor.type = {processor}"),
                &format!("a1.sinkgroups.g1.processor.parallelism = {parallelism}"),
            ],
        );
        let loaded = load(&text, Mode::Strict);
        let parallelism = loaded
            .plans
            .first()
            .map(|plan| plan.groups[0].processor.parallelism);
        let found = loaded.diagnostics.first();
        (parallelism, found.map(|found| (found.code, found.severity)))
    };
    let out = Code::OutOfRange;
    assert_eq!(group("2", "load_balance"), (Some(2), None));
    assert_eq!(
        group("64", "load_balance"),
        (Some(64), Some((out, Severity::Warning)))
    );
    assert_eq!(
        group("65", "load_balance"),
        (None, Some((out, Severity::Error)))
    );
    assert_eq!(
        group("0", "load_balance"),
        (None, Some((out, Severity::Error)))
    );
    assert_eq!(
        group("2", "failover"),
        (Some(1), Some((Code::NoEffect, Severity::Note)))
    );
}

#[test]
fn ports_are_compared_by_address_and_protocol() {
    let pair = |bind: &str, port: &str| {
        let text = edited(
            SMALL,
            &["a1.sources"],
            &[
                "a1.sources = r1 r2",
                "a1.sources.r2.type = avro",
                &format!("a1.sources.r2.bind = {bind}"),
                &format!("a1.sources.r2.port = {port}"),
                "a1.sources.r2.channels = c1",
            ],
        );
        codes(&load(&text, Mode::Strict))
    };
    for bind in ["127.0.0.1", "localhost", "0.0.0.0", "::"] {
        assert_eq!(pair(bind, "44444"), [Code::SharedPort], "{bind}");
    }
    assert_eq!(pair("127.0.0.2", "44444"), []);
    assert_eq!(pair("127.0.0.1", "44445"), []);
    let free = SMALL.replace("44444", "0");
    let twice = format!("{free}{}", free.replace("a1.", "b1."));
    assert_eq!(codes(&load(&twice, Mode::Strict)), []);
    let twice = format!("{SMALL}{}", SMALL.replace("a1.", "b1."));
    assert_eq!(codes(&load(&twice, Mode::Strict)), [Code::SharedPort]);
}
