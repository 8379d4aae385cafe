//! Spares of failover groups: sinks of type `channel`.

use super::*;

/// `k9` is the spare of `g1`, and puts events into `spill`.
const SPARED: &str = "\
a1.sources = r1
a1.channels = c1 spill
a1.sinks = k1 k9
a1.sinkgroups = g1
a1.sources.r1.type = seq
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.spill.type = file
a1.channels.spill.dataDirs = /nowhere/data
a1.channels.spill.checkpointDir = /nowhere/checkpoint
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k9.type = channel
a1.sinks.k9.channel = c1
a1.sinks.k9.to = spill
a1.sinkgroups.g1.sinks = k1 k9
a1.sinkgroups.g1.processor.type = failover
";

/// A second sink that delivers.
const K2: [&str; 2] = ["a1.sinks.k2.type = null", "a1.sinks.k2.channel = c1"];

fn without(keys: &[&str], with: &[&str]) -> String {
    edited(SPARED, keys, with)
}

/// The code and the message of the only finding, in both modes.
fn refused(text: &str) -> (Code, String) {
    for mode in [Mode::Lenient, Mode::Strict] {
        let loaded = load(text, mode);
        assert!(loaded.plans.is_empty(), "{mode:?}: it does not run");
        let spares = loaded.diagnostics.iter().filter(|f| f.code == Code::Spare);
        let spares: Vec<_> = spares.collect();
        assert_eq!(spares.len(), 1, "{}", rendered(&loaded));
        if mode == Mode::Strict {
            return (spares[0].code, spares[0].message.clone());
        }
    }
    unreachable!("both modes were tried")
}

fn assert_refused(text: &str, words: &str) {
    let (_, message) = refused(text);
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_spare_is_part_of_the_plan() {
    let loaded = load(SPARED, Mode::Strict);
    assert_eq!(codes(&loaded), [], "{}", rendered(&loaded));
    let plan = &loaded.plans[0];
    assert_eq!(running(plan), "r1>c1 | c1 spill | g1(k1<c1 k9<c1)");
    let (at, spare, outlet) = plan.groups[0].spare().unwrap();
    assert_eq!((at, spare.component.name.as_str()), (1, "k9"));
    assert_eq!(
        (outlet.to.as_str(), outlet.share.fraction()),
        ("spill", 0.25)
    );
}

#[test]
fn a_spill_in_memory_is_warned_of() {
    let text = without(
        &[
            "a1.channels.spill.type",
            "a1.channels.spill.dataDirs",
            "a1.channels.spill.checkpointDir",
        ],
        &["a1.channels.spill.type = memory"],
    );
    let loaded = load(&text, Mode::Strict);
    assert_eq!(codes(&loaded), [Code::VolatileSpare]);
    assert_eq!(loaded.plans.len(), 1, "it runs");
}

#[test]
fn a_spare_comes_last() {
    let group = "a1.sinkgroups.g1.processor";
    let priorities = |k1: &str, k9: &str| {
        let keys = [("k1", k1), ("k9", k9)]
            .into_iter()
            .filter(|(_, priority)| !priority.is_empty());
        let keys: Vec<String> = keys
            .map(|(sink, priority)| format!("{group}.priority.{sink} = {priority}"))
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        without(&[], &keys)
    };
    for (k1, k9) in [("10", "5"), ("10", ""), ("-7", ""), ("", "-9"), ("", "")] {
        let loaded = load(&priorities(k1, k9), Mode::Strict);
        assert_eq!(codes(&loaded), [], "{}", rendered(&loaded));
        let processor = loaded.plans[0].groups[0].processor.processor.make();
        let states = processor.states(flume_core::clock::now());
        assert_eq!(states[0], flume_core::SinkState::Active, "{k1} {k9}");
    }
    for (k1, k9) in [("5", "10"), ("5", "5"), ("", "3"), ("-2147483648", "")] {
        assert_refused(&priorities(k1, k9), "the spare has to come last");
    }
}

#[test]
fn only_a_failover_group_with_other_sinks_has_a_spare() {
    let group = "a1.sinkgroups.g1.processor.type";
    let balanced = [
        &K2[..],
        &[
            "a1.sinks = k1 k2 k9",
            "a1.sinkgroups.g1.sinks = k1 k2 k9",
            "a1.sinkgroups.g1.processor.type = load_balance",
        ],
    ]
    .concat();
    let text = without(&["a1.sinks", "a1.sinkgroups.g1.sinks", group], &balanced);
    assert_refused(
        &text,
        "only a group of type `failover` has a spare, not `load_balance`",
    );
    let alone = ["a1.sinkgroups.g1.sinks = k9"];
    let text = without(&["a1.sinkgroups.g1.sinks"], &alone);
    assert_refused(&text, "is the only sink of `g1`");
    let text = without(&["a1.sinkgroups", "a1.sinkgroups.g1.sinks", group], &[]);
    assert_refused(&text, "is in no group");
    let two = [
        "a1.channels = c1 c2 spill",
        "a1.channels.c2.type = memory",
        "a1.sources.r1.channels = c1 c2",
        "a1.sinks.k9.channel = c2",
    ];
    let text = without(
        &[
            "a1.channels",
            "a1.sources.r1.channels",
            "a1.sinks.k9.channel",
        ],
        &two,
    );
    assert_refused(&text, "drains `c2`, and `k1` of its group drains `c1`");
}

#[test]
fn a_group_has_one_spare() {
    let two = [
        "a1.channels = c1 spill other",
        "a1.channels.other.type = memory",
        "a1.sinks = k1 k8 k9",
        "a1.sinks.k8.type = channel",
        "a1.sinks.k8.channel = c1",
        "a1.sinks.k8.to = other",
        "a1.sinkgroups.g1.sinks = k1 k8 k9",
    ];
    let text = without(&["a1.channels", "a1.sinks", "a1.sinkgroups.g1.sinks"], &two);
    let loaded = load(&text, Mode::Strict);
    assert!(loaded.plans.is_empty());
    let found = rendered(&loaded);
    assert!(found.contains("are both spares of `g1`"), "{found}");
}

#[test]
fn a_spare_has_its_channel_for_itself() {
    let own = ["a1.sinks.k9.to = c1"];
    assert_refused(
        &without(&["a1.sinks.k9.to"], &own),
        "`to` is its own `channel`",
    );
    let fed = ["a1.sources.r1.channels = c1 spill"];
    assert_refused(
        &without(&["a1.sources.r1.channels"], &fed),
        "`r1` puts events there too",
    );
    let drained = [
        "a1.sinks = k1 k2 k9",
        "a1.sinks.k2.type = null",
        "a1.sinks.k2.channel = spill",
    ];
    assert_refused(&without(&["a1.sinks"], &drained), "`k2` drains it");
    let letters = ["a1.sinks.k1.on-error = dead-letter:spill"];
    assert_refused(&without(&[], &letters), "`k1` puts dead letters there");
}

#[test]
fn the_channel_of_a_spare_has_to_be_there() {
    let text = without(&["a1.sinks.k9.to"], &["a1.sinks.k9.to = spil"]);
    let loaded = load(&text, Mode::Strict);
    assert!(codes(&loaded).contains(&Code::UnknownChannel));
    let found = rendered(&loaded);
    assert!(
        found.contains("`a1.sinks.k9.to` names the channel `spil`"),
        "{found}"
    );
    assert!(found.contains("did you mean `spill`?"), "{found}");
    for mode in [Mode::Strict, Mode::Lenient] {
        assert!(load(&text, mode).plans.is_empty(), "{mode:?}");
    }
}
