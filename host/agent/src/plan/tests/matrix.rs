//! Flume's outcome of every mistake, as measured with the real one, and ours.
//!
//! A row is a change to [`SMALL`] or [`GROUP`]. In lenient mode exactly that runs which runs in
//! Flume; in strict mode the file is refused, except where the row says that it is accepted.

use super::*;

/// Two sinks in a group.
const GROUP: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1 k2
a1.sinkgroups = g1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = null
a1.sinks.k2.channel = c1
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = load_balance
";

const NOTHING: &str = " |  | ";

struct Row {
    mistake: &'static str,
    file: &'static str,
    without: &'static [&'static str],
    with: &'static [&'static str],
    /// What runs in lenient mode.
    runs: &'static str,
    /// What strict mode finds first; `None` if it accepts the file.
    strict: Option<Code>,
    /// What lenient mode says about it.
    lenient: Code,
}

const fn row(mistake: &'static str, file: &'static str) -> Row {
    Row {
        mistake,
        file,
        without: &[],
        with: &[],
        runs: NOTHING,
        strict: None,
        lenient: Code::Dropped,
    }
}

fn rows() -> Vec<Row> {
    [components(), loading(), groups(), structure()]
        .into_iter()
        .flatten()
        .collect()
}

/// What validation drops.
fn components() -> Vec<Row> {
    vec![
        Row {
            without: &["a1.channels"],
            strict: Some(Code::MissingKey),
            lenient: Code::NothingRuns,
            ..row("no channels list", SMALL)
        },
        Row {
            without: &["a1.channels.c1.type"],
            with: &["a1.channels.c1.capacity = 200"],
            strict: Some(Code::MissingKey),
            lenient: Code::NothingRuns,
            ..row("no valid channel", SMALL)
        },
        Row {
            without: &["a1.channels", "a1.sources", "a1.sources.r1.channels"],
            with: &[
                "a1.channels = c1 c2",
                "a1.channels.c2.capacity = 200",
                "a1.sources = r1 r2",
                "a1.sources.r1.channels = c1 c2",
                "a1.sources.r2.type = netcat",
                "a1.sources.r2.bind = 127.0.0.1",
                "a1.sources.r2.port = 44445",
                "a1.sources.r2.channels = c2",
            ],
            runs: "r1>c1 | c1 | k1<c1",
            strict: Some(Code::MissingKey),
            ..row("channel without type", SMALL)
        },
        Row {
            without: &["a1.sources.r1.channels"],
            runs: " | c1 | k1<c1",
            strict: Some(Code::MissingKey),
            ..row("source without channels", SMALL)
        },
        Row {
            without: &["a1.sources.r1.channels"],
            with: &["a1.sources.r1.channels = c8 c9"],
            runs: " | c1 | k1<c1",
            strict: Some(Code::UnknownChannel),
            ..row("source with no valid channel", SMALL)
        },
        Row {
            without: &["a1.sources.r1.channels"],
            with: &["a1.sources.r1.channels = c1 c9"],
            runs: "r1>c1 | c1 | k1<c1",
            strict: Some(Code::UnknownChannel),
            lenient: Code::UnknownChannel,
            ..row("source with a good and an unknown channel", SMALL)
        },
        Row {
            without: &["a1.sinks.k1.channel"],
            with: &["a1.sinks.k1.channels = c1"],
            runs: "r1>c1 | c1 | ",
            strict: Some(Code::MissingKey),
            ..row("sink without channel (wrote channels)", SMALL)
        },
        Row {
            without: &["a1.sinks.k1.channel"],
            with: &["a1.sinks.k1.channel = c9"],
            runs: "r1>c1 | c1 | ",
            strict: Some(Code::UnknownChannel),
            ..row("sink with an unknown channel", SMALL)
        },
        Row {
            without: &["a1.sinks.k1.type", "a1.sinks.k1.channel"],
            runs: "r1>c1 | c1 | ",
            strict: Some(Code::NotDescribed),
            lenient: Code::NotDescribed,
            ..row("sink listed without any property", SMALL)
        },
        Row {
            without: &["a1.sinks.k1.type"],
            runs: "r1>c1 | c1 | ",
            strict: Some(Code::MissingKey),
            ..row("sink without type", SMALL)
        },
    ]
}

