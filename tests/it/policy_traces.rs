//! Goal: the recorded input and answers of a running group's selector can be replayed, with the
//! same policy without a difference; and a shadow candidate is counted and changes nothing. Method:
//! netcat into two weighted null sinks in a real process; the trace is replayed by the command.

use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, host, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: u64 = 400;

/// The exit status for a wrong configuration.
const EXIT_CONFIG: i32 = 78;

fn guest(name: &str) -> String {
    flume_artifacts::shipped(name).display().to_string()
}

/// netcat → memory → two null sinks in a balanced group that the weighted policy orders 3:1.
fn weighted(input: u16, more: &[(&str, &str)]) -> String {
    let mut file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .weighted_group(&guest("weighted"));
    for (key, value) in more {
        file = file.set(&format!("sinkgroups.g1.processor.{key}"), value);
    }
    file.text()
}

/// Sends the events and waits until the sinks have them; returns how many each has.
fn delivered(host: &Host, input: u16) -> [u64; 2] {
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    eventually("all events delivered", PATIENCE, || {
        let shares =
            ["SINK.k1", "SINK.k2"].map(|sink| host.counter(sink, "EventDrainSuccessCount"));
        (shares.iter().sum::<u64>() == EVENTS).then_some(shares)
    })
}

fn group(host: &Host) -> Value {
    let (_, text) = host.page("/groups").expect("an answer");
    let groups: Value = serde_json::from_str(&text).expect("JSON");
    groups["a1"]["g1"].clone()
}

#[test]
fn a_recorded_group_is_replayed() {
    let scratch = Scratch::new();
    let input = ports::free();
    let trace = scratch.path("trace").display().to_string();
    let file = scratch.file("a1.properties", &weighted(input, &[("record", &trace)]));
    let mut host = Host::run(&scratch, "a1", &file, &["--policy-cache", "none"]);
    delivered(&host, input);
    let record = eventually("the record is written", PATIENCE, || {
        let record = group(&host)["record"].clone();
        (record["bytes"].as_u64() > Some(4 * EVENTS)).then_some(record)
    });
    assert_eq!(
        (&record["dropped"], &record["failed-writes"]),
        (&0.into(), &0.into()),
        "{record}"
    );
    assert!(host.counter("SINK_PROCESSOR.g1", "RecordEntryCount") >= 4 * EVENTS);
    host.term(PATIENCE);

    let replay = |policy: &str| host::command(&["policy", "replay", &trace, policy], "");
    let same = replay(&guest("weighted"));
    assert_eq!(
        same.status.code(),
        Some(0),
        "{}{}",
        same.stdout,
        same.stderr
    );
    assert!(
        same.stdout.contains(" 0 with another first choice"),
        "{}",
        same.stdout
    );
    let other = replay("round_robin");
    assert_eq!(
        other.status.code(),
        Some(1),
        "{}{}",
        other.stdout,
        other.stderr
    );
    assert!(
        other
            .stdout
            .contains("  recorded  k1 k2\n  replayed  k2 k1\n"),
        "{}",
        other.stdout
    );
    assert_eq!(replay("round_robin").stdout, other.stdout);
}

#[test]
fn a_shadow_is_counted_and_changes_nothing() {
    let scratch = Scratch::new();
    let input = ports::free();
    // A candidate with other weights would need other sinks; this one is of the same kind and has
    // its own key.
    let candidate = guest("weighted");
    let keys = [("shadow", candidate.as_str()), ("shadow.backoff", "true")];
    let file = scratch.file("a1.properties", &weighted(input, &keys));
    let host = Host::run(&scratch, "a1", &file, &["--policy-cache", "none"]);
    let [heavy, light] = delivered(&host, input);
    assert!(
        (290..=310).contains(&heavy),
        "3:1 of {EVENTS}: {heavy} and {light}"
    );
    let shadow = eventually("the shadow has seen all events", PATIENCE, || {
        let shadow = group(&host)["shadow"].clone();
        (shadow["compared"].as_u64() >= Some(EVENTS)).then_some(shadow)
    });
    assert_eq!(shadow["policy"], "a1/weighted", "{shadow}");
    assert_eq!(
        (&shadow["first-differs"], &shadow["dropped"]),
        (&0.into(), &0.into()),
        "{shadow}"
    );
    assert!(host.counter("SINK_PROCESSOR.g1", "ShadowComparedCount") >= EVENTS);
}

#[test]
fn a_shadow_that_disagrees_routes_nothing() {
    let scratch = Scratch::new();
    let input = ports::free();
    // Round robin as the shadow of weighted: it has no key for weights, so the live policy has none
    // either.
    let shadow = guest("weighted");
    let text = weighted(input, &[("shadow", &shadow)]);
    let live = format!("selector = {shadow}");
    let text = text.replace(&live, "selector = round_robin");
    let file = scratch.file("a1.properties", &text);
    let host = Host::run(&scratch, "a1", &file, &["--policy-cache", "none"]);
    let [first, second] = delivered(&host, input);
    assert!(
        first.abs_diff(second) <= 20,
        "round robin: {first} and {second}"
    );
    let differs = eventually("the shadow has seen all events", PATIENCE, || {
        let shadow = group(&host)["shadow"].clone();
        let all = shadow["compared"].as_u64() >= Some(EVENTS);
        all.then(|| shadow["first-differs"].as_u64().unwrap_or(0))
    });
    assert!(differs > EVENTS / 8, "{differs}");
}

#[test]
fn mistakes_about_watchers_are_found_before_anything_runs() {
    let scratch = Scratch::new();
    let nowhere = scratch.path("no/trace").display().to_string();
    for (keys, expected) in [
        (&[("record", nowhere.as_str())][..], "cannot be written"),
        (
            &[("record", "t"), ("record.max-mib", "0")],
            "record.max-mib",
        ),
        (&[("record", "t"), ("record.files", "101")], "record.files"),
        (&[("shadow", "round_robin")], "which is not a policy"),
        (&[("shadow", "nowhere.wasm")], "nowhere.wasm"),
    ] {
        let file = scratch.file("a1.properties", &weighted(ports::free(), keys));
        let checked = host::command(&["check", &file.display().to_string()], "");
        assert_eq!(
            checked.status.code(),
            Some(EXIT_CONFIG),
            "{keys:?}: {}",
            checked.stdout
        );
        assert!(
            checked.stdout.contains(expected),
            "{expected}: {}",
            checked.stdout
        );
    }
}
