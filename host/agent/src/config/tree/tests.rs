//! Keys become components, and keys of no known shape become findings.

use super::*;
use crate::config::properties;

fn tree(text: &str, names: &[&str], mode: Mode) -> (Vec<AgentTree>, Vec<Diagnostic>) {
    let (properties, found) = properties::parse(text);
    assert_eq!(found, []);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    build(properties, &names, mode)
}

fn codes(text: &str) -> Vec<Code> {
    let (_, found) = tree(text, &[], Mode::Strict);
    found.into_iter().map(|finding| finding.code).collect()
}

/// Flume: TestPropertiesFileConfigurationProvider.testPropertyRead (G6), the names of host1.
#[test]
fn components_are_sorted_into_their_agent() {
    let text = "host1.sources = source1\nhost1.channels = channel1\nhost1.sinks = sink1\n\
                host1.sources.source1.type = seq\nhost1.channels.channel1.type = memory\n\
                host1.sinks.sink1.type = null\nhost1.sinks.sink1.a.b.c = d\n";
    let (trees, found) = tree(text, &[], Mode::Strict);
    assert_eq!(found, []);
    let [host] = trees.as_slice() else {
        panic!("{trees:?}")
    };
    let names = |kind: &KindTree| -> Vec<String> {
        kind.described
            .iter()
            .map(|node| node.name.clone())
            .collect()
    };
    assert_eq!(host.name, "host1");
    assert_eq!(names(&host.sources), ["source1"]);
    assert_eq!(names(&host.channels), ["channel1"]);
    assert_eq!(names(&host.sinks), ["sink1"]);
    assert_eq!(host.sinks.described[0].text("a.b.c"), "d");
    assert_eq!(host.sinkgroups, KindTree::default());
}

#[test]
fn keys_have_one_of_two_shapes() {
    for key in [
        "a1",
        "a1.chanels",
        "a1.chanels.c1.type",
        "a1.sources.r1",
        ".sources",
        "a1.sinks..x",
    ] {
        assert_eq!(codes(&format!("{key} = x")), [Code::InvalidKey], "{key}");
    }
    assert_eq!(codes("a1.configfilters = x"), [Code::Unsupported]);
    assert_eq!(codes("a1.sources =\n"), [Code::EmptyValue]);
}

/// Flume ignores what belongs to nothing, so only what was meant for an agent is an error.
#[test]
fn a_key_of_no_shape_is_an_error_if_one_was_meant() {
    use flume_core::Severity::{Error, Warning};
    for (key, severity) in [
        ("a1.chanels.c1.type", Error),
        ("a1.sources.r1", Error),
        ("a1.sinks..x", Error),
        ("sources", Error),
        (".sources", Error),
        ("sources.r1.type", Error),
        ("channel", Error),
        ("prose", Warning),
        ("a1", Warning),
        ("log4j.rootLogger", Warning),
        ("a1.monitoring.port", Warning),
        ("a1..", Warning),
    ] {
        let (_, found) = tree(&format!("{key} = x"), &[], Mode::Strict);
        let found: Vec<_> = found.iter().map(|f| (f.code, f.severity)).collect();
        assert_eq!(found, [(Code::InvalidKey, severity)], "{key}");
    }
}

/// One mistake is one finding, and the names are read as meant.
#[test]
fn names_are_separated_by_blanks() {
    let text = "a1.sinks = k1,k2 , k3\na1.sinks.k1.type = null\na1.sinks.k2.type = null\n\
                a1.sinks.k3.type = null\na1.sources = r1\na1.sources.r1.channels = c1, c2\n";
    let (trees, found) = tree(text, &[], Mode::Strict);
    let codes: Vec<Code> = found.iter().map(|found| found.code).collect();
    assert_eq!(codes, [Code::BadValue, Code::BadValue]);
    assert_eq!(
        found[0].help.as_deref(),
        Some("write `a1.sinks = k1 k2 k3`")
    );
    let words = &trees[0].sinks.list.as_ref().unwrap().words;
    let places: Vec<&str> = words
        .iter()
        .map(|w| text.get(w.span.start..w.span.end).unwrap())
        .collect();
    assert_eq!(places, ["k1", "k2", "k3"]);
    assert_eq!(trees[0].sources.described[0].words("channels"), 2);
    // In Flume the names are `k1,k2`, `,` and `k3`.
    let (trees, _) = tree(text, &[], Mode::Lenient);
    assert_eq!(trees[0].sinks.listed().len(), 3);
    assert!(trees[0].sinks.lists("k1,k2"));
}

