//! "Any language that compiles to WebAssembly" as a test: the same policies, in five languages,
//! built from source by their own toolchains, do the same. Python builds, but its component stops
//! in its first calls, so it is not among them yet.

use std::collections::VecDeque;
use std::fs;
use std::time::Duration;

use flume_artifacts::Language;
use flume_core::clock::{self, Instant};
use flume_core::sink_group::Step;
use flume_core::{Batch, Event, Interceptor as _, SinkSelector as _};
use flume_policy::{
    Artifact, Cache, Demand, Guard, Limits, PolicyError, PolicySelector, Problem, Remedy,
    SelectorSetup, SinkInfo, ViolationKind,
};

use crate::support::{ENGINE, Limited, fallback, interceptor, limited, logged, pairs, selector};

macro_rules! in_each_language {
    ($($module:ident = $language:expr;)*) => {
        $(mod $module {
            #[test]
            fn selects() {
                super::selects($language);
            }
            #[test]
            fn intercepts() {
                super::intercepts($language);
            }
            #[test]
            fn fails_with_words() {
                super::fails_with_words($language);
            }
        })*
    };
}

in_each_language! {
    rust = flume_artifacts::Language::Rust;
    c = flume_artifacts::Language::C;
    go = flume_artifacts::Language::Go;
    js = flume_artifacts::Language::Js;
}

/// A policy in a language, or what is missing for it. The large ones are compiled once for
/// each change of their sources.
fn artifact(language: Language, name: &str) -> Option<Artifact> {
    let path = match language.policy(name).expect("the policy builds") {
        Ok(path) => path,
        Err(why) => {
            flume_artifacts::skip(&why);
            return None;
        }
    };
    let bytes = fs::read(&path).expect("the policy can be read");
    let cache = Cache::open(path.with_file_name("compiled")).expect("a cache");
    let label = format!("{}-{name}", language.name());
    let artifact = Artifact::load(&ENGINE, &label, &bytes, Some(&cache)).expect("a policy");
    artifact.keep(&ENGINE, Some(&cache));
    show_margins(&label, &bytes);
    Some(artifact)
}

/// What the compiler needs for it stays well below what is refused.
fn show_margins(label: &str, bytes: &[u8]) {
    let demand = Demand::of(bytes).expect("a binary file");
    for (Guard { what, most }, has) in demand.counts() {
        eprintln!("{label}: {has} {what}, at most {most}");
        assert!(has * 2 <= most, "{label}: {has} {what}");
    }
}

/// The group of these tests: the second sink may have two batches, the third one.
fn group(policy: &Limited) -> Result<PolicySelector, PolicyError> {
    let sink = |(at, own): (usize, &[(&str, &str)])| SinkInfo {
        name: format!("s{at}"),
        kind: "null".to_owned(),
        properties: pairs(own),
    };
    let own: [&[(&str, &str)]; 4] = [&[], &[("cap", "2")], &[("cap", "1")], &[]];
    let setup = SelectorSetup {
        properties: Vec::new(),
        sinks: own.into_iter().enumerate().map(sink).collect(),
        seed: 1,
    };
    policy.selector("g1", setup, fallback(4))
}

/// These tests are about answers, and not about how busy the machine is.
fn patient() -> Limits {
    Limits {
        deadline: Duration::from_secs(2),
        start_deadline: Duration::from_secs(20),
        ..Limits::default()
    }
}

fn selects(language: Language) {
    let Some(artifact) = artifact(language, "least-busy") else {
        return;
    };
    let policy = limited(artifact, patient());
    let began = clock::now();
    let mut guest = group(&policy).unwrap_or_else(|error| panic!("{language:?}: {error}"));
    let started = began.elapsed();
    let began = clock::now();
    compare(&mut guest, 2_000);
    eprintln!(
        "{language:?}: {} bytes, start with trial {started:?}, 2,000 orders {:?}",
        policy.artifact().size(),
        began.elapsed(),
    );
    assert_eq!(policy.stats().all_violations(), 0);
    assert_eq!(policy.stats().fallbacks.get(), 0);

    let setup = SelectorSetup {
        properties: pairs(&[("cpa", "1")]),
        sinks: vec![SinkInfo {
            name: "s0".to_owned(),
            kind: "null".to_owned(),
            properties: pairs(&[("cap", "many")]),
        }],
        seed: 1,
    };
    let Err(PolicyError::Config(problems)) = policy.selector("g2", setup, fallback(1)) else {
        panic!("{language:?} accepts what it does not know");
    };
    let bad = "`cap` of sink `s0` must be a number from 0 to 1000000".to_owned();
    let expected = [Problem::UnknownKey("cpa".to_owned()), Problem::Other(bad)];
    assert_eq!(problems, expected);
}