/// What is dropped when components are made.
fn loading() -> Vec<Row> {
    vec![
        Row {
            without: &["a1.sources.r1.bind"],
            runs: " | c1 | k1<c1",
            strict: Some(Code::MissingKey),
            ..row("source required key missing", SMALL)
        },
        Row {
            without: &["a1.sources.r1.type"],
            with: &["a1.sources.r1.type = netcta"],
            strict: Some(Code::UnknownType),
            lenient: Code::NothingRuns,
            ..row("unknown source type", SMALL)
        },
        Row {
            without: &["a1.sinks.k1.type"],
            with: &["a1.sinks.k1.type = nul"],
            strict: Some(Code::UnknownType),
            lenient: Code::NothingRuns,
            ..row("unknown sink type", SMALL)
        },
        Row {
            without: &["a1.channels.c1.type"],
            with: &["a1.channels.c1.type = memry"],
            strict: Some(Code::UnknownType),
            lenient: Code::NothingRuns,
            ..row("unknown channel type", SMALL)
        },
        Row {
            with: &[
                "a1.sources.r1.interceptors = i1",
                "a1.sources.r1.interceptors.i1.type = tmestamp",
            ],
            runs: " | c1 | k1<c1",
            strict: Some(Code::UnknownType),
            ..row("bad interceptor type", SMALL)
        },
        Row {
            with: &["a1.sources.r1.interceptors = i1"],
            runs: " | c1 | k1<c1",
            strict: Some(Code::MissingKey),
            ..row("interceptor without type", SMALL)
        },
        Row {
            with: &["a1.channels.c1.capacity = 10"],
            strict: Some(Code::OutOfRange),
            lenient: Code::NothingRuns,
            ..row("capacity=10 alone", SMALL)
        },
        Row {
            with: &["a1.channels.c1.capacity = abc"],
            runs: "r1>c1 | c1 | k1<c1",
            strict: Some(Code::BadValue),
            lenient: Code::BadValue,
            ..row("capacity=abc", SMALL)
        },
        Row {
            without: &["a1.sources.r1.port"],
            with: &["a1.sources.r1.port = abc"],
            runs: " | c1 | k1<c1",
            strict: Some(Code::BadValue),
            ..row("port=abc", SMALL)
        },
    ]
}

fn groups() -> Vec<Row> {
    const TYPE: &[&str] = &["a1.sinkgroups.g1.processor.type"];
    const FILLS: &str = "r1>c1 | c1 | ";
    vec![
        Row {
            with: &["a1.sinks.k2.batchSize = 0"],
            strict: Some(Code::OutOfRange),
            lenient: Code::NothingRuns,
            ..row("two sinks in a group, one fails configure", GROUP)
        },
        Row {
            without: &["a1.sinks.k2.channel"],
            runs: FILLS,
            strict: Some(Code::MissingKey),
            ..row("load_balance left with one valid sink", GROUP)
        },
        Row {
            without: &["a1.sinkgroups.g1.sinks"],
            strict: Some(Code::MissingKey),
            lenient: Code::NothingRuns,
            ..row("group without sinks key", GROUP)
        },
        Row {
            without: TYPE,
            runs: FILLS,
            strict: Some(Code::MissingKey),
            ..row("no processor.type", GROUP)
        },
        Row {
            without: TYPE,
            with: &["a1.sinkgroups.g1.processor.type = failovr"],
            runs: FILLS,
            strict: Some(Code::UnknownType),
            ..row("unknown processor.type", GROUP)
        },
        Row {
            without: TYPE,
            with: &["a1.sinkgroups.g1.processor.type = default"],
            runs: FILLS,
            strict: Some(Code::GroupSize),
            ..row("processor.type = default with two sinks", GROUP)
        },
        Row {
            with: &["a1.sinkgroups.g1.processor.selector = com.example.Mine"],
            runs: FILLS,
            strict: Some(Code::UnknownType),
            ..row("custom selector class not found", GROUP)
        },
        Row {
            with: &["a1.sinkgroups.g1.processor.selector.maxTimeOut = abc"],
            runs: FILLS,
            strict: Some(Code::BadValue),
            ..row("selector.maxTimeOut=abc", GROUP)
        },
        Row {
            without: TYPE,
            with: &[
                "a1.sinkgroups.g1.processor.type = org.apache.flume.sink.FailoverSinkProcessor",
            ],
            runs: "r1>c1 | c1 | g1(k1<c1 k2<c1)",
            ..row("processor type given as class name", GROUP)
        },
        Row {
            without: &["a1.sinks", "a1.sinkgroups"],
            with: &[
                "a1.sinks = k1 k2 k3",
                "a1.sinks.k3.type = null",
                "a1.sinks.k3.channel = c1",
                "a1.sinkgroups = g1 g2 g3",
                "a1.sinkgroups.g2.sinks = k2 k3",
                "a1.sinkgroups.g2.processor.type = failover",
                "a1.sinkgroups.g3.sinks = k1",
                "a1.sinkgroups.g3.processor.type = failover",
            ],
            runs: "r1>c1 | c1 | g1(k1<c1 k2<c1) g2(k3<c1)",
            strict: Some(Code::GroupedTwice),
            lenient: Code::GroupedTwice,
            ..row("sink used in two groups", GROUP)
        },
        Row {
            without: &[
                "a1.sinks",
                "a1.sinkgroups",
                "a1.sinkgroups.g1.sinks",
                "a1.sinkgroups.g1.processor.type",
            ],
            with: &[
                "a1.sinks = k1 k2 k3",
                "a1.sinks.k3.type = null",
                "a1.sinks.k3.channel = c1",
                "a1.sinkgroups = k3",
                "a1.sinkgroups.k3.sinks = k1 k2",
                "a1.sinkgroups.k3.processor.type = load_balance",
            ],
            runs: "r1>c1 | c1 | k3(k1<c1 k2<c1)",
            strict: Some(Code::NameClash),
            lenient: Code::NameClash,
            ..row("standalone sink with the name of a group", GROUP)
        },
        Row {
            without: TYPE,
            with: &[
                "a1.sinkgroups.g1.processor.type = failover",
                "a1.sinkgroups.g1.processor.priority.k1 = 5",
                "a1.sinkgroups.g1.processor.priority.k2 = 5",
            ],
            runs: "r1>c1 | c1 | g1(k1<c1 k2<c1)",
            lenient: Code::EqualPriorities,
            ..row("two failover sinks with equal priority", GROUP)
        },
    ]
}