#[test]
fn a_group_in_the_list_of_sinks_is_told_so() {
    let text = "a1.sinks = k1 g1\na1.sinks.k1.type = null\na1.sinkgroups = g1\n\
                a1.sinkgroups.g1.sinks = k1\n";
    let (_, found) = tree(text, &[], Mode::Strict);
    assert!(
        found[0]
            .help
            .as_ref()
            .unwrap()
            .contains("`g1` is a sink group")
    );
}

/// Many files choose by the list what runs.
#[test]
fn a_list_is_a_choice_if_it_names_what_is_there() {
    use flume_core::Severity::{Error, Warning};
    let one = "a1.sinks.k1.type = null\n";
    for (text, expected) in [
        (
            "a1.sinks = k1\na1.sinks.spare.type = null",
            vec![(Code::NotListed, Warning)],
        ),
        ("a1.sinks = k1 spare", vec![(Code::NotDescribed, Warning)]),
        ("", vec![(Code::NotListed, Error)]),
        (
            "a1.sinks = spare",
            vec![(Code::NotDescribed, Error), (Code::NotListed, Error)],
        ),
        (
            "a1.sinks = k1 collector1\na1.sinks.colector1.type = null",
            vec![(Code::NotDescribed, Error), (Code::NotListed, Error)],
        ),
    ] {
        let (_, found) = tree(&format!("{one}{text}"), &[], Mode::Strict);
        let found: Vec<_> = found.iter().map(|f| (f.code, f.severity)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

/// Java keeps the last of a duplicate key, and Flume drops it if it is empty.
#[test]
fn the_last_of_duplicate_keys_counts() {
    let text = "a1.sources = r1\na1.sources.r1.type = seq\na1.sources.r1.type = netcat\n\
                a1.sources.r1.port = 1\na1.sources.r1.port =\n";
    let (trees, found) = tree(text, &[], Mode::Lenient);
    assert_eq!(trees[0].sources.described[0].text("type"), "netcat");
    assert_eq!(trees[0].sources.described[0].text("port"), "");
    let found: Vec<_> = found
        .iter()
        .map(|finding| (finding.code, finding.severity))
        .collect();
    let warning = flume_core::Severity::Warning;
    assert_eq!(
        found,
        [
            (Code::DuplicateKey, warning),
            (Code::DuplicateKey, warning),
            (Code::EmptyValue, warning)
        ]
    );
}

#[test]
fn lists_and_descriptions_are_compared() {
    assert_eq!(codes("a1.sinks = k1"), [Code::NotDescribed]);
    assert_eq!(codes("a1.sinks.k1.type = null"), [Code::NotListed]);
    assert_eq!(
        codes("a1.sinks = k1 k1\na1.sinks.k1.type = null"),
        [Code::DuplicateName]
    );
    // The plan reports that a list of channels is missing.
    assert_eq!(codes("a1.channels.c1.type = memory"), []);
    let (_, found) = tree(
        "a1.sinks = logger\na1.sinks.loger.type = x",
        &[],
        Mode::Strict,
    );
    assert_eq!(found[0].help.as_deref(), Some("did you mean `loger`?"));
    assert_eq!(found[1].help.as_deref(), Some("did you mean `logger`?"));
}

#[test]
fn only_the_requested_agents_are_checked() {
    let text = "a1.sinks = k1\na1.sinks.k1.type = null\nb1.sinks = x\nb1.oops = y\noops = z\n";
    let (trees, found) = tree(text, &["a1"], Mode::Strict);
    assert_eq!(
        trees
            .iter()
            .map(|tree| tree.name.as_str())
            .collect::<Vec<_>>(),
        ["a1"]
    );
    assert_eq!(
        found.iter().map(|f| f.code).collect::<Vec<_>>(),
        [Code::InvalidKey]
    );
    let (trees, found) = tree(text, &["a1", "a2", "a1"], Mode::Strict);
    assert_eq!(trees.len(), 1);
    assert_eq!(found[0].code, Code::UnknownAgent);
    assert!(found[0].help.as_ref().unwrap().contains("`a1`, `b1`"));
}
