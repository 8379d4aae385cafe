//! Goal: the health pages say what is so, and agree with `/groups` and `/metrics`. Method: an agent,
//! netcat → memory → avro, whose collector is missing, comes, or goes, or whose policy is taken out;
//! all pages are asked in each situation.

use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn sender(input: u16, output: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 100, 100)
        .netcat("r1", input)
        .avro_sink("k1", output, 10)
}

fn collector(scratch: &Scratch, output: u16) -> Host {
    let file = AgentFile::new("a2")
        .memory("c1", 1_000, 100)
        .avro_source("r1", output)
        .null("k1", 100);
    Host::start(scratch, "collector", &file.text())
}

/// Status and text of a page.
fn page(host: &Host, path: &str) -> (u16, String) {
    host.page(path).expect("an answer")
}

/// Waits until a page has this status, and returns its text.
fn await_status(host: &Host, path: &str, status: u16) -> String {
    eventually(&format!("{path} is {status}"), PATIENCE, || {
        let (now, text) = page(host, path);
        (now == status).then_some(text)
    })
}

/// The first sink of `/groups`.
fn sink(host: &Host) -> Value {
    let groups: Value = serde_json::from_str(&page(host, "/groups").1).expect("JSON");
    let groups = groups["a1"].as_object().expect("an agent").clone();
    let group = groups.into_iter().next().expect("a group").1;
    group["sinks"][0].clone()
}

/// The end of an outage says how long it was and how many batches failed, at least these.
fn assert_end_is_told(log: &str, failures: u64) {
    let end = log.lines().find(|line| line.contains("delivering again"));
    let number = |name: &str| -> Option<u64> {
        let (_, rest) = end?.split_once(&format!(" {name}="))?;
        rest.split(' ').next()?.parse().ok()
    };
    assert!(number("failed_batches") >= Some(failures), "{end:?}");
    assert!(number("seconds").is_some(), "{end:?}");
}

#[test]
fn a_missing_collector_is_told_on_every_page_until_it_is_there() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let mut host = Host::start(&scratch, "sender", &sender(input, output).text());
    assert_eq!(page(&host, "/healthz"), (200, "ok\n".to_owned()));
    // Some room is left: events are taken in, and not delivered.
    Feed::send(input, Lines::new("n", 50), PATIENCE).assert_all_acknowledged();
    let text = await_status(&host, "/healthz", 503);
    assert!(text.starts_with("failing sink k1 of a1 for "), "{text}");
    assert!(text.contains("refused"), "the cause is there: {text}");
    assert_eq!(page(&host, "/readyz"), (200, "ok\n".to_owned()));
    let (status, verbose) = page(&host, "/readyz?verbose");
    assert!(
        status == 200 && verbose.contains("sink k1 of a1"),
        "{verbose}"
    );
    let shown = sink(&host);
    assert_eq!(shown["state"], "failing", "{shown}");
    let failures = shown["failures-in-sequence"].as_u64().expect("a number");
    assert!(failures > 0, "{shown}");
    assert!(shown["since"]["seconds-ago"].is_u64(), "{shown}");
    assert!(shown["last-success"].is_null(), "{shown}");
    assert_eq!(host.counter("SINK_PROCESSOR.k1", "UsableSinkCount"), 0);
    assert!(host.counter("SINK.k1", "FailuresInSequence") > 0);

    // No room is left: nothing is taken in.
    Feed::send(input, Lines::new("n", 50).from(50), PATIENCE).assert_all_acknowledged();
    let text = await_status(&host, "/readyz", 503);
    assert!(
        text.contains("channel c1 of a1: full: 100 of 100") || text.contains("no sink of it works"),
        "{text}"
    );
    let (status, json) = page(&host, "/healthz?format=json");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (status, &json["status"]),
        (503, &"failing".into()),
        "{json}"
    );
    let first = &json["troubles"][0];
    for part in [
        "component",
        "state",
        "symptom",
        "impact",
        "cause",
        "what-to-do",
    ] {
        assert!(first[part].is_string(), "{part}: {first}");
    }

    let _collector = collector(&scratch, output);
    assert_eq!(await_status(&host, "/healthz", 200), "ok\n");
    assert_eq!(page(&host, "/readyz"), (200, "ok\n".to_owned()));
    host.process().await_said("delivering again", 1, PATIENCE);
    assert_end_is_told(&host.process().log(), failures);
    let shown = sink(&host);
    assert_eq!(shown["state"], "live", "{shown}");
    assert_eq!(shown["failures-in-sequence"], 0, "{shown}");
    assert!(shown["last-success"]["seconds-ago"].is_u64(), "{shown}");
    assert_eq!(host.counter("SINK_PROCESSOR.k1", "UsableSinkCount"), 1);
    assert_eq!(host.counter("SINK.k1", "FailuresInSequence"), 0);
}

