//! Goal: what `channel export` writes, `channel import` has in a channel again, once and in order.

use std::fmt::Write as _;

use flume_tests::process::Finished;
use flume_tests::{host, tally};

use super::*;

/// More than a put has, and than are under way at once.
const EVENTS: u64 = 12_345;

fn tool(words: &[&str], folder: &Path, input: &str) -> Finished {
    let folder = folder.to_str().expect("a path of plain letters");
    host::command(&[&["channel"], words, &[folder]].concat(), input)
}

/// Lines of `export`: text, bytes that are no text, headers and none.
fn lines(numbers: std::ops::Range<u64>) -> String {
    let mut text = String::new();
    for number in numbers {
        let line = match number % 3 {
            0 => format!(r#"{{"body":"n {number} \"ö\"","headers":{{}}}}"#),
            1 => format!(r#"{{"body":"n {number}","headers":{{"a":"{number}","b":""}}}}"#),
            _ => r#"{"bodyBase64":"/wA=","headers":{}}"#.to_owned(),
        };
        writeln!(text, "{line}").unwrap();
    }
    text
}

#[test]
fn what_is_exported_is_imported_once_and_in_order() {
    let scratch = Scratch::new();
    let folder = scratch.path("channel");
    let missing = tool(&["import"], &folder, "");
    assert_eq!(missing.status.code(), Some(66), "{}", missing.stderr);
    assert!(!folder.exists(), "a misspelt name makes nothing");

    let all = lines(0..EVENTS);
    let done = tool(&["import", "--new"], &folder, &all);
    assert_eq!(
        done.stdout,
        format!("imported: {EVENTS}\n"),
        "{}",
        done.stderr
    );
    assert_eq!(tool(&["export"], &folder, "").stdout, all);

    // A line in the middle is no event: what is before it is there, and it can go on behind it.
    let mut more = lines(0..3_000);
    more.push_str("{\"body\":1}\n");
    more.push_str(&lines(3_000..4_000));
    let done = tool(&["import"], &folder, &more);
    assert_eq!(done.status.code(), Some(1));
    let said = "error: line 3001: column 9: invalid type: integer `1`, expected a string\n\
                imported: 3000; once that is mended, go on with --skip 3000\n";
    assert_eq!(done.stderr, said);
    let done = tool(&["import", "--skip", "3001"], &folder, &more);
    assert_eq!(done.stdout, "imported: 1000\n", "{}", done.stderr);
    assert_eq!(
        tool(&["export"], &folder, "").stdout,
        all + &lines(0..4_000)
    );
}

#[test]
fn a_channel_that_runs_is_not_imported_into_and_one_that_ran_delivers_what_was() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let channel = scratch.folder("channel");
    let mut agent = Host::start(&scratch, "sender", &sender(input, output, &channel).text());
    let folder = channel.join("data");
    let text: String = (0..EVENTS)
        .map(|number| format!("{{\"body\":\"{}\"}}\n", tally::body("n", number)))
        .collect();
    let refused = tool(&["import"], &folder, &text);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("in use by process"),
        "{}",
        refused.stderr
    );
    agent.kill();
    let file = scratch.path("events");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().expect("a path of plain letters");
    let done = tool(&["import", "--file", file], &folder, "");
    assert_eq!(
        done.stdout,
        format!("imported: {EVENTS}\n"),
        "{}",
        done.stderr
    );
    let (_collector, landed) = collector(&scratch, "collector", output);
    agent.restart();
    agent.await_delivered("c1", EVENTS, PATIENCE);
    landing::await_count(&[&landed], "n", EVENTS, PATIENCE).assert_exact("imported");
}

/// Far more than a channel keeps in memory.
const BACKLOG: u64 = 300_000;

/// A channel with a backlog.
fn backlog(scratch: &Scratch) -> PathBuf {
    let channel = scratch.folder("channel");
    let file = scratch.path("events");
    let mut text = String::new();
    for number in 0..BACKLOG {
        writeln!(text, "{{\"body\":\"{number:0100}\"}}").unwrap();
    }
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().expect("a path of plain letters");
    let words = ["import", "--new", "--file", file];
    let done = tool(&words, &channel.join("data"), "");
    let said = format!("imported: {BACKLOG}\n");
    assert_eq!(done.stdout, said, "{}", done.stderr);
    channel
}

/// Whoever takes is faster than what reads.
#[test]
fn a_backlog_leaves_however_fast_its_sink_is_and_nobody_asks_in_vain() {
    let scratch = Scratch::new();
    let text = AgentFile::new("a1")
        .file_channel("c1", &backlog(&scratch))
        .netcat("r1", ports::free())
        .null("k1", 1_000)
        .text();
    let mut agent = Host::start(&scratch, "a1", &text);
    agent.await_delivered("c1", BACKLOG, PATIENCE);
    let asked = agent.counter("CHANNEL.c1", "EventTakeAttemptCount");
    assert!(asked < BACKLOG + 10_000, "{asked}");
    assert!(agent.term(PATIENCE).success());
}

#[test]
fn a_backlog_moves_to_another_folder_as_a_whole() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let [one, other] = [backlog(&scratch), scratch.folder("other")];
    let mut agent = Host::start(&scratch, "a1", &sender(input, output, &one).text());
    agent.reload(&sender(input, output, &other).text(), 1, PATIENCE);
    let moved = || (agent.counter("CHANNEL.c1", "ChannelSize") == BACKLOG).then_some(());
    eventually("all has moved", PATIENCE, moved);
    assert!(agent.term(PATIENCE).success());
    for (folder, waiting) in [(one, 0), (other, BACKLOG)] {
        let seen = tool(&["inspect"], &folder.join("data"), "").stdout;
        let said = format!("waiting: {waiting}, lost: 0\n");
        assert!(seen.starts_with(&said), "{folder:?}: {seen}");
    }
}