/// A random life, the same for all languages: each order must be that of the model.
fn compare(guest: &mut PolicySelector, rounds: usize) {
    let caps = [0, 2, 1, 0];
    let mut random = fastrand::Rng::with_seed(7);
    let mut now = clock::now();
    let (mut in_flight, mut failures) = ([0_u32; 4], [0_u32; 4]);
    for round in 0..rounds {
        let mut expected: Vec<usize> = (0..4).collect();
        expected.sort_by_key(|sink| {
            let is_full = caps[*sink] > 0 && in_flight[*sink] >= caps[*sink];
            (is_full, in_flight[*sink], failures[*sink])
        });
        let order: VecDeque<usize> = guest.order(now);
        let why = || guest.policy().report().seats;
        assert_eq!(order, expected, "round {round}: {:?}", why());
        now += Duration::from_millis(random.u64(1..50));
        // At most one outcome of a sink: of several in one gap only the sum is given.
        for sink in 0..4 {
            if random.bool() {
                let (under_way, failed) = (&mut in_flight[sink], &mut failures[sink]);
                life(guest, &mut random, sink, under_way, failed, now);
            }
        }
    }
}

/// A batch begins at a sink, or one ends.
fn life(
    guest: &mut PolicySelector,
    random: &mut fastrand::Rng,
    sink: usize,
    in_flight: &mut u32,
    failures: &mut u32,
    now: Instant,
) {
    if *in_flight == 0 || random.bool() {
        *in_flight += 1;
        return guest.step(sink, Step::Begun, now);
    }
    *in_flight -= 1;
    let fails = random.u8(0..3) == 0;
    if fails {
        *failures += 1;
        guest.failed(sink, now);
    } else {
        *failures = 0;
        guest.delivered(sink, now);
    }
    let events = if fails { 0 } else { 10 };
    let latency = Duration::from_millis(3);
    guest.step(sink, Step::Ended { events, latency }, now);
}

fn intercepts(language: Language) {
    let Some(artifact) = artifact(language, "upper-case") else {
        return;
    };
    let policy = limited(artifact, patient());
    let upper = interceptor(&policy, &[("header", "h")], Remedy::Fail).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    for size in [0, 1, 2, 100, 1000] {
        let event = |at: usize| match random.u8(0..4) {
            0 => Event::new(format!("body {at}")),
            1 => Event::new("")
                .with_header("h", "")
                .with_header("other", "small"),
            _ => Event::new("b").with_header("h", format!("Straße {at} aZ")),
        };
        let events: Vec<Event> = (0..size).map(event).collect();
        let mut batch = Batch::new(events.clone());
        upper.intercept(&mut batch).unwrap();
        let expected: Vec<Event> = events.into_iter().map(capitals).collect();
        assert_eq!(batch.events(), expected, "{language:?}, {size} events");
    }
    assert_eq!(policy.stats().all_violations(), 0);
    let Err(PolicyError::Config(problems)) = interceptor(&policy, &[("k", "v")], Remedy::Fail)
    else {
        panic!("{language:?} does without its header");
    };
    let missing = Problem::MissingKey("header".to_owned());
    assert_eq!(problems, [missing, Problem::UnknownKey("k".to_owned())]);
}

fn capitals(mut event: Event) -> Event {
    let value = event
        .headers
        .get("h")
        .map(|value| value.to_ascii_uppercase());
    if let Some(value) = value {
        event.headers.insert("h", value);
    }
    event
}

/// What a language prints and what it says when it gives up: both reach the log.
fn fails_with_words(language: Language) {
    let Some(artifact) = artifact(language, "faulty") else {
        return;
    };
    let (error, log) = logged(|| selector(&limited(artifact, patient())));
    let Err(PolicyError::Violation(violation)) = error else {
        panic!("{language:?} gives orders");
    };
    let log = log.join("\n");
    assert_eq!(violation.kind, ViolationKind::Trap);
    assert!(
        violation.detail.contains("no order today") || log.contains("no order today"),
        "{language:?}: {violation}\n{log}"
    );
    for (level, line) in [
        ("INFO", "said on standard output"),
        ("WARN", "said on standard error"),
    ] {
        let found = log.lines().find(|found| found.contains(line));
        let found = found.unwrap_or_else(|| panic!("{language:?} does not say {line}: {log}"));
        assert!(found.contains(level), "{language:?}: {found}");
    }
}

/// Languages that collect garbage do not grow, call after call: with the least that Go is
/// comfortable with, nothing is ever denied.
#[test]
fn go_lives_on_sixteen_mebibytes() {
    lives_on(Language::Go, 16 << 20, 100_000);
}

/// The header's memory is used again by each call: a mebibyte lasts.
#[test]
fn c_lives_on_what_it_began_with() {
    lives_on(Language::C, 1 << 20, 100_000);
}

fn lives_on(language: Language, memory: usize, rounds: usize) {
    let Some(artifact) = artifact(language, "least-busy") else {
        return;
    };
    let limits = Limits {
        memory,
        ..patient()
    };
    let policy = limited(artifact, limits);
    let mut guest = group(&policy).unwrap();
    compare(&mut guest, rounds);
    assert_eq!(policy.stats().all_violations(), 0);
}
