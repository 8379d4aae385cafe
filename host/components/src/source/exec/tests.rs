//! The exec source with real commands of a POSIX shell.

use std::path::Path;

use flume_core::testing::Balky;
use tokio::time::timeout;

use super::*;
use crate::said::Said;
use crate::source::harness::{Behind, complaints, configured};

fn shell(command: &str, more: &[(&str, &str)]) -> Box<dyn Source> {
    let properties = [&[("shell", "/bin/sh -c"), ("command", command)], more].concat();
    configured(configure, &properties)
}

/// Whether a process runs (a zombie does not).
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z"))
}

/// Flume: TestExecSource.testProcess, testShellCommandSimple.
#[tokio::test]
async fn lines_of_a_command_become_events() {
    let behind = Behind::with_capacity(1000);
    let mut source = configured(configure, &[("command", "echo  one   two")]);
    source.run(behind.context.clone()).await.unwrap();
    assert_eq!(behind.bodies(), ["one two"]);
    let mut source = shell(
        "seq 1 45; printf 'r\\351sum\\351'",
        &[("charset", "ISO-8859-1")],
    );
    assert_eq!(source.batch_size(), Some(20));
    source.run(behind.context.clone()).await.unwrap();
    let events = behind.take();
    assert_eq!(events.len(), 46);
    assert_eq!(events[44].body, "45");
    assert_eq!(
        events[45].body,
        &b"r\xE9sum\xE9"[..],
        "bytes stay as they are"
    );
    assert_eq!(behind.context.counters.event_accepted.get(), 47);
}