/// It fails on every event, so it is taken out; then its source refuses all, and no load balancer
/// should send any. A mended version has to get a chance without them.
#[test]
fn a_source_whose_policy_is_taken_out_is_not_ready_until_a_mended_version_comes() {
    let scratch = Scratch::new();
    let input = ports::free();
    let version = |name| std::fs::read(flume_artifacts::hostile(name)).expect("a guest");
    std::fs::write(scratch.path("trap.wat"), version("trap_in_intercept")).expect("a file");
    let file = AgentFile::new("a1")
        .memory("c1", 100, 100)
        .memory("c9", 100, 100)
        .netcat("r1", input)
        .feeds("r1", "c1")
        .null("k1", 10)
        .null("k9", 10)
        .drains("k9", "c9")
        .attacking("r1", "i1")
        .set("sources.r1.interceptors.i1.type", "trap.wat")
        .set("sources.r1.interceptors.i1.on-error", "dead-letter:c9")
        .set("policies.deadline-ms", 5_000);
    let host = Host::start(&scratch, "sender", &file.text());
    assert_eq!(page(&host, "/readyz"), (200, "ok\n".to_owned()));
    let text = eventually("its policy is taken out", PATIENCE, || {
        // Dead letters at first, then refusals.
        let replies = Feed::send(input, Lines::new("n", 5), PATIENCE);
        let (status, text) = page(&host, "/readyz");
        (status == 503 && replies.failed.len() == 5).then_some(text)
    });
    let begin = "failing policy a1/trap in r1.i1 for ";
    assert!(text.starts_with(begin), "{text}");
    for words in [
        "is not asked any more",
        "its source refuses every event",
        "bring a mended version",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(page(&host, "/healthz").0, 503);
    std::fs::write(scratch.path("trap.wat"), version("busy_in_intercept")).expect("a file");
    assert_eq!(await_status(&host, "/readyz", 200), "ok\n");
    Feed::send(input, Lines::new("n", 5), PATIENCE).assert_all_acknowledged();
}

#[test]
fn a_sink_that_cannot_start_says_so() {
    let scratch = Scratch::new();
    let input = ports::free();
    let file = AgentFile::new("a1")
        .memory("c1", 100, 100)
        .netcat("r1", input);
    let file = file.file_roll("k1", &scratch.path("missing"), 10);
    let host = Host::start(&scratch, "sender", &file.text());
    let text = await_status(&host, "/healthz", 503);
    assert!(
        text.contains("sink k1 of a1") && text.contains("did not start"),
        "{text}"
    );
    assert_eq!(sink(&host)["state"], "not started");
}

#[test]
fn an_agent_that_drains_is_not_ready() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let mut host = Host::start(&scratch, "sender", &sender(input, output).text());
    Feed::send(input, Lines::new("n", 50), PATIENCE).assert_all_acknowledged();
    host.process().term();
    let text = await_status(&host, "/readyz", 503);
    assert!(
        text.contains("draining: ") && text.contains(" s left"),
        "{text}"
    );
    host.process().term();
    assert!(
        !host.process().wait(PATIENCE).success(),
        "50 events were left"
    );
}
