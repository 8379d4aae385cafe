//! Goal: a node of Flume is killed in the middle of its work and replaced in place: each line that it
//! had answered is delivered, by it or by its successor. Method: netcat → file → avro of real Flume
//! under load, `kill -9` after another number of answers in each round, then our agent with the same
//! file. In every second round the collector is away until then.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Host, Lines, Release, Scratch, Stage, collector, eventually, landing, ports,
    require, say,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// Rounds of the full tier; `FLUME_TESTS_ROUNDS` has more of them.
const ROUNDS: u64 = 2;

/// More lines than Flume answers before it is killed.
const LINES: u64 = 100_000;

/// Answers before the kill, at most.
const ANSWERS: u64 = 8_000;

const BATCH: u32 = 100;

fn rounds() -> u64 {
    let given = std::env::var("FLUME_TESTS_ROUNDS").ok();
    given.map_or(ROUNDS, |given| {
        given
            .parse()
            .unwrap_or_else(|_| panic!("FLUME_TESTS_ROUNDS={given} is no number"))
    })
}

/// How many events may come twice, as the agent says.
fn reported(log: &str) -> u64 {
    let lines = log.lines().filter(|line| line.contains(" may come twice"));
    let count = |line: &str| {
        let words = line.split(|letter: char| !letter.is_ascii_digit());
        words.filter_map(|word| word.parse::<u64>().ok()).max()
    };
    lines.filter_map(count).sum()
}

fn killed_and_replaced(stage: &Stage, round: u64) {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let start_collector = || collector(&scratch, "collector", output);
    let early = (round.is_multiple_of(2)).then(start_collector);
    let file = AgentFile::new("a1")
        .file_channel("c1", &scratch.folder("channel"))
        .netcat("r1", input)
        .avro_sink("k1", output, BATCH);
    let mut flume = stage.start(&scratch, "flume", &file, &[input]);
    let feed = Feed::start(input, Lines::new("n", LINES));
    feed.await_acknowledged(1 + (round * 3_001 + 4_001) % ANSWERS, PATIENCE);
    flume.kill();
    let acknowledged = feed.finish(PATIENCE).acknowledged;
    let (_collector, landed) = early.unwrap_or_else(start_collector);
    let before = landing::count(&[&landed], "n", LINES).arrived();
    let mut successor = Host::start(&scratch, "successor", &file.text());
    let all = || {
        let tally = landing::count(&[&landed], "n", LINES);
        let is_there = |number: &u64| tally.has(*number);
        acknowledged.iter().all(is_there).then_some(tally)
    };
    let tally = eventually("all that Flume answered has landed", PATIENCE, all);
    let log = successor.process().log();
    assert_eq!(
        log.matches("Flume's channel is adopted").count(),
        1,
        "{log}"
    );
    let possible = reported(&log);
    say::line(&format!(
        "round {round}: answered {}, delivered by Flume {before}, by both {}, twice {} ({possible} \
         reported)",
        acknowledged.len(),
        tally.arrived(),
        tally.doubled(),
    ));
    // A batch that Flume had delivered, and not yet noted.
    let most = possible + u64::from(BATCH);
    assert!(
        tally.doubled() <= most,
        "{} doubled: {log}",
        tally.doubled()
    );
}

fn adopted(release: Release) {
    let stage = require!(Stage::enter(release, 1));
    (0..rounds()).for_each(|round| killed_and_replaced(&stage, round));
}

#[test]
fn what_flume_1_8_had_answered_when_it_was_killed_is_delivered() {
    adopted(Release::V1_8);
}

#[test]
fn what_flume_1_11_had_answered_when_it_was_killed_is_delivered() {
    adopted(Release::V1_11);
}
