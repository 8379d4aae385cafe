//! Goal: who reads the log decides nothing but what he reads. Nobody reads it: sources, the admin
//! port and signals work on, and what is missing is counted. Others choose words in it: they forge
//! no line and no key. Method: an agent whose standard error is a pipe that is not read, and one
//! that logs JSON about a hostile policy and a collector that is missing.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The drain timeout of 3 s, and what a busy machine adds.
const AT_ONCE: Duration = Duration::from_secs(20);

/// More lines than the queue of the log and a pipe hold.
const FLOOD: u64 = 25_000;

/// A flow into the log, and one beside it.
fn talkative(loud: u16, quiet: u16) -> String {
    AgentFile::new("a1")
        .memory("c1", 30_000, 1_000)
        .memory("c2", 1_000, 100)
        .netcat("r1", loud)
        .netcat("r2", quiet)
        .feeds("r1", "c1")
        .feeds("r2", "c2")
        .logger("k1")
        .null("k2", 100)
        .drains("k2", "c2")
        .text()
}

#[test]
fn an_unread_log_stops_nothing_and_says_later_what_is_missing() {
    let scratch = Scratch::new();
    let (loud, quiet) = (ports::free(), ports::free());
    let file = scratch.file("a1.properties", &talkative(loud, quiet));
    let (mut host, log) = Host::run_unread(&scratch, "a1", &file, &[]);
    Feed::send(loud, Lines::new("n", FLOOD), PATIENCE).assert_all_acknowledged();
    host.await_delivered("c1", FLOOD, PATIENCE);
    Feed::send(quiet, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    assert_eq!(host.page("/livez").expect("an answer").0, 200);
    let dropped = host.counter("PROCESS.flume-host", "LogLineDroppedCount");
    assert!(dropped > 0, "nothing was dropped");
    // Somebody reads again: first what was queued, then how many are missing.
    let mut events = 0;
    let told = BufReader::new(log).lines().find_map(|line| {
        let line = line.expect("text");
        events += u64::from(line.contains("Event: "));
        line.contains("log lines were dropped").then_some(line)
    });
    let told = told.expect("a line with the count");
    assert!(told.ends_with(&format!("count={dropped}")), "{told}");
    assert_eq!(events + dropped, FLOOD, "each line is read or counted");
    // The rest of the pipe's reader is gone; that is no reason to fail, either.
    assert!(host.term(PATIENCE).success());
}

#[test]
fn signals_end_an_agent_whose_log_nobody_reads() {
    let scratch = Scratch::new();
    let (loud, quiet) = (ports::free(), ports::free());
    let file = scratch.file("a1.properties", &talkative(loud, quiet));
    let (mut host, log) = Host::run_unread(&scratch, "a1", &file, &["--drain-timeout", "3"]);
    Feed::send(loud, Lines::new("n", FLOOD), PATIENCE).assert_all_acknowledged();
    let start = Instant::now();
    assert!(host.term(PATIENCE).success(), "all is delivered");
    let took = start.elapsed();
    assert!(took < AT_ONCE, "SIGTERM took {took:?}");
    drop(log);
}

/// A selector that says hostile words at its first call, and fails.
fn hostile() -> String {
    let guest = flume_artifacts::hostile("log_endless");
    let text = std::fs::read_to_string(guest).expect("a guest as text");
    let endless = "(loop (call $write (i32.const 3) (i32.const 0) (i32.const 60)) (br 0))";
    let once = "(call $write (i32.const 3) (i32.const 1024) (i32.const 30)) (unreachable)";
    let words =
        r#"(data (i32.const 1024) "no\0a{\22level\22:\22ERROR\22} forged\1b[2J") (func $answer"#;
    assert!(text.contains(endless), "{text}");
    text.replace(endless, once).replace("(func $answer", words)
}

#[test]
fn json_lines_are_lines_and_have_no_key_twice() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    std::fs::write(scratch.path("order.wat"), hostile()).expect("a file");
    let mut file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", input);
    for name in ["k1", "k2", "k3"] {
        file = file.avro_sink(name, nobody, 100);
    }
    let file = file
        .memory("c2", 1_000, 100)
        .logger("k4")
        .drains("k4", "c2")
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2 k3")
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.selector", "order.wat");
    let file = scratch.file("a1.properties", &file.text());
    let words = ["--log-format", "json", "--drain-timeout", "1"];
    let mut host = Host::run(&scratch, "a1", &file, &words);
    Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
    let log = |host: &mut Host| host.process().log();
    for words in ["policy says", "Event: ", "unable to deliver"] {
        let said = || log(&mut host).contains(words).then_some(());
        eventually(words, PATIENCE, said);
    }
    host.term(PATIENCE);
    let lines: Vec<Value> = log(&mut host).lines().map(strict).collect();
    let find = |words: &str| {
        let mut found = lines.iter();
        let said = |line: &&Value| line["message"].as_str().is_some_and(|m| m.contains(words));
        found
            .find(said)
            .unwrap_or_else(|| panic!("nobody says {words}"))
    };
    let says = find("policy says");
    let text = says["text"].as_str().expect("the guest's words");
    assert!(
        text.starts_with(r#"no\n{"level":"ERROR"} forged"#),
        "{text}"
    );
    let event = find("Event: ");
    assert_eq!(
        (&event["agent"], &event["component"]),
        (&"a1".into(), &"k4".into())
    );
    let failed = find("unable to deliver");
    assert_eq!(
        (&failed["agent"], &failed["component"]),
        (&"a1".into(), &"g1".into())
    );
}

/// A line as JSON; a key that occurs twice is an error.
fn strict(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
    let object = value.as_object().expect("an object");
    // Values are flat, so each key is written once, before a colon.
    let keys: BTreeSet<&String> = object.keys().collect();
    let written: usize = keys
        .iter()
        .map(|key| line.matches(&format!("\"{key}\":")).count())
        .sum();
    // In values quotes are escaped, so nothing there looks like a key.
    assert_eq!(written, keys.len(), "{line}");
    value
}
