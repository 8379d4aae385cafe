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
    landing::count(&[&landed], "n", EVENTS).assert_exact("imported");
}