/// Flume: TestExecSource.testBatchTimeout. Few lines come after `batchTimeout`.
#[tokio::test]
async fn a_partial_batch_does_not_wait_for_the_end() {
    let behind = Behind::with_capacity(1000);
    let mut source = shell("echo a; echo b; exec sleep 1000", &[("batchTimeout", "50")]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    assert_eq!(behind.wait_for(2).await, ["a", "b"]);
    behind.context.stop.cancel();
    running.await.unwrap().unwrap();
}

/// Flume: TestExecSource.testRestart.
#[tokio::test]
async fn a_command_is_started_again() {
    let behind = Behind::with_capacity(1000);
    let mut source = shell(
        "echo again",
        &[("restart", "true"), ("restartThrottle", "1")],
    );
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    assert_eq!(behind.wait_for(3).await[..3], ["again", "again", "again"]);
    behind.context.stop.cancel();
    running.await.unwrap().unwrap();
}

/// Unless it was told to end.
#[tokio::test]
async fn a_command_that_ends_with_an_error_is_a_warning_with_its_status() {
    for (code, level) in [(3, "WARN"), (0, "INFO")] {
        let (said, behind) = (Said::listen(), Behind::with_capacity(10));
        let mut source = shell(&format!("exit {code}"), &[]);
        source.run(behind.context.clone()).await.unwrap();
        let lines = said.lines("command exited");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(level), "{lines:?}");
        assert!(
            lines[0].contains(&format!("exit status: {code}")),
            "{lines:?}"
        );
    }
    let (said, behind) = (Said::listen(), Behind::with_capacity(10));
    let mut source = shell("echo here; exec sleep 1000", &[("batchTimeout", "1")]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    behind.wait_for(1).await;
    behind.context.stop.cancel();
    running.await.unwrap().unwrap();
    assert!(said.lines("command exited")[0].starts_with("INFO"));
}

/// A child in the background and a command that ignores SIGTERM are gone after the stop.
#[tokio::test]
async fn a_stop_ends_the_whole_group() {
    let behind = Behind::with_capacity(1000);
    let script = "trap '' TERM; sleep 1000 & echo $!; echo $$; while :; do sleep 1000; done";
    let mut source = shell(script, &[("batchTimeout", "1")]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    let pids = behind.wait_for(2).await;
    assert!(pids.iter().all(|pid| runs(pid)), "{pids:?}");
    behind.context.stop.cancel();
    timeout(GRACE_AND_MORE, running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    for pid in pids {
        while runs(&pid) {
            tokio::task::yield_now().await;
        }
    }
}

const GRACE_AND_MORE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_panic_or_an_abort_ends_the_group_too() {
    let behind = Behind::with_capacity(1000);
    let mut source = shell("echo $$; sleep 1000; true", &[("batchTimeout", "1")]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    let pids = behind.wait_for(1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    while runs(&pids[0]) {
        tokio::task::yield_now().await;
    }
}

/// Lines that wait for their batch, and those that a command writes while it ends.
#[tokio::test]
async fn a_stop_delivers_the_last_lines() {
    let behind = Behind::with_capacity(1000);
    let script = "trap 'echo last; exit' TERM; echo held; while :; do sleep 0.01; done";
    let mut source = shell(script, &[("batchTimeout", "100000")]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    while behind.context.counters.event_received.get() == 0 {
        tokio::task::yield_now().await;
    }
    behind.context.stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(behind.bodies(), ["held", "last"]);
}

/// More on standard error than a pipe holds.
#[tokio::test]
async fn standard_error_does_not_block_the_command() {
    let behind = Behind::with_capacity(1000);
    let script = "head -c 1000000 /dev/zero >&2; echo done";
    let mut source = shell(script, &[("logStdErr", "true")]);
    timeout(GRACE_AND_MORE, source.run(behind.context.clone()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(behind.bodies(), ["done"]);
}

#[tokio::test]
async fn a_full_channel_makes_the_command_wait() {
    let behind = Behind::new(5, 0, Vec::new());
    let mut source = shell("seq 1 20000", &[]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    let expected: Vec<String> = (1..=20_000).map(|n| n.to_string()).collect();
    while behind.context.counters.channel_write_fail.get() == 0 {
        tokio::task::yield_now().await;
    }
    // The pause after a refusal is short against the patience of a test, not against 4,000 rounds.
    let taken = behind.wait_for(100).await;
    assert_eq!(
        taken,
        expected[..taken.len()],
        "nothing is lost or overtaken"
    );
    behind.context.stop.cancel();
    running.await.unwrap().unwrap();
}

/// A policy that rests, or whose dead letters have no room, takes the lines later.
#[tokio::test]
async fn an_interceptor_that_rests_makes_the_command_wait() {
    let balky = Balky::default();
    balky.rest_from(Some(0));
    let behind = Behind::new(1000, 3, vec![Box::new(balky.clone())]);
    let mut source = shell("seq 1 500", &[]);
    let context = behind.context.clone();
    let running = tokio::spawn(async move { source.run(context).await });
    let counters = &behind.context.counters;
    while counters.generic_processing_fail.get() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(behind.bodies(), Vec::<String>::new());
    balky.rest_from(None);
    let expected: Vec<String> = (1..=500).map(|n| n.to_string()).collect();
    assert_eq!(behind.wait_for(500).await, expected);
    running.await.unwrap().unwrap();
    assert_eq!(counters.event_accepted.get(), 500);
}

/// Each is counted, and the log says so once in a while.
#[tokio::test]
async fn lines_that_an_interceptor_never_takes_are_dropped_and_counted() {
    let log = Said::listen();
    let behind = Behind::new(1000, 3, vec![Box::new(Balky::never(&["bad"]))]);
    let command = "for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo bad; done";
    let mut source = shell(command, &[]);
    source.run(behind.context.clone()).await.unwrap();
    let expected: Vec<String> = (1..10).map(|n| n.to_string()).collect();
    assert_eq!(behind.bodies(), expected);
    assert_eq!(behind.context.counters.generic_processing_fail.get(), 9);
    assert_eq!(log.lines("line dropped").len(), 1);
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_an_error() {
    let behind = Behind::with_capacity(10);
    let mut source = configured(configure, &[("command", "/nowhere/at-all -x")]);
    let error = source.run(behind.context.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "unable to run `/nowhere/at-all -x`");
}

#[test]
fn configuration_mistakes_are_told() {
    assert_eq!(
        complaints(configure, &[]),
        ["`a1.sources.r1` needs the key `command`"]
    );
    assert_eq!(
        complaints(configure, &[("command", "x"), ("charset", "UTF-16")]),
        ["`a1.sources.r1.charset` is not supported here: `UTF-16`",]
    );
}
