//! Goal: collectors that are killed at random under load (`kill -9`) cost no acknowledged event, and
//! double no more than what was under way. Method: netcat → memory → two avro sinks, in a group that
//! balances and in one that fails over. The collectors are npm's avsc, which writes an event to its
//! file before it answers: what it has acknowledged is never lost with it, as it would be with a
//! memory channel. Moments, victims and pauses are random, from a seed.

use std::thread::sleep;
use std::time::Duration;

use flume_tests::{
    AgentFile, Avsc, Feed, Host, Lines, Scratch, Seed, UNDER_WAY, landing, ports, require, say,
};

const PATIENCE: Duration = Duration::from_secs(300);
const BATCH: u32 = 50;
const RATE: u64 = 2_000;
const KILLS: u64 = 24;

/// How long a collector may work before the next kill, and be away after it.
const WORKS: Duration = Duration::from_millis(600);
const IS_AWAY: Duration = Duration::from_millis(600);

fn killed(avsc: &Avsc, keys: &[(&str, &str)]) {
    let (_, processor) = keys[0];
    let mut seed = Seed::of_drill(processor);
    let scratch = Scratch::new();
    let [input, one, two] = std::array::from_fn(|_| ports::free());
    let mut servers =
        [("one", one), ("two", two)].map(|(name, port)| avsc.server(&scratch, name, port));
    let file = AgentFile::new("a1")
        .memory("c1", 500_000, 1_000)
        .netcat("r1", input)
        .avro_sink("k1", one, BATCH)
        .avro_sink("k2", two, BATCH)
        .group("k1 k2", keys);
    let sender = Host::start(&scratch, "sender", &file.text());
    let feed = Feed::start(input, Lines::new("n", 1_000_000).rate(RATE));
    for _ in 0..KILLS {
        sleep(seed.up_to(WORKS));
        let both = seed.below(6) == 0;
        let first = usize::from(seed.below(2) == 0);
        servers[first].kill();
        if both {
            sleep(seed.up_to(WORKS));
            servers[1 - first].kill();
        }
        sleep(seed.up_to(IS_AWAY));
        servers[first].restart(&scratch);
        if both {
            servers[1 - first].restart(&scratch);
        }
    }
    let replies = feed.stop(PATIENCE);
    assert_eq!((&*replies.failed, &*replies.unanswered), (&[][..], &[][..]));
    let sent = replies.acknowledged.len() as u64;

    let landings = servers.each_ref().map(|server| server.landing());
    let tally = landing::await_count(&landings.each_ref(), "n", sent, PATIENCE);
    say::line(&format!("{processor}: {tally}"));
    // A kill of both is two.
    tally.assert_at_least_once(processor, 2 * KILLS * UNDER_WAY * u64::from(BATCH));
    let cut = ["SINK.k1", "SINK.k2"].map(|sink| sender.counter(sink, "EventWriteFail"));
    assert!(
        cut.iter().sum::<u64>() > KILLS / 2,
        "failed batches: {cut:?}"
    );
}

#[test]
fn a_balanced_group_loses_nothing() {
    let avsc = require!(Avsc::resolve());
    let keys = [
        ("type", "load_balance"),
        ("backoff", "true"),
        ("selector.maxTimeOut", "1000"),
    ];
    killed(&avsc, &keys);
}

#[test]
fn a_failover_group_loses_nothing() {
    let avsc = require!(Avsc::resolve());
    let priorities = [("priority.k1", "10"), ("priority.k2", "5")];
    let keys = [
        ("type", "failover"),
        priorities[0],
        priorities[1],
        ("maxpenalty", "1000"),
    ];
    killed(&avsc, &keys);
}
