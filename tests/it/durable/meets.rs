//! Goal: a durable channel keeps its word where it meets the rest: a collector that hangs, a policy
//! that is swapped, a kill in the middle of both. Method: two collectors behind a policy that always
//! tries the first, and lines that are counted.

use rustix::process::Signal;

use super::*;
use crate::policies::module;

/// Lines of each step.
const STEP: u64 = 5_000;

fn agent(input: u16, outputs: [u16; 2], folder: &Path) -> AgentFile {
    let mut file = AgentFile::new("a1")
        .file_channel("c1", folder)
        .netcat("r1", input);
    for (name, output) in ["k1", "k2"].into_iter().zip(outputs) {
        file = file.avro_sink(name, output, 100).sink_keys(
            name,
            &[("connect-timeout", "2000"), ("request-timeout", "2000")],
        );
    }
    file.group(
        "k1 k2",
        &[("type", "load_balance"), ("selector", "order.wat")],
    )
    .set("policies.deadline-ms", 2_000)
    .set("policies.start-deadline-ms", 20_000)
}

#[test]
fn a_hung_collector_a_swapped_policy_and_a_kill_lose_nothing_together() {
    let scratch = Scratch::new();
    let (input, outputs) = (ports::free(), [ports::free(), ports::free()]);
    let [(mut first, one), (_second, other)] =
        [0, 1].map(|at| collector(&scratch, &format!("collector{at}"), outputs[at]));
    let policy = scratch.file("order.wat", &module(1));
    let text = agent(input, outputs, &scratch.folder("channel")).text();
    let mut sender = Host::start(&scratch, "sender", &text);
    let send = |step: u64| {
        let lines = Lines::new("n", STEP).from(step * STEP);
        Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
    };
    let both = [&one, &other];
    let landed = |steps: u64| {
        let all = || {
            let tally = landing::count(&both, "n", steps * STEP);
            tally.lost().is_empty().then_some(())
        };
        eventually("all that was answered has landed", PATIENCE, all);
    };
    send(0);
    landed(1);
    // Lines are answered while the only collector that the policy tries first hangs.
    first.process().signal(Signal::STOP);
    send(1);
    std::fs::write(&policy, module(2)).expect("another version");
    sender.process().await_said("policy swapped", 1, PATIENCE);
    send(2);
    landed(3);
    // A kill while one collector hangs and a version has just taken over.
    let feed = Feed::start(input, Lines::new("n", STEP).from(3 * STEP));
    feed.await_acknowledged(STEP / 2, PATIENCE);
    std::fs::write(&policy, module(1)).expect("the version before");
    sender.kill();
    let acknowledged = feed.finish(PATIENCE).acknowledged;
    sender.restart();
    first.process().signal(Signal::CONT);
    send(4);
    let all = || {
        let tally = landing::count(&both, "n", 5 * STEP);
        let is_there = |number: &u64| tally.has(*number);
        let rest: Vec<u64> = (0..3 * STEP).chain(4 * STEP..5 * STEP).collect();
        (acknowledged.iter().all(is_there) && rest.iter().all(is_there)).then_some(tally)
    };
    let tally = eventually("all that was answered has landed", PATIENCE, all);
    assert!(tally.doubled() <= 2 * DOUBLED, "{}", tally.doubled());
}
