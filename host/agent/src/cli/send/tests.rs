//! The exchange with a source in memory, and the command against the netcat source.

use clap::Parser;
use tokio::io::duplex;

use super::*;
use flume_components::source::harness::{Behind, configured, started};
use flume_components::source::netcat;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: SendArgs,
}

fn args(words: &[&str]) -> SendArgs {
    let words = [&["send", "--to", "127.0.0.1:1"], words].concat();
    Command::try_parse_from(words).unwrap().args
}

fn stream(text: &'static str) -> Input {
    Input::Stream(Box::new(text.as_bytes()))
}

/// A source that answers each line with the next of these answers, then closes.
async fn answered(input: Input, answers: &[&str]) -> (Summary, String, String) {
    let (ours, mut theirs) = duplex(CHUNK_BYTES);
    let mut shown = String::new();
    let source = async {
        let mut received = Vec::new();
        let mut answers = answers.iter();
        let mut chunk = [0; 1024];
        loop {
            let read = theirs.read(&mut chunk).await.unwrap();
            if read == 0 {
                break;
            }
            received.extend_from_slice(&chunk[..read]);
            for _ in memchr_iter(b'\n', &chunk[..read]) {
                let Some(answer) = answers.next() else {
                    continue;
                };
                theirs.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        drop(theirs);
        String::from_utf8(received).unwrap()
    };
    let sending = exchange(ours, input, |answer| shown.push_str(answer));
    let (summary, received) = tokio::join!(sending, source);
    (summary, shown, received)
}

#[tokio::test(start_paused = true)]
async fn answers_are_shown_and_counted() {
    let answers = ["OK\n", "FAILED: no\n", "OK\n"];
    let (summary, shown, received) = answered(stream("a\n\nb"), &answers).await;
    assert_eq!(received, "a\n\nb\n", "the last line gets its line feed");
    assert_eq!(shown, answers.concat());
    assert_eq!((summary.sent, summary.ok, summary.refused), (3, 2, 1));
    let complaint = "1 of 3 lines were not accepted; the first refusal: FAILED: no";
    assert_eq!(summary.complaint(false).as_deref(), Some(complaint));
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_failure_unless_it_is_expected() {
    let (summary, _, _) = answered(stream("a\nb\n"), &["OK\n"]).await;
    assert_eq!(
        summary.complaint(false).unwrap(),
        "1 of 2 lines were not accepted"
    );
    assert_eq!(summary.complaint(true), None);
    let (summary, _, _) = answered(stream("a\nb\n"), &["FAILED: no\n"]).await;
    assert!(
        summary.complaint(true).is_some(),
        "a refusal is still reported"
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_closes_early_is_a_failure() {
    let (ours, theirs) = duplex(16);
    drop(theirs);
    let input = Input::Numbered {
        count: 1000,
        size: 100,
        rate: None,
    };
    let summary = exchange(ours, input, |_| {}).await;
    assert!(
        summary
            .complaint(true)
            .unwrap()
            .starts_with("connection broken: ")
    );
}

#[tokio::test(start_paused = true)]
async fn numbered_lines_have_their_size_and_their_rate() {
    let start = clock::now();
    let input = Input::Numbered {
        count: 101,
        size: 8,
        rate: Some(50),
    };
    let (summary, _, received) = answered(input, &["OK\n"; 101]).await;
    assert_eq!(summary.complaint(false), None);
    let lines: Vec<&str> = received.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[100]),
        (101, "1 xxxxxx", "101 xxxx")
    );
    let seconds = start.elapsed().as_secs_f64();
    assert!(
        (1.9..2.2).contains(&seconds),
        "100 gaps of 20 ms, took {seconds} s"
    );
    let mut line = String::new();
    add_line(&mut line, 12345, 3);
    assert_eq!(line, "12345 \n", "a number is never cut off");
}

#[test]
fn one_kind_of_input_at_a_time() {
    assert_eq!(args(&["a", "b c"]).lines, ["a", "b c"]);
    for wrong in [
        &["--count", "1", "line"][..],
        &["--file", "f", "line"],
        &["--file", "f", "--count", "1"],
        &["--rate", "5"],
        &["--count", "1", "--rate", "0"],
    ] {
        let words = [&["send", "--to", "h:1"], wrong].concat();
        Command::try_parse_from(words).unwrap_err();
    }
}

/// Against the netcat source: 100,000 lines, each answered and stored.
#[tokio::test]
async fn a_netcat_source_answers_every_line() {
    let behind = Behind::with_capacity(200_000);
    let place = [("bind", "127.0.0.1"), ("port", "0")];
    let (address, running) = started(configured(netcat::configure, &place), &behind).await;
    let to = address.unwrap().to_string();
    let sent = send(&SendArgs {
        to: to.clone(),
        ..args(&["--count", "100000"])
    })
    .await;
    assert_eq!(sent, ExitCode::SUCCESS);
    let bodies = behind.bodies();
    assert_eq!(bodies.len(), 100_000);
    assert!(bodies[99_999].starts_with("100000 x") && bodies[99_999].len() == 100);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    std::fs::write(&file, "one\ntwo").unwrap();
    let file = file.to_str().unwrap();
    let sent = send(&SendArgs {
        to: to.clone(),
        ..args(&["--file", file])
    })
    .await;
    assert_eq!(
        (sent, behind.bodies()),
        (ExitCode::SUCCESS, vec!["one".into(), "two".into()])
    );
    let long = "x".repeat(512);
    let sent = send(&SendArgs {
        to: to.clone(),
        ..args(&[&long])
    })
    .await;
    assert_eq!(sent, ExitCode::FAILURE, "too long");
    behind.context.stop.cancel();
    running.await.unwrap();
    let sent = send(&SendArgs {
        to,
        ..args(&["nobody"])
    })
    .await;
    assert_eq!(sent, ExitCode::FAILURE, "nothing listens there");
}
