//! Goal: the command line tells authors what a file is, whether it would be accepted, and if not,
//! why. Method: the prebuilt policies, and files that are not policies, through the program itself.

use std::path::Path;

use flume_artifacts::slow_interceptor;
use flume_tests::{Scratch, host};
use serde_json::Value;

fn dist(name: &str) -> String {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/dist");
    guests.join(name).display().to_string()
}

/// The exit status, standard output and standard error.
fn policy(words: &[&str]) -> (Option<i32>, String, String) {
    let words = [&["policy"], words].concat();
    let done = host::command(&words, "");
    (done.status.code(), done.stdout, done.stderr)
}

#[test]
fn inspect_shows_what_a_policy_is() {
    let weighted = dist("weighted.wasm");
    let (status, out, err) = policy(&["inspect", &weighted]);
    assert_eq!(status, Some(0), "{err}");
    for part in [
        "kind              a sink selector\n",
        "contract          flume:policy 0.1.0\n",
        "hands over state  yes\n",
        "asks to see       nothing of the events\n",
        "imports           flume:policy/log@0.1.0\n",
        "language          Rust",
    ] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }

    let (status, out, _) = policy(&["inspect", "--json", &dist("dedupe.wasm")]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (status, &shown["kind"]),
        (Some(0), &Value::from("interceptor"))
    );
    assert_eq!(shown["contract"], "0.1.0");
    let reason = shown["without_properties"].as_str().unwrap();
    assert!(reason.contains("it needs the key `header`"), "{reason}");
}

#[test]
fn inspect_shows_a_file_that_is_not_a_policy_and_says_why() {
    let scratch = Scratch::new();
    let file = scratch.file("run.wat", "(module (memory 1 2) (func (export \"run\")))");
    let (status, out, err) = policy(&["inspect", &file.display().to_string()]);
    assert_eq!(status, Some(65));
    assert!(out.contains("exports           run\n"), "{out}");
    assert!(out.contains("64 KiB at first, 128 KiB at most\n"), "{out}");
    assert!(
        err.contains("exports nothing of `flume:policy` (it exports `run`)"),
        "{err}"
    );

    let file = scratch.file("text.wasm", "hello");
    let (status, _, err) = policy(&["inspect", &file.display().to_string()]);
    assert_eq!(status, Some(65));
    assert!(err.contains("not a WebAssembly module"), "{err}");
    assert_eq!(policy(&["inspect", "nowhere.wasm"]).0, Some(66));
}

#[test]
fn check_says_whether_a_policy_would_be_accepted() {
    let weighted = dist("weighted.wasm");
    let check = |words: &[&str]| policy(&[&["check", &weighted], words].concat());
    let (status, out, err) = check(&["-p", "backoff=true", "-s", "s1:weight=3", "-s", "s2"]);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("a sink selector for 2 sinks"), "{out}");

    // All problems, one line each.
    let (status, _, err) = check(&[
        "-p",
        "backof=true",
        "-p",
        "maxTimeOut=-1",
        "-s",
        "s1:weight=x",
    ]);
    assert_eq!(status, Some(78));
    for part in [
        "it does not know the key `backof`",
        "`maxTimeOut` must be a number from 0",
        "`weight` of sink `s1` must be a number from 0",
    ] {
        assert!(err.contains(part), "{part} is missing in\n{err}");
    }
    assert_eq!(check(&["-l", "deadline-ms=0"]).0, Some(78));
    assert_eq!(check(&["-p", "no pair"]).0, Some(2));
    assert_eq!(policy(&["check", "nowhere.wasm"]).0, Some(66));

    let redact = dist("redact.wasm");
    let (status, out, _) = policy(&["check", &redact, "-p", "patterns=##"]);
    assert_eq!(status, Some(0));
    assert!(
        out.contains("an interceptor, flume:policy 0.1.0; asks to see whole bodies"),
        "{out}"
    );
}

/// A limit that the policy breaks is reported by the name of the violation.
#[test]
fn check_names_the_violation() {
    let words = [
        "-p",
        "header=id",
        "-p",
        "capacity=250000",
        "-l",
        "memory-kib=4096",
    ];
    let (status, _, err) = policy(&[&["check", &dist("dedupe.wasm")], &words[..]].concat());
    assert_eq!(status, Some(65), "{err}");
    assert!(err.contains("dedupe.wasm: memory: "), "{err}");
}

/// Each event takes tens of microseconds, on any machine; how many exactly is not judged.
#[test]
fn check_and_bench_say_which_batch_would_break_the_deadline() {
    let scratch = Scratch::new();
    let slow = scratch.file("slow.wat", &slow_interceptor(0, 280_000));
    let slow = slow.display().to_string();
    for command in [
        &["check", &slow][..],
        &["bench", "--rounds", "1", "--batch", "50", &slow],
    ] {
        let (status, out, err) = policy(command);
        assert_eq!(status, Some(0), "{err}");
        for part in [
            "an event takes ",
            " events would break its deadline of ",
            "are handed in in parts of about ",
            "`deadline-us-per-event`",
        ] {
            assert!(out.contains(part), "{part} is missing in\n{out}");
        }
        let generous = [command, &["-l", "deadline-us-per-event=1000000"]].concat();
        let (_, out, err) = policy(&generous);
        assert!(
            out.contains("a batch of any size meets its deadline"),
            "{out}{err}"
        );
    }
    let blind = policy(&["check", &dist("weighted.wasm")]).1;
    assert!(!blind.contains("an event takes"), "{blind}");
}
