//! Goal: who reads the log decides nothing but what he reads. Nobody reads it: sources, the admin
//! port and signals work on, and what is missing is counted. Others choose words in it: they forge
//! no line and no key. Every line says whose it is. Method: an agent whose standard error is a pipe
//! that is not read, and two that log JSON: about a hostile policy and a collector that is missing,
//! and about all that fails.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Lines, Scratch, eventually, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The drain timeout of 3 s, and what a busy machine adds.
/// (`host/agent/src/host/deadline.rs` holds the exact promise, in paused time.)
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

/// A selector that says hostile words at its first call after the trial, and fails.
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
        .netcat("r1", input)
        .attacking("r1", "");
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

/// A port in use, a command that fails, a collector and a folder that are missing, and an end with
/// events left. Who searches by agent and component finds every line of it.
#[test]
fn every_json_line_says_whose_it_is_and_why() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let missing = scratch.path("missing");
    let before = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .memory("c2", 1_000, 100)
        .netcat("r1", input)
        .avro_sink("k1", nobody, 100)
        .file_roll("k2", &missing, 100)
        .drains("k2", "c2");
    let file = scratch.file("a1.properties", &before.text());
    let words = ["--log-format", "json", "--drain-timeout", "1"];
    let mut host = Host::run(&scratch, "a1", &file, &words);
    Feed::send(input, Lines::new("n", 10), PATIENCE).assert_all_acknowledged();
    let more = before
        .netcat("r2", input)
        .set("sources.r3.type", "exec")
        .set("sources.r3.command", "sh /no/such/script")
        .set("sources.r3.channels", "c1");
    let (two, three) = (".sources = r1 r2\n", ".sources = r1 r2 r3\n");
    host.rewrite(&more.text().replace(two, three));
    // What is said by whom, and parts of its cause: the first and the last link of the chain.
    let expected: [(&str, &str, &[&str]); 5] = [
        ("source did not start", "r2", &["unable to bind", "in use"]),
        ("command exited with an error", "r3", &[]),
        (
            "unable to deliver events",
            "k1",
            &["Failed to send", "refused"],
        ),
        (
            "unable to deliver events",
            "k2",
            &["unable to write", "No such"],
        ),
        ("sink did not start", "k2", &["cannot be used", "No such"]),
    ];
    for (message, component, parts) in expected {
        let said = || {
            let log = host.process().log();
            // The last line may not be whole yet.
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let mut lines = whole.lines().map(strict);
            let line = lines.find(|line| {
                line["message"] == message
                    && line["agent"] == "a1"
                    && line["component"] == component
            })?;
            let error = line["error"].as_str().unwrap_or_default().to_owned();
            assert!(parts.iter().all(|part| error.contains(part)), "{line}");
            Some(())
        };
        eventually(&format!("{component}: {message}"), PATIENCE, said);
    }
    host.term(PATIENCE);
    for line in host.process().log().lines().map(strict) {
        assert_has_its_owner(&line);
    }
}

/// Lines of the process have none, those of an agent have it, all others a component, too.
fn assert_has_its_owner(line: &Value) {
    let of_process = [
        "memory limit: ",
        "admin port listens",
        "no admin port",
        "admin socket listens",
        "no admin socket",
        "the reload is over",
        "stopping: ",
        "stopped",
    ];
    let of_agent = [
        "agent started",
        "agent runs from the new file",
        "agent stopped",
        "events were left in the channel",
    ];
    let message = line["message"].as_str().expect("a message");
    let is_one_of = |all: &[&str]| all.iter().any(|begin| message.starts_with(begin));
    // A finding says its place in the file.
    if is_one_of(&of_process) || line["file"].is_string() {
        return;
    }
    assert_eq!(line["agent"], "a1", "{line}");
    let component = line["component"].as_str();
    let is_known = component.is_some_and(|name| ["r1", "r2", "r3", "k1", "k2"].contains(&name));
    assert!(is_known || is_one_of(&of_agent), "{line}");
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
