//! Goal: the command says where two selectors differ, and reads what a record leaves.
//! Method: traces of native selectors, written by the recorder itself.

use super::*;
use clap::Parser;
use flume_core::clock::{self, WallClock};
use flume_core::sink_selector::{Backoff, TYPES};
use flume_policy::SinkInfo;
use flume_policy::trace::{Chunk, Recorder, TraceQueue};
use std::sync::Arc;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: ReplayArgs,
}

fn command(trace: &Path, line: &str) -> Result<(String, bool), ExitCode> {
    let words = ["replay", trace.to_str().unwrap()].into_iter();
    let line = Line::try_parse_from(words.chain(line.split_whitespace())).unwrap();
    replay(&line.args, &Compiler::in_process())
}

/// A record of this many orders of three sinks.
fn record(path: &Path, orders: usize) {
    let sink = |name: &str| SinkInfo {
        name: name.to_owned(),
        ..SinkInfo::default()
    };
    let header = TraceHeader {
        selector: "round_robin".to_owned(),
        seed: 3,
        sinks: ["k1", "k2", "k3"].map(sink).to_vec(),
        ..TraceHeader::default()
    };
    let mut file = header.encode();
    let queue = Arc::new(TraceQueue::new(1 << 20));
    let selector = (TYPES.find("round_robin").unwrap().configure)(Backoff::none(3), 3);
    let (zero, wall) = (clock::now(), WallClock::system());
    let mut recorder = Recorder::new(selector, Arc::clone(&queue), zero, wall, Vec::new());
    for _ in 0..orders {
        flume_core::SinkSelector::order(&mut recorder, clock::now());
    }
    drop(recorder);
    while let Some(Chunk(chunk)) = queue.take() {
        file.extend(chunk);
    }
    std::fs::write(path, file).unwrap();
}

#[test]
fn the_same_selector_never_differs_and_another_one_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    record(&trace, 300);
    let (text, same) = command(&trace, "round_robin").unwrap();
    assert!(same, "{text}");
    assert!(text.contains("300 decisions: 300 the same"), "{text}");

    let (text, same) = command(&trace, "random --show 2").unwrap();
    assert!(!same);
    assert_eq!(text.matches("\n  replayed  ").count(), 2, "{text}");
    assert!(
        text.contains("  recorded  k") && text.contains(" more\n"),
        "{text}"
    );
    assert!(text.contains("k1                   33.3%"), "{text}");
    assert_eq!(command(&trace, "random --show 2").unwrap(), (text, false));
}

#[test]
fn a_trace_that_begins_late_or_is_cut_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    record(&trace, 300);
    let mut bytes = std::fs::read(&trace).unwrap();
    bytes.extend([1, 2, 3]);
    std::fs::write(&trace, bytes).unwrap();
    let (text, same) = command(&trace, "round_robin").unwrap();
    assert!(
        same && text.contains("the last 3 bytes of the trace are incomplete"),
        "{text}"
    );
}

#[test]
fn files_of_one_run_are_read_together_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let write = |path: &Path, run, part| {
        let header = TraceHeader {
            run,
            part,
            ..TraceHeader::default()
        };
        std::fs::write(path, header.encode()).unwrap();
    };
    write(&path, 5, 2);
    write(&older(&path, 1), 5, 1);
    write(&older(&path, 2), 4, 0);
    let recorded = read(&path).ok().unwrap();
    assert_eq!((recorded.header.run, recorded.header.part), (5, 1));
    write(&older(&path, 2), 5, 0);
    assert_eq!(read(&path).ok().unwrap().header.part, 0);
    assert!(heading(&read(&older(&path, 1)).ok().unwrap(), "x").starts_with("recorded: "));
}

#[test]
fn what_is_no_trace_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    std::fs::write(&path, "no trace").unwrap();
    let refused = command(&path, "round_robin").unwrap_err();
    assert_eq!(refused, ExitCode::from(EXIT_DATA));
    let missing = command(&folder.path().join("none"), "round_robin").unwrap_err();
    assert_eq!(missing, ExitCode::from(flume_core::shell::EXIT_NO_INPUT));
}

#[test]
fn properties_of_the_command_line_take_the_place_of_recorded_ones() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let recorded = vec![pair("a", "1"), pair("b", "2")];
    let given = vec![pair("b", "3"), pair("c", "4")];
    let expected = vec![pair("a", "1"), pair("b", "3"), pair("c", "4")];
    assert_eq!(with(&recorded, &given), expected);
}
