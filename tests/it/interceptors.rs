//! Goal: what was answered with `OK` arrives, also where lines wait for room after interceptors that
//! remember. Method: distinct lines of several lengths, as fast as they go, into Flume's default
//! channel of 100 events, through a native interceptor and the shipped policy dedupe, which drops a
//! line that it is shown twice; what landed is counted one by one.

use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, landing, ports};

const PATIENCE: Duration = Duration::from_secs(120);

const EVENTS: u64 = 20_000;

/// netcat → regex_extractor, dedupe → memory → a folder.
fn agent(scratch: &Scratch, input: u16) -> String {
    let chain = "sources.r1.interceptors";
    AgentFile::new("a1")
        .netcat("r1", input)
        .plain_memory("c1")
        .file_roll("k1", &scratch.folder("out"), 100)
        .set(chain, "i1 i2")
        .set(&format!("{chain}.i1.type"), "regex_extractor")
        .set(&format!("{chain}.i1.regex"), "^(.*)$")
        .set(&format!("{chain}.i1.serializers"), "s1")
        .set(&format!("{chain}.i1.serializers.s1.name"), "line")
        .set(
            &format!("{chain}.i2.type"),
            flume_artifacts::shipped("dedupe").display(),
        )
        .set(&format!("{chain}.i2.header"), "line")
        .text()
}

#[test]
fn lines_that_wait_for_room_are_not_intercepted_again() {
    let scratch = Scratch::new();
    let input = ports::free();
    let mut host = Host::start(&scratch, "agent", &agent(&scratch, input));
    let feed = Feed::start(input, Lines::new("n", EVENTS));
    feed.finish(PATIENCE).assert_all_acknowledged();
    host.await_delivered("c1", EVENTS, PATIENCE);
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let landed = Landing::Folder(scratch.folder("out"));
    landing::count(&[&landed], "n", EVENTS).assert_exact("interceptors that remember");
}
