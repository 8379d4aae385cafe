//! Goal: edits of anything, under load, lose and double nothing: ports, interceptors, limits of the
//! channel, batch sizes, kinds and members of the group, the selector, and the policy's own file.
//! (`departing::full` edits names while a collector is away.) Method: netcat → memory → avro sinks to
//! two collectors; each edit changes some of these at random, from a seed, and now and then the file
//! or the policy is broken and has to be refused.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use flume_tests::{
    AgentFile, Feed, Host, Lines, Scratch, Seed, Tally, collector, eventually, landing, ports, say,
};

use crate::policies::{module, move_into};

const PATIENCE: Duration = Duration::from_secs(120);

/// How long the drill lasts.
const DRILL: Duration = Duration::from_secs(30);

/// Lines that are acknowledged between two edits.
const SOME: u64 = 400;

const RATE: u64 = 4_000;

/// Interceptors that leave the body as it is.
const INTERCEPTORS: [&[(&str, &str)]; 4] = [
    &[],
    &[("type", "timestamp")],
    &[("type", "static"), ("key", "datacenter"), ("value", "one")],
    &[
        ("type", "regex_filter"),
        ("regex", "no line has this"),
        ("excludeEvents", "true"),
    ],
];

/// Members of the group; the other sinks of the three drain the channel without a group.
const MEMBERS: [&[&str]; 4] = [
    &["k1", "k2"],
    &["k2", "k3"],
    &["k3", "k1"],
    &["k1", "k2", "k3"],
];

/// What the file says now.
#[derive(Clone)]
struct Choices {
    input: u16,
    interceptor: &'static [(&'static str, &'static str)],
    capacity: u32,
    batch: u32,
    /// Whether sinks outside of the group exist.
    loners: bool,
    members: &'static [&'static str],
    processor: &'static [(&'static str, &'static str)],
}

const PROCESSORS: [&[(&str, &str)]; 4] = [
    &[("type", "load_balance")],
    &[
        ("type", "load_balance"),
        ("backoff", "true"),
        ("selector", "random"),
    ],
    &[
        ("type", "load_balance"),
        ("selector", "order.wat"),
        ("parallelism", "2"),
    ],
    &[("type", "failover"), ("maxpenalty", "1000")],
];

impl Choices {
    fn edit(&mut self, seed: &mut Seed, inputs: &[u16]) {
        match seed.below(6) {
            0 => self.input = *seed.one_of(inputs),
            1 => self.interceptor = *seed.one_of(&INTERCEPTORS),
            2 => self.capacity = *seed.one_of(&[200_000, 300_000, 400_000]),
            3 => self.batch = *seed.one_of(&[20, 100, 500]),
            4 => {
                self.members = *seed.one_of(&MEMBERS);
                self.loners = seed.below(2) == 0;
            }
            _ => self.processor = *seed.one_of(&PROCESSORS),
        }
    }

    fn names_policy(&self) -> bool {
        self.processor.contains(&("selector", "order.wat"))
    }

    fn text(&self, outputs: [u16; 3]) -> String {
        let mut file = AgentFile::new("a1")
            .memory("c1", self.capacity, 1_000)
            .netcat("r1", self.input)
            // The machine may be busy with other tests.
            .set("policies.deadline-ms", 2_000)
            .set("policies.start-deadline-ms", 20_000);
        if !self.interceptor.is_empty() {
            file = file.set("sources.r1.interceptors", "i1");
        }
        for (key, value) in self.interceptor {
            file = file.set(&format!("sources.r1.interceptors.i1.{key}"), value);
        }
        for (name, port) in ["k1", "k2", "k3"].into_iter().zip(outputs) {
            if self.loners || self.members.contains(&name) {
                file = file.avro_sink(name, port, self.batch);
            }
        }
        file = file.group(&self.members.join(" "), self.processor);
        if self.processor.contains(&("type", "failover")) {
            for (place, name) in self.members.iter().enumerate() {
                let key = format!("sinkgroups.g1.processor.priority.{name}");
                file = file.set(&key, place + 1);
            }
        }
        file.text()
    }
}

/// A file that cannot be used: the agent goes on with what it has.
fn break_file(host: &mut Host, good: &str) {
    let refused = |host: &Host| host.counter("PROCESS.flume-host", "ReloadRefusedCount");
    let before = refused(host);
    host.rewrite(&good.replace("type = netcat", "type = netcut"));
    eventually("the broken file is refused", PATIENCE, || {
        (refused(host) > before).then_some(())
    });
}

/// A policy that cannot be used: the group goes on with what it has.
fn break_policy(host: &mut Host, policy: &Path, is_used: bool) {
    let refused = "the policy stays as it is";
    let before = host.process().said(refused);
    move_into(policy, "(module)");
    if is_used {
        host.process().await_said(refused, before + 1, PATIENCE);
    }
    // Otherwise the next edit of the file would be refused.
    move_into(policy, &module(1));
}

#[test]
fn half_a_minute_of_edits_of_anything_loses_and_doubles_nothing() {
    let mut seed = Seed::of_drill("edits");
    let scratch = Scratch::new();
    let [one, two, first, second] = std::array::from_fn(|_| ports::free());
    let (_first, first_landed) = collector(&scratch, "first", first);
    let (_second, second_landed) = collector(&scratch, "second", second);
    let policy = scratch.file("order.wat", &module(1));
    let mut choices = Choices {
        input: one,
        interceptor: INTERCEPTORS[0],
        capacity: 200_000,
        batch: 100,
        loners: false,
        members: MEMBERS[0],
        processor: PROCESSORS[2],
    };
    let outputs = [first, second, second];
    let mut text = choices.text(outputs);
    let mut host = Host::start(&scratch, "sender", &text);
    let (mut sent, mut open, mut edits) = (0, HashSet::new(), 0);
    let start = Instant::now();
    while start.elapsed() < DRILL {
        let feed = Feed::start(
            choices.input,
            Lines::new("n", 1_000_000).from(sent).rate(RATE),
        );
        feed.await_acknowledged(SOME, PATIENCE);
        edits += 1;
        match seed.below(8) {
            0 => break_file(&mut host, &text),
            1 => break_policy(&mut host, &policy, choices.names_policy()),
            2 | 3 => move_into(&policy, &module(if seed.below(2) == 0 { 1 } else { 2 })),
            _ => {}
        }
        for _ in 0..=seed.below(3) {
            choices.edit(&mut seed, &[one, two]);
        }
        text = choices.text(outputs);
        host.reload(&text, 1, PATIENCE);
        let replies = feed.stop(PATIENCE);
        assert_eq!(replies.failed, [], "after {edits} edits");
        open.extend(replies.unanswered.iter().copied());
        sent += (replies.acknowledged.len() + replies.unanswered.len()) as u64;
    }
    // A line without an answer may have been taken in or not.
    let all = |tally: &Tally| tally.lost().iter().all(|lost| open.contains(lost));
    let both = [&first_landed, &second_landed];
    let tally = landing::await_tally(&both, "n", sent, PATIENCE, all);
    say::line(&format!(
        "{edits} edits: {tally}; {} without an answer",
        open.len()
    ));
    assert!(all(&tally), "{tally}");
    tally.assert_within("after the edits", open.len() as u64, 0);
    assert!(edits > 10, "{edits}");
}
