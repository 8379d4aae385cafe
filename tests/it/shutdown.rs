//! Goal: after SIGTERM, every event that can still be delivered is, and the log says how many were
//! left; a second signal does not wait, and neither does the first for a reload or a compiler;
//! signals that ask for a status end nothing. Method: an agent, netcat → memory → avro, whose collector
//! is up or missing; for a slow one see `peers::interop::shutdown`.

use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};
use rustix::process::Signal;

/// Longer than any sensible default drain deadline.
const PATIENCE: Duration = Duration::from_secs(60);

/// Far less than the drain timeout of 30 s, for which each of these once waited.
/// (`host/agent/src/host/deadline.rs` holds the exact promise, in paused time.)
const AT_ONCE: Duration = Duration::from_secs(20);

pub(crate) fn sender(input: u16, output: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", output, 100)
}

#[test]
fn a_term_drains_the_channel() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("landed");
    let collector = AgentFile::new("a2")
        .memory("c1", 20_000, 1_000)
        .avro_source("r1", output)
        .file_roll("k1", &folder, 1_000);
    let mut collector = Host::start(&scratch, "collector", &collector.text());
    let mut sender = Host::start(&scratch, "sender", &sender(input, output).text());
    Feed::send(input, Lines::new("n", 10_000), PATIENCE).assert_all_acknowledged();
    // The sender first, then the collector: each drains into the next.
    assert!(
        sender.term(PATIENCE).success(),
        "a drained sender exits with success"
    );
    assert!(
        collector.term(PATIENCE).success(),
        "a drained collector exits with success"
    );
    let tally = landing::count(&[&Landing::Folder(folder)], "n", 10_000);
    tally.assert_exact("acknowledged before the signal");
}

#[test]
fn a_term_says_what_was_left() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let file = scratch.file("a1.properties", &sender(input, nobody).text());
    let mut sender = Host::run(&scratch, "sender", &file, &["--drain-timeout", "2"]);
    Feed::send(input, Lines::new("n", 1_237), PATIENCE).assert_all_acknowledged();
    let before = sender.process().log().len();
    sender.term(PATIENCE);
    let log = sender.process().log();
    let after = log.get(before..).unwrap_or_default();
    let plain = after.replace([',', '_'], "");
    assert!(
        plain.contains("1237"),
        "the log does not say that 1,237 events were left:\n{after}"
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    for (second, expected) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        assert_eq!(second_signal(second), Some(expected), "{second:?}");
    }
}

/// The exit status after SIGTERM and another signal.
fn second_signal(second: Signal) -> Option<i32> {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let mut sender = Host::start(&scratch, "sender", &sender(input, nobody).text());
    Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    sender.process().term();
    // Once its source is closed, it has seen the signal; if it still runs after that, it is
    // draining.
    let closed = || (!ports::listening(input)).then_some(());
    eventually("the source closes at the first signal", PATIENCE, closed);
    assert!(
        sender.process().ended().is_none(),
        "it waits for the channel to drain"
    );
    let start = Instant::now();
    sender.process().signal(second);
    let status = sender.process().wait(PATIENCE);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "the second signal took {took:?}");
    status.code()
}

#[test]
fn signals_for_a_status_end_nothing() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let mut sender = Host::start(&scratch, "sender", &sender(input, nobody).text());
    Feed::send(input, Lines::new("n", 321), PATIENCE).assert_all_acknowledged();
    let signals = [Signal::QUIT, Signal::USR1, Signal::USR2];
    for (signal, times) in signals.into_iter().zip(1..) {
        sender.process().signal(signal);
        let process = sender.process();
        process.await_said("status of a channel", times, PATIENCE);
        process.await_said("status of a sink", times, PATIENCE);
    }
    let log = sender.process().log();
    let line = |what: &str| {
        let found = log.lines().find(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what}")).to_owned()
    };
    assert!(line("status of a channel").contains("events="), "{log}");
    let source = line("status of a source");
    assert!(source.contains("state=\"running\""), "{source}");
    assert!(
        source.contains(&format!("address=127.0.0.1:{input}")),
        "{source}"
    );
    Feed::send(input, Lines::new("m", 10), PATIENCE).assert_all_acknowledged();
}

/// Two flows to nobody.
fn two_flows(first: &str, inputs: [u16; 2], nobody: u16) -> String {
    let [one, two] = inputs;
    AgentFile::new("a1")
        .memory(first, 1_000, 100)
        .memory("c2", 1_000, 100)
        .netcat("r1", one)
        .netcat("r2", two)
        .feeds("r1", first)
        .feeds("r2", "c2")
        .avro_sink("k1", nobody, 100)
        .avro_sink("k2", nobody, 100)
        .drains("k2", "c2")
        .text()
}

#[test]
fn a_term_right_after_a_change_ends_in_time() {
    let scratch = Scratch::new();
    let (inputs, nobody) = ([ports::free(), ports::free()], ports::free());
    let file = scratch.file("a1.properties", &two_flows("c1", inputs, nobody));
    let mut sender = Host::run(&scratch, "sender", &file, &["--drain-timeout", "6"]);
    for input in inputs {
        Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    }
    sender.rewrite(&two_flows("c9", inputs, nobody));
    let start = Instant::now();
    sender.process().term();
    let closed = || (!ports::listening(inputs[1])).then_some(());
    eventually("a source closes", AT_ONCE, closed);
    let status = sender.process().wait(PATIENCE);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "SIGTERM took {took:?}");
    assert_eq!(status.code(), Some(1), "events are left");
}

/// A selector that takes many seconds to compile: functions of many loops over many variables.
fn slow_to_compile() -> String {
    const LOCALS: usize = 600;
    let text = std::fs::read_to_string(flume_artifacts::hostile("import_trap"));
    let text = text.expect("a guest as text");
    let local = |number: usize| 2 + number % LOCALS;
    let step = |n: usize| {
        let (to, from, until) = (local(n * 7), local(n * 13), local(n));
        format!(
            "(loop (local.set {to} (i32.add (local.get {from}) (local.get 1))) \
             (br_if 0 (local.get {until})))"
        )
    };
    let steps: String = (0..8_000).map(step).collect();
    let locals = "i32 ".repeat(LOCALS);
    let function = format!("(func (param i32 i32) (local {locals}) {steps})\n");
    let end = text.rfind(')').expect("a module");
    let (text, _) = text.split_at(end);
    format!("{text}{})", function.repeat(4))
}

#[test]
fn a_term_does_not_wait_for_a_compiler() {
    let scratch = Scratch::new();
    let (input, nobody) = (ports::free(), ports::free());
    let plain = sender(input, nobody).avro_sink("k2", nobody, 100);
    let file = scratch.file("a1.properties", &plain.text());
    let words = ["--drain-timeout", "2", "--policy-cache", "none"];
    let mut sender = Host::run(&scratch, "sender", &file, &words);
    Feed::send(input, Lines::new("n", 100), PATIENCE).assert_all_acknowledged();
    std::fs::write(scratch.path("slow.wat"), slow_to_compile()).expect("a file");
    let group = plain
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "load_balance")
        .set("sinkgroups.g1.processor.selector", "slow.wat");
    sender.rewrite(&group.text());
    // Long enough for the compiler to begin, and not for it to end.
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    let status = sender.term(PATIENCE);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "SIGTERM took {took:?}");
    assert_eq!(status.code(), Some(1), "events are left");
    let reloaded = sender.process().said("agent runs from the new file");
    assert_eq!(reloaded, 0, "the compiler was still at work");
}
