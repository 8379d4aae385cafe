//! Flume's outcome of every mistake, as measured with the real one, and ours.
//!
//! A row is a change to [`SMALL`] or [`GROUP`]. In lenient mode exactly that runs which runs in
//! Flume, but for agents that would take events nobody delivers; in strict mode the file is refused,
//! except where the row says that it is accepted.

use super::*;

use self::rows::{COMPONENTS, GROUPS, HARMLESS, LOADING, NOTHING, Row, STRUCTURE};

mod rows;

fn rows() -> impl Iterator<Item = &'static Row> {
    [COMPONENTS, LOADING, GROUPS, STRUCTURE, HARMLESS]
        .into_iter()
        .flatten()
}

#[test]
fn lenient_mode_runs_what_flume_runs() {
    for row in rows() {
        let loaded = load(&edited(row.file, row.without, row.with), Mode::Lenient);
        let text = rendered(&loaded);
        let runs = match loaded.plans.as_slice() {
            [] => NOTHING.to_owned(),
            plans => plans.iter().map(running).collect(),
        };
        assert_eq!(runs, row.runs, "{}: {text}", row.mistake);
        if row.mistake != "processor type given as class name" {
            assert!(
                codes(&loaded).contains(&row.lenient),
                "{}: {text}",
                row.mistake
            );
        }
        assert_eq!(
            loaded.has_errors(),
            row.runs == NOTHING,
            "{}: {text}",
            row.mistake
        );
    }
}

#[test]
fn strict_mode_refuses_what_flume_skips() {
    for row in rows() {
        let loaded = load(&edited(row.file, row.without, row.with), Mode::Strict);
        let text = rendered(&loaded);
        let errors = loaded
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error);
        let errors: Vec<Code> = errors.map(|found| found.code).collect();
        match row.strict {
            Some(code) => {
                assert!(errors.contains(&code), "{}: {text}", row.mistake);
                assert_eq!(loaded.plans, [], "{}", row.mistake);
            }
            None => {
                assert_eq!(errors, [], "{}: {text}", row.mistake);
                assert_eq!(
                    running(&loaded.plans[0]),
                    row.runs,
                    "{}: {text}",
                    row.mistake
                );
            }
        }
        let helpless = loaded.diagnostics.iter().find(|found| found.help.is_none());
        assert_eq!(helpless, None, "{}", row.mistake);
    }
}

/// A topology looks channels up by name, and a plan that names one that it does not have could not be
/// built.
#[test]
fn a_plan_has_every_channel_that_it_names() {
    for row in rows() {
        for mode in [Mode::Strict, Mode::Lenient] {
            let loaded = load(&edited(row.file, row.without, row.with), mode);
            for plan in &loaded.plans {
                let has = |name: &str| {
                    let mut names = plan.channels.iter().flat_map(|channel| &channel.names);
                    names.any(|known| known == name)
                };
                let mut targets = plan.sources.iter().flat_map(SourcePlan::targets);
                let mut sinks = plan.groups.iter().flat_map(|group| &group.sinks);
                let all = targets.all(has) && sinks.all(|sink| has(&sink.channel));
                assert!(all, "{}: {}", row.mistake, running(plan));
            }
        }
    }
}

/// Flume: TestAbstractConfigurationProvider.testSourceThrowsExceptionDuringConfiguration,
/// testChannelThrows…, testSinkThrows…, testSourceAndSinkThrow… (G3).
#[test]
fn what_a_broken_component_takes_with_it() {
    let source = "a1.sources.r1.max-line-length = x";
    for (with, runs) in [
        (vec![source], " | c1 | k1<c1"),
        (vec!["a1.channels.c1.capacity = 10"], NOTHING),
    ] {
        let loaded = load(&edited(SMALL, &[], &with), Mode::Lenient);
        let running = loaded.plans.first().map(running);
        assert_eq!(running.as_deref().unwrap_or(NOTHING), runs, "{with:?}");
    }
}

/// Flume would go on without the sink, and its source would fill the channel with events that it has
/// acknowledged.
#[test]
fn no_agent_starts_that_takes_events_nobody_will_deliver() {
    let two = edited(
        SMALL,
        &["a1.channels"],
        &["a1.channels = c1 c2", "a1.channels.c2.type = memory"],
    );
    let source = "a1.sources.r1.channels = c1 c2";
    for (file, without, with, is_refused) in [
        (SMALL, &[][..], &["a1.sinks.k1.batchSize = x"][..], true),
        // The source does not run either.
        (
            SMALL,
            &["a1.sources.r1.bind"],
            &["a1.sinks.k1.batchSize = x"],
            true,
        ),
        (
            &two,
            &["a1.sources.r1.channels"],
            &[
                source,
                "a1.sinks.k2.type = null",
                "a1.sinks.k2.channel = c2",
            ],
            true,
        ),
        (
            &two,
            &["a1.sources.r1.channels", "a1.sinks"],
            &[source, "a1.sinks = k1 k2"],
            true,
        ),
        // The file itself has nothing for c2, or does not need it.
        (&two, &["a1.sources.r1.channels"], &[source], false),
        (
            &two,
            &["a1.sources.r1.channels"],
            &[
                source,
                "a1.sources.r1.selector.optional = c2",
                "a1.sinks.k2.type = null",
                "a1.sinks.k2.channel = c2",
            ],
            false,
        ),
    ] {
        let text = edited(file, without, with);
        let lenient = load(&text, Mode::Lenient);
        assert_eq!(
            lenient.plans.is_empty(),
            is_refused,
            "{with:?}: {}",
            rendered(&lenient)
        );
        let strict = load(&text, Mode::Strict);
        assert_eq!(
            strict.plans.is_empty(),
            is_refused,
            "{with:?}: {}",
            rendered(&strict)
        );
    }
}

