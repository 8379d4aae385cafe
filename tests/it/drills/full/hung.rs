//! Goal: a collector that hangs stops its group for one request timeout, not for one after each
//! penalty, and nothing is lost. Method: netcat → memory → a group of two avro sinks; one collector is
//! stopped (SIGSTOP) for six timeouts under a steady load, and then goes on. The group stands still
//! when nothing arrives at the other collector.

use std::time::{Duration, Instant};

use flume_tests::{
    AgentFile, Feed, Host, Landing, Lines, Scratch, UNDER_WAY, collector, eventually, landing,
    ports, say,
};
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(120);

/// `connect-timeout` and `request-timeout` of the sinks.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the collector hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Shorter pauses are those of a busy machine.
const PAUSE: Duration = Duration::from_millis(1_500);

const BATCH: u32 = 50;
const RATE: u64 = 200;
const EVENTS: u64 = 7_200;

/// How long in all nothing arrived, for `time`.
fn stood_still(landed: &Landing, time: Duration) -> Duration {
    let start = Instant::now();
    let (mut seen, mut last, mut still) = (landed.bodies().len(), start, Duration::ZERO);
    let mut count = |last: &mut Instant, now: Instant| {
        let pause = now - *last;
        if pause > PAUSE {
            still += pause;
        }
        *last = now;
    };
    while start.elapsed() < time {
        std::thread::sleep(Duration::from_millis(50));
        let arrived = landed.bodies().len();
        if arrived > seen {
            seen = arrived;
            count(&mut last, Instant::now());
        }
    }
    count(&mut last, Instant::now());
    still
}

fn hangs(keys: &[(&str, &str)]) {
    let (_, processor) = keys[0];
    let scratch = Scratch::new();
    let [input, one, two] = std::array::from_fn(|_| ports::free());
    let (mut hung, hung_landed) = collector(&scratch, "hung", one);
    let (_works, landed) = collector(&scratch, "works", two);
    let millis = TIMEOUT.as_millis().to_string();
    let timeouts = [("connect-timeout", &*millis), ("request-timeout", &*millis)];
    let file = AgentFile::new("a1")
        .memory("c1", 20_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", one, BATCH)
        .avro_sink("k2", two, BATCH)
        .sink_keys("k1", &timeouts)
        .sink_keys("k2", &timeouts)
        .group("k1 k2", keys);
    let _sender = Host::start(&scratch, "sender", &file.text());
    let feed = Feed::start(input, Lines::new("n", EVENTS).rate(RATE));
    eventually("the first collector gets events", PATIENCE, || {
        (!hung_landed.bodies().is_empty()).then_some(())
    });
    hung.process().signal(Signal::STOP);
    let still = stood_still(&landed, HANGS);
    hung.process().signal(Signal::CONT);
    say::line(&format!(
        "{processor}: stood still for {still:?} of {HANGS:?} with a timeout of {TIMEOUT:?}"
    ));
    feed.finish(PATIENCE).assert_all_acknowledged();
    let tally = landing::await_count(&[&hung_landed, &landed], "n", EVENTS, PATIENCE);
    // What it had in its socket when it was stopped, at the first attempt and at each later one.
    say::line(&format!("{processor}: {tally}"));
    tally.assert_at_least_once(processor, 2 * UNDER_WAY * u64::from(BATCH));
    // One timeout, and what a busy machine adds.
    assert!(still < 2 * TIMEOUT, "{processor} stood still for {still:?}");
}

#[test]
fn a_balanced_group_stands_still_once() {
    hangs(&[("type", "load_balance"), ("backoff", "true")]);
}

#[test]
fn a_failover_group_stands_still_once() {
    hangs(&[
        ("type", "failover"),
        ("priority.k1", "10"),
        ("priority.k2", "5"),
    ]);
}
