//! `on-error` of sinks in plans.

use super::*;

/// `k1` with dead letters in `c9`, which `k9` drains, with these lines more.
fn text(on_error: &str, more: &[&str]) -> String {
    let on_error = format!("a1.sinks.k1.on-error = {on_error}");
    let lines = [
        "a1.channels = c1 c9",
        "a1.channels.c9.type = memory",
        "a1.sinks = k1 k9",
        "a1.sinks.k9.type = null",
        "a1.sinks.k9.channel = c9",
        &on_error,
    ];
    edited(
        SMALL,
        &["a1.channels", "a1.sinks"],
        &[&lines, more].concat(),
    )
}

fn loaded(text: &str) -> Loaded {
    let path = "test.properties".to_owned();
    compile(
        path,
        text.into(),
        &Options::default(),
        &services(0),
        &|_| None,
    )
}

/// What is found, in one text.
fn found(text: &str) -> String {
    rendered(&loaded(text))
}

fn on_error(text: &str) -> OnError {
    let mut loaded = loaded(text);
    assert!(loaded.diagnostics.is_empty(), "{}", rendered(&loaded));
    loaded
        .plans
        .remove(0)
        .groups
        .remove(0)
        .sinks
        .remove(0)
        .on_error
}

#[test]
fn a_sink_says_what_becomes_of_events_that_it_cannot_deliver() {
    assert_eq!(on_error(SMALL), OnError::Retry);
    for (word, meant) in [
        ("dead-letter:c9", OnError::DeadLetter("c9".to_owned())),
        ("drop", OnError::Drop),
        ("retry", OnError::Retry),
    ] {
        let text = match meant {
            OnError::DeadLetter(_) => text(word, &[]),
            _ => edited(SMALL, &[], &[&format!("a1.sinks.k1.on-error = {word}")]),
        };
        assert_eq!(on_error(&text), meant);
    }
}

#[test]
fn a_plan_differs_by_what_becomes_of_events() {
    let [one, other] =
        ["dead-letter:c9", "drop"].map(|word| loaded(&text(word, &[])).plans.remove(0));
    let changes = changes::between(&one, &other);
    assert_eq!(changes, ["sink k1: on-error"]);
    assert!(one.channels.iter().any(|channel| channel.names == ["c9"]));
}

#[test]
fn what_on_error_cannot_mean_is_an_error() {
    for (word, part) in [
        ("pass", "one of `retry`, `drop` and `dead-letter:<channel>`"),
        ("dead-letter:", "cannot be `dead-letter:`"),
        ("dead-letter:c1", "names the sink's own channel"),
        (
            "dead-letter:c8",
            "names the channel `c8`, which is not listed",
        ),
    ] {
        let text = text(word, &[]);
        assert!(loaded(&text).has_errors(), "{word}");
        let found = found(&text);
        assert!(found.contains(part), "{word}: {found}");
    }
}

#[test]
fn dead_letters_must_not_come_back() {
    let direct = text("dead-letter:c9", &["a1.sinks.k9.on-error = dead-letter:c1"]);
    assert!(loaded(&direct).has_errors());
    let found = found(&direct);
    assert!(
        found.contains("dead letters of `a1.sinks.k1` come back"),
        "{found}"
    );
    let onward = text("dead-letter:c9", &["a1.sinks.k9.on-error = drop"]);
    assert!(!loaded(&onward).has_errors());
}

#[test]
fn a_channel_for_dead_letters_needs_a_sink() {
    let none = edited(
        SMALL,
        &["a1.channels"],
        &[
            "a1.channels = c1 c9",
            "a1.channels.c9.type = memory",
            "a1.sinks.k1.on-error = dead-letter:c9",
        ],
    );
    assert!(!loaded(&none).has_errors());
    let found = found(&none);
    assert!(found.contains("no sink drains channel `c9`"), "{found}");
}

/// A kafka source with a channel for records that are no events.
fn kafka(on_error: &str) -> String {
    let own = [
        "a1.sources.r1.kafka.bootstrap.servers = localhost:9092",
        "a1.sources.r1.kafka.topics = t",
    ];
    let on_error = format!("a1.sources.r1.on-error = {on_error}");
    let lines = [
        "a1.sources = r1",
        "a1.channels = c1 c9",
        "a1.sinks = k1 k9",
        "a1.sources.r1.type = kafka",
        "a1.sources.r1.channels = c1",
        "a1.channels.c1.type = memory",
        "a1.channels.c9.type = memory",
        "a1.sinks.k1.type = null",
        "a1.sinks.k1.channel = c1",
        "a1.sinks.k9.type = null",
        "a1.sinks.k9.channel = c9",
        &on_error,
    ];
    let lines = lines.iter().chain(&own);
    lines.copied().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_source_has_a_channel_for_what_is_no_event() {
    let good = loaded(&kafka("dead-letter:c9"));
    assert!(good.diagnostics.is_empty(), "{}", rendered(&good));
    let source = &good.plans[0].sources[0];
    assert_eq!(source.targets().collect::<Vec<_>>(), ["c1", "c9"]);
    for (on_error, code) in [
        ("dead-letter:c7", Code::UnknownChannel),
        ("retry", Code::BadValue),
    ] {
        let bad = loaded(&kafka(on_error));
        assert!(bad.plans.is_empty(), "{on_error}");
        assert!(codes(&bad).contains(&code), "{}", rendered(&bad));
    }
}
