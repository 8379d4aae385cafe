//! When the channels of a group are one.

use super::*;

/// A failover group over two channels that one source fills.
const MIRRORED: &str = "\
a1.sources = r1
a1.channels = c1 c2
a1.sinks = k1 k2
a1.sinkgroups = g1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1 c2
a1.channels.c1.type = memory
a1.channels.c2.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = null
a1.sinks.k2.channel = c2
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = failover
";

const R2: [&str; 5] = [
    "a1.sources = r1 r2",
    "a1.sources.r2.type = netcat",
    "a1.sources.r2.bind = 127.0.0.1",
    "a1.sources.r2.port = 44445",
    "a1.sources.r2.channels = c2 c1",
];

fn found(text: &str) -> (String, Vec<(Code, Severity)>, String) {
    let loaded = load(text, Mode::Strict);
    assert!(!loaded.has_errors(), "{}", rendered(&loaded));
    let found = loaded
        .diagnostics
        .iter()
        .map(|found| (found.code, found.severity))
        .collect();
    (running(&loaded.plans[0]), found, rendered(&loaded))
}

#[test]
fn mirrors_become_one_channel_with_several_names() {
    let note = vec![(Code::MirroredChannels, Severity::Note)];
    let (plan, codes, text) = found(MIRRORED);
    assert_eq!(plan, "r1>c1,c2 | c1=c2 | g1(k1<c1 k2<c2)");
    assert_eq!(codes, note);
    assert!(
        text.contains("all events of `r1` go into each of them"),
        "{text}"
    );

    let (plan, codes, text) = found(&edited(MIRRORED, &["a1.sources"], &R2));
    assert_eq!(plan, "r1>c1,c2 r2>c2,c1 | c1=c2 | g1(k1<c1 k2<c2)");
    assert_eq!(codes, note);
    assert!(text.contains("all events of `r1` and `r2`"), "{text}");

    let third = [
        "a1.sinks = k1 k2 k3",
        "a1.sinks.k3.type = null",
        "a1.sinks.k3.channel = c1",
        "a1.sinkgroups.g1.sinks = k1 k2 k3",
    ];
    let (plan, codes, _) = found(&edited(
        MIRRORED,
        &["a1.sinks", "a1.sinkgroups.g1.sinks"],
        &third,
    ));
    assert_eq!(plan, "r1>c1,c2 | c1=c2 | g1(k1<c1 k2<c2 k3<c1)");
    assert_eq!(codes, note);
}

#[test]
fn a_mirror_has_the_narrowest_limits() {
    let text = edited(
        MIRRORED,
        &[],
        &[
            "a1.channels.c1.capacity = 1000",
            "a1.channels.c1.transactionCapacity = 10",
            "a1.channels.c1.byteCapacity = 10000",
            "a1.channels.c2.capacity = 200",
            "a1.channels.c2.keep-alive = 7",
            "a1.channels.c2.byteCapacity = 20000",
            "a1.channels.c2.byteCapacityBufferPercentage = 90",
            "a1.sinks.k1.batchSize = 10",
            "a1.sinks.k2.batchSize = 10",
        ],
    );
    let expected = MemoryConfig {
        capacity: 200,
        transaction_capacity: 10,
        keep_alive: Duration::from_secs(7),
        byte_capacity: 20_000,
        buffer_percentage: 90,
    };
    let channels = plan(&text).channels;
    let merged: Option<&MemoryConfig> = channels[0].recipe.downcast_ref();
    assert_eq!(merged, Some(&expected));
}

/// Every condition, with the words that explain it.
#[test]
fn what_is_no_mirror_is_explained() {
    let separate = (Code::SeparateChannels, Severity::Warning);
    let cases: [(&str, &[&str], &[&str], &str); 6] = [
        (
            "load balancing",
            &["a1.sinkgroups.g1.processor.type"],
            &["a1.sinkgroups.g1.processor.type = load_balance"],
            "drained only by the sinks that name it",
        ),
        (
            "another source fills one of them",
            &["a1.sources", "a1.sources.r2.channels"],
            &[&R2[..4], &["a1.sources.r2.channels = c2"]].concat(),
            "`c1` and `c2` are not filled by the same sources",
        ),
        (
            "an optional channel",
            &[],
            &["a1.sources.r1.selector.optional = c2"],
            "source `r1` does not require all of them for every event",
        ),
        (
            "a multiplexing selector",
            &[],
            &[
                "a1.sources.r1.selector.type = multiplexing",
                "a1.sources.r1.selector.header = h",
                "a1.sources.r1.selector.mapping.x = c1",
                "a1.sources.r1.selector.default = c2",
            ],
            "source `r1` does not require all of them for every event",
        ),
        (
            "a sink outside of the group",
            &["a1.sinks"],
            &[
                "a1.sinks = k1 k2 k3",
                "a1.sinks.k3.type = null",
                "a1.sinks.k3.channel = c2",
            ],
            "sink `k3`, outside of the group, drains `c2` too",
        ),
        (
            "no source",
            &[
                "a1.sources",
                "a1.sources.r1.type",
                "a1.sources.r1.bind",
                "a1.sources.r1.port",
                "a1.sources.r1.channels",
            ],
            &[],
            "no source fills them",
        ),
    ];
    for (case, without, with, why) in cases {
        let (plan, codes, text) = found(&edited(MIRRORED, without, with));
        assert!(plan.contains("| c1 c2 |"), "{case}: {plan}");
        assert!(codes.contains(&separate), "{case}: {codes:?}");
        assert!(text.contains(why), "{case}: {text}");
    }
}

#[test]
fn mirrors_can_be_kept_apart() {
    let apart = ["a1.sinkgroups.g1.processor.mirrored = false"];
    let (plan, codes, text) = found(&edited(MIRRORED, &[], &apart));
    assert_eq!(plan, "r1>c1,c2 | c1 c2 | g1(k1<c1 k2<c2)");
    assert_eq!(codes, [(Code::SeparateChannels, Severity::Note)]);
    assert!(text.contains("the standby's fills up"), "{text}");
    let loaded = load(
        &edited(
            MIRRORED,
            &[],
            &["a1.sinkgroups.g1.processor.mirrored = yes"],
        ),
        Mode::Strict,
    );
    assert_eq!(codes_of_errors(&loaded), [Code::BadValue]);
}

fn codes_of_errors(loaded: &Loaded) -> Vec<Code> {
    let errors = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors.map(|found| found.code).collect()
}

/// The two files that came with the assignment, as they are.
#[test]
fn the_seed_files_run_as_they_are() {
    let seeds = [
        (
            include_str!("../../../../../tests/data/seed-failover.properties"),
            "r1>c1,c2 | c1=c2 | g1(s1<c1 s2<c2)",
            vec![(Code::MirroredChannels, Severity::Note)],
        ),
        (
            include_str!("../../../../../tests/data/seed-load-balance.properties"),
            "r1>c1 | c1 | g1(s1<c1 s2<c1)",
            vec![],
        ),
    ];
    for (text, expected, notes) in seeds {
        let (plan, codes, _) = found(text);
        assert_eq!((plan.as_str(), codes), (expected, notes));
    }
}

#[test]
fn file_names_are_part_of_a_finding() {
    let loaded = load(MIRRORED, Mode::Strict);
    let SourceFile { path, .. } = &loaded.file;
    assert!(
        rendered(&loaded).contains(&format!("--> {path}:4:")),
        "{}",
        rendered(&loaded)
    );
}
