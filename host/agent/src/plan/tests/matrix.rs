//! Flume's outcome of every mistake, as measured with the real one, and ours.
//!
//! A row is a change to [`SMALL`] or [`GROUP`]. In lenient mode exactly that runs which runs in
//! Flume; in strict mode the file is refused, except where the row says that it is accepted.

use super::*;

use self::rows::{COMPONENTS, GROUPS, LOADING, NOTHING, Row, STRUCTURE};

mod rows;

fn rows() -> impl Iterator<Item = &'static Row> {
    [COMPONENTS, LOADING, GROUPS, STRUCTURE]
        .into_iter()
        .flatten()
}

#[test]
fn lenient_mode_runs_what_flume_runs() {
    for row in rows() {
        let loaded = load(&edited(row.file, row.without, row.with), Mode::Lenient);
        let text = rendered(&loaded);
        let [plan] = loaded.plans.as_slice() else {
            panic!("{}: {text}", row.mistake)
        };
        assert_eq!(running(plan), row.runs, "{}: {text}", row.mistake);
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

/// Flume: TestAbstractConfigurationProvider.testSourceThrowsExceptionDuringConfiguration,
/// testChannelThrows…, testSinkThrows…, testSourceAndSinkThrow… (G3).
#[test]
fn what_a_broken_component_takes_with_it() {
    let source = "a1.sources.r1.max-line-length = x";
    let sink = "a1.sinks.k1.batchSize = x";
    for (with, runs) in [
        (vec![source], " | c1 | k1<c1"),
        (vec!["a1.channels.c1.capacity = 10"], NOTHING),
        (vec![sink], "r1>c1 | c1 | "),
        (vec![source, sink], NOTHING),
    ] {
        let loaded = load(&edited(SMALL, &[], &with), Mode::Lenient);
        assert_eq!(running(&loaded.plans[0]), runs, "{with:?}");
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
    let loaded = load(&text, Mode::Lenient);
    let found = |host: &str| -> Vec<Code> {
        let of_host = |found: &&flume_core::Diagnostic| found.message.contains(host);
        let mut codes: Vec<Code> = loaded
            .diagnostics
            .iter()
            .filter(of_host)
            .map(|found| found.code)
            .collect();
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
    let plans: Vec<(&str, String)> = loaded
        .plans
        .iter()
        .map(|plan| (plan.name.as_str(), running(plan)))
        .collect();
    let expected = [
        ("host1", "r1>c1 | c1 | k1<c1"),
        ("host2", NOTHING),
        ("host3", NOTHING),
        ("host4", NOTHING),
        ("host5", "src1>ch1 | ch1 | grp1(sink1<ch1 sink2<ch1)"),
    ];
    assert_eq!(plans, expected.map(|(name, runs)| (name, runs.to_owned())));
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
    // Flume would run it, so lenient mode cannot pretend that all is well.
    assert!(load(&text, Mode::Lenient).has_errors());
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