/// Four hosts with the mistakes of Flume's test file.
const HOSTS: &str = "\
host2.sources = src1
host2.sinks = k1
host2.sources.src1.type = seq
host2.sources.src1.channels = ch1
host2.sinks.k1.type = null
host2.sinks.k1.channel = ch1
host3.sources = src1
host3.channels = ch1 ch2
host3.sinks = k1
host3.sources.src1.type = seq
host3.sources.src1.channels = ch1
host3.channels.ch2.capacity = 100
host3.channels.ch3.type = memory
host3.sinks.k1.type = null
host3.sinks.k1.channel = ch1
host4.sources = src1 src2
host4.channels = ch1 ch2
host4.sources.src1.type = seq
host4.sources.src1.channels = ch1
host4.channels.ch2.type = memory
host5.sources = src1
host5.channels = ch1
host5.sinks = sink1 sink2 sink3
host5.sinkgroups = grp1
host5.sources.src1.type = seq
host5.sources.src1.channels = ch1
host5.channels.ch1.type = memory
host5.sinks.sink1.type = null
host5.sinks.sink1.channel = ch1
host5.sinks.sink2.type = null
host5.sinks.sink2.channel = ch1
host5.sinkgroups.grp1.sinks = sink1 sink2 sink3
host5.sinkgroups.grp1.processor.type = load_balance
";

/// Flume: TestPropertiesFileConfigurationProvider.testPropertyRead (G6). Its errors are recorded
/// without places; each has its counterpart here.
#[test]
fn five_hosts_in_one_file() {
    let text = format!("{}{HOSTS}", SMALL.replace("a1.", "host1."));
    let load = |host: &str| {
        let options = Options {
            names: vec![host.to_owned()],
            mode: Mode::Lenient,
            ..Options::default()
        };
        let path = "test.properties".to_owned();
        compile(path, text.clone().into(), &options, &services(0), &|_| None)
    };
    let found = |host: &str| -> Vec<Code> {
        let mut codes = codes(&load(host));
        codes.retain(|code| *code != Code::Dropped);
        codes.sort_unstable();
        codes
    };
    assert_eq!(found("host1"), []);
    // PROPERTY_VALUE_NULL and AGENT_CONFIGURATION_INVALID.
    assert!(found("host2").contains(&Code::MissingKey));
    assert!(found("host2").contains(&Code::NothingRuns));
    // ATTRS_MISSING (ch2), CONFIG_ERROR (ch1), and that the agent is invalid.
    for code in [
        Code::MissingKey,
        Code::NotDescribed,
        Code::NotListed,
        Code::NothingRuns,
    ] {
        assert!(
            found("host3").contains(&code),
            "{code}: {:?}",
            found("host3")
        );
    }
    // CONFIG_ERROR (ch1, src2), and no sinks.
    let undescribed = found("host4")
        .iter()
        .filter(|code| **code == Code::NotDescribed)
        .count();
    assert_eq!(undescribed, 2);
    assert!(found("host4").contains(&Code::NothingRuns));
    // CONFIG_ERROR (sink3), and the agent survives; here without INVALID_PROPERTY for the group,
    // because it is the same mistake.
    assert_eq!(found("host5"), [Code::NotDescribed]);
    for (host, runs) in [
        ("host1", "r1>c1 | c1 | k1<c1"),
        ("host2", NOTHING),
        ("host3", NOTHING),
        ("host4", NOTHING),
        ("host5", "src1>ch1 | ch1 | grp1(sink1<ch1 sink2<ch1)"),
    ] {
        let running = load(host).plans.first().map(running);
        assert_eq!(running.as_deref().unwrap_or(NOTHING), runs, "{host}");
    }
}

/// Flume: TestFlumeConfiguration.testFLUME1743 (G8): a property of a component that it does not
/// know in the first place does not stop the file from being read.
#[test]
fn an_unsupported_type_is_told_apart_from_a_mistyped_one() {
    let text = edited(
        SMALL,
        &["a1.sources.r1.type"],
        &["a1.sources.r1.type = multiport_syslogtcp"],
    );
    let loaded = load(&text, Mode::Strict);
    assert_eq!(codes(&loaded), [Code::Unsupported]);
    // Flume would run it, so lenient mode says nothing about Flume.
    let loaded = load(&text, Mode::Lenient);
    assert_eq!(codes(&loaded), [Code::UnfilledChannel, Code::Unsupported]);
    assert_eq!(loaded.plans, []);
}

/// Flume: TestSourceConfiguration.testFLUME1847 (G8): a source without channels is refused.
#[test]
fn a_source_needs_channels() {
    let loaded = load(
        &edited(SMALL, &["a1.sources.r1.channels"], &[]),
        Mode::Strict,
    );
    let found = &loaded.diagnostics[0];
    assert_eq!(found.code, Code::MissingKey);
    assert_eq!(found.message, "`a1.sources.r1` needs the key `channels`");
}
