//! Goal: SIGTERM waits for a slow collector and loses nothing.
//! Method: an agent, netcat → memory → avro, whose collector, npm's avsc, is slow to answer.

use std::time::Duration;

use flume_tests::{Avsc, Feed, Host, Lines, Scratch, landing, ports, require};

use crate::shutdown::sender;

/// Longer than any sensible default drain deadline.
const PATIENCE: Duration = Duration::from_secs(300);

/// The signal is sent while most events are still in the channel.
#[test]
fn a_term_waits_for_a_slow_collector() {
    let avsc = require!(Avsc::resolve());
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let mut server = avsc.server(&scratch, "collector", output);
    server.delay(Duration::from_millis(50));
    let mut sender = Host::start(&scratch, "sender", &sender(input, output).text());
    Feed::send(input, Lines::new("n", 3_000), PATIENCE).assert_all_acknowledged();
    assert!(
        server.landing().bodies().len() < 3_000,
        "some events are still in the channel"
    );
    assert!(
        sender.term(PATIENCE).success(),
        "a drained sender exits with success"
    );
    landing::count(&[&server.landing()], "n", 3_000).assert_exact("drained into a slow collector");
}