fn structure() -> Vec<Row> {
    vec![
        Row {
            with: &["a1.chanels.c1.x = y"],
            runs: "r1>c1 | c1 | k1<c1",
            strict: Some(Code::InvalidKey),
            lenient: Code::InvalidKey,
            ..row("typo in a kind", SMALL)
        },
        Row {
            without: &["a1.sinks", "a1.sinks.k1.type", "a1.sinks.k1.channel"],
            runs: "r1>c1 | c1 | ",
            lenient: Code::UndrainedChannel,
            ..row("sources only", SMALL)
        },
        Row {
            without: &[
                "a1.sources",
                "a1.sources.r1.type",
                "a1.sources.r1.bind",
                "a1.sources.r1.port",
                "a1.sources.r1.channels",
            ],
            runs: " | c1 | k1<c1",
            lenient: Code::UnfilledChannel,
            ..row("sinks only", SMALL)
        },
        Row {
            without: &["a1.channels"],
            with: &["a1.channels = c1 c2", "a1.channels.c2.type = memory"],
            runs: "r1>c1 | c1 | k1<c1",
            strict: Some(Code::UnusedChannel),
            lenient: Code::UnusedChannel,
            ..row("channel not connected to anything", SMALL)
        },
    ]
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

/// Flume: TestPropertiesFileConfigurationProvider.testPropertyRead (G6). Its errors are recorded
/// without places; each has its counterpart here.
#[test]
fn five_hosts_in_one_file() {
    let host1 = SMALL.replace("a1.", "host1.");
    let text = format!(
        "{host1}\
         host2.sources = src1\nhost2.sinks = k1\n\
         host2.sources.src1.type = seq\nhost2.sources.src1.channels = ch1\n\
         host2.sinks.k1.type = null\nhost2.sinks.k1.channel = ch1\n\
         host3.sources = src1\nhost3.channels = ch1 ch2\nhost3.sinks = k1\n\
         host3.sources.src1.type = seq\nhost3.sources.src1.channels = ch1\n\
         host3.channels.ch2.capacity = 100\nhost3.channels.ch3.type = memory\n\
         host3.sinks.k1.type = null\nhost3.sinks.k1.channel = ch1\n\
         host4.sources = src1 src2\nhost4.channels = ch1 ch2\n\
         host4.sources.src1.type = seq\nhost4.sources.src1.channels = ch1\n\
         host4.channels.ch2.type = memory\n\
         host5.sources = src1\nhost5.channels = ch1\nhost5.sinks = sink1 sink2 sink3\n\
         host5.sinkgroups = grp1\n\
         host5.sources.src1.type = seq\nhost5.sources.src1.channels = ch1\n\
         host5.channels.ch1.type = memory\n\
         host5.sinks.sink1.type = null\nhost5.sinks.sink1.channel = ch1\n\
         host5.sinks.sink2.type = null\nhost5.sinks.sink2.channel = ch1\n\
         host5.sinkgroups.grp1.sinks = sink1 sink2 sink3\n\
         host5.sinkgroups.grp1.processor.type = load_balance\n"
    );
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
