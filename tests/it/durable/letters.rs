//! Goal: dead letters in a file channel are looked at beside the agent that runs, and are sent to a
//! source or dropped once, whatever ends the command: a kill in the middle of a replay doubles one
//! batch at most. Method: letters come in by `channel import`, or from an agent whose sink needs a
//! time that its events do not have.

use std::process::{Command, Stdio};

use flume_tests::host::{command, program};
use serde_json::Value;

use super::*;

/// Letters in one request of a replay.
const BATCH: u64 = 100;

/// Runs `dead-letters`, and returns what it said, and whether it did its work.
fn letters(words: &[&str], folder: &Path) -> (bool, String) {
    let folder = folder.display().to_string();
    let all = [&["dead-letters"], words, &[folder.as_str()]].concat();
    let done = command(&all, "");
    (done.status.success(), done.stdout + &done.stderr)
}

/// A channel of numbered letters that nobody has open.
fn imported(folder: &Path, count: u64) {
    let letter = |number| {
        let body = flume_tests::tally::body("n", number);
        let reason = if number % 10 == 0 {
            "no time"
        } else {
            "too large"
        };
        format!(
            r#"{{"headers":{{"k":"v","dead-letter.sink":"k1","dead-letter.reason":"{reason}","dead-letter.time":"{number}","dead-letter.attempts":"10"}},"body":"{body}"}}"#
        ) + "\n"
    };
    let lines: String = (0..count).map(letter).collect();
    let path = folder.display().to_string();
    let done = command(&["channel", "import", "--new", &path], &lines);
    assert!(done.status.success(), "{}", done.stderr);
}

#[test]
fn letters_are_counted_and_shown_without_a_change() {
    let scratch = Scratch::new();
    let folder = scratch.folder("letters");
    imported(&folder, 50);
    for _ in 0..2 {
        let (_, list) = letters(&["list"], &folder);
        assert!(list.starts_with("dead letters: 50\n"), "{list}");
        assert!(
            list.contains("       45  1970-01-01T00:00:00.001Z to"),
            "{list}"
        );
        assert!(list.contains("sink k1: no time"), "{list}");
        let (_, json) = letters(&["list", "--json"], &folder);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["kinds"][0]["letters"], 5);
    }
    let (_, shown) = letters(
        &["show", "--reason", "no time", "--most", "2", "--bytes", "4"],
        &folder,
    );
    assert_eq!(shown.matches("number ").count(), 2, "{shown}");
    assert!(
        shown.contains("header k: v") && shown.contains("body ("),
        "{shown}"
    );
    let (_, one) = letters(&["show", "--number", "7", "--json"], &folder);
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!((&one["number"], &one["attempts"]), (&7.into(), &10.into()));
    let (is_done, said) = letters(&["list"], &scratch.folder("empty"));
    assert!(!is_done && said.contains("no segment"), "{said}");
}

#[test]
fn letters_are_discarded_by_reason_and_age_or_all() {
    let scratch = Scratch::new();
    let folder = scratch.folder("letters");
    imported(&folder, 50);
    let (is_done, said) = letters(&["discard"], &folder);
    assert!(!is_done && said.contains("or --all"), "{said}");
    let (_, said) = letters(
        &["discard", "--reason", "no time", "--older-than", "1d"],
        &folder,
    );
    assert_eq!(said, "discarded: 5, left: 45\n");
    let (_, said) = letters(&["discard", "--reason", "no time"], &folder);
    assert_eq!(said, "discarded: 0, left: 45\n");
    let (_, said) = letters(&["discard", "--all", "--json"], &folder);
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&json["discarded"], &json["left"]), (&45.into(), &0.into()));
    let (_, list) = letters(&["list"], &folder);
    assert_eq!(list, "dead letters: 0\n");
}

/// Kills a replay wherever it is, and lets the last one end.
#[test]
fn a_killed_replay_doubles_one_batch_at_most_and_loses_none() {
    let scratch = Scratch::new();
    let (output, folder) = (ports::free(), scratch.folder("letters"));
    let count = 50 * BATCH;
    imported(&folder, count);
    let to = format!("127.0.0.1:{output}");
    let (is_done, said) = letters(&["replay", "--to", &to], &folder);
    assert!(!is_done && said.contains("Unable to connect"), "{said}");
    let (_collector, landed) = collector(&scratch, "collector", output);
    let kills = 3;
    for kill in 0..kills {
        let mut replay: Command = program();
        let words = ["dead-letters", "replay", "--to", to.as_str()];
        let replay = replay
            .args(words)
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut replay = replay.spawn().unwrap();
        let wanted = (kill + 1) * 5 * BATCH;
        eventually("some have landed", PATIENCE, || {
            let some = landing::count(&[&landed], "n", count).arrived() >= wanted;
            let ended = replay.try_wait().unwrap().is_some();
            (some || ended).then_some(())
        });
        replay.kill().unwrap();
        replay.wait().unwrap();
    }
    let (is_done, said) = letters(&["replay", "--to", &to], &folder);
    assert!(is_done, "{said}");
    let tally = landing::await_count(&[&landed], "n", count, PATIENCE);
    tally.assert_at_least_once("replayed through kills", kills * BATCH);
    assert_eq!(letters(&["list"], &folder).1, "dead letters: 0\n");
}

/// The letters of an agent that runs can be seen, and are its own until it ends.
#[test]
fn letters_of_a_running_agent_are_shown_and_not_taken() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("letters");
    let (_collector, landed) = collector(&scratch, "collector", output);
    let missing = ports::free();
    let file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .file_channel("c9", &folder)
        .netcat("r1", input)
        .feeds("r1", "c1")
        // None of the lines says when it was.
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "regex_extractor")
        .set("sources.r1.interceptors.i1.regex", "at (\\\\w+)$")
        .set("sources.r1.interceptors.i1.serializers", "s1")
        .set(
            "sources.r1.interceptors.i1.serializers.s1.name",
            "timestamp",
        )
        .file_roll("k1", &scratch.folder("never"), 10)
        .drains("k1", "c1")
        .sink_keys(
            "k1",
            &[
                ("hdfs.path", "%Y"),
                ("hdfs.withoutTimestamp", "fail"),
                ("on-error", "dead-letter:c9"),
            ],
        )
        .avro_sink("k9", missing, 10)
        .drains("k9", "c9");
    let mut agent = Host::start(&scratch, "agent", &file.text());
    Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
    eventually("all are dead letters", PATIENCE, || {
        (agent.counter("SINK.k1", "EventDeadLetterCount") == 10).then_some(())
    });
    let data = folder.join("data");
    let (_, list) = letters(&["list"], &data);
    assert!(
        list.starts_with("dead letters: 10\n") && list.contains("sink k1: "),
        "{list}"
    );
    let to = format!("127.0.0.1:{output}");
    for words in [&["replay", "--to", &to][..], &["discard", "--all"]] {
        let (is_done, said) = letters(words, &data);
        assert!(!is_done && said.contains("is in use by process"), "{said}");
        assert!(said.contains("stop that agent"), "{said}");
    }
    assert!(agent.term(PATIENCE).success());
    let (is_done, said) = letters(&["replay", "--to", &to], &data);
    assert!(is_done && said == "replayed: 10, left: 0\n", "{said}");
    landing::await_count(&[&landed], "n", 10, PATIENCE).assert_exact("replayed");
}
