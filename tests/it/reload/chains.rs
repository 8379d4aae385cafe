//! Goal: while a put is in progress whose first events are in a full channel, a new file changes the
//! interceptors of its source, and the channel too: each line passes one chain, once, and arrives
//! exactly if it was answered `OK`, once. Method: a channel that nobody empties yet; a chain that
//! drops a line which it is shown twice, and marks the others with its letter; lines without an `OK`
//! are sent again after the change, and every body that arrives is compared.

use std::collections::BTreeMap;

use super::*;

const LINES: u64 = 300;

/// The capacity of the channel at first.
const CAPACITY: u32 = 40;

/// The agent with a chain that marks lines with a letter, over a channel of this name and capacity.
fn marked(input: u16, output: u16, letter: &str, channel: &str, capacity: u32) -> AgentFile {
    let chain = "sources.r1.interceptors";
    AgentFile::new("a1")
        .memory(channel, capacity, 10)
        .netcat("r1", input)
        .avro_sink("k1", output, 10)
        .set(chain, "i1 i2 i3")
        .set(&format!("{chain}.i1.type"), "regex_extractor")
        .set(&format!("{chain}.i1.regex"), "^(.*)$")
        .set(&format!("{chain}.i1.serializers"), "s1")
        .set(&format!("{chain}.i1.serializers.s1.name"), "line")
        .set(
            &format!("{chain}.i2.type"),
            flume_artifacts::shipped("dedupe").display(),
        )
        .set(&format!("{chain}.i2.header"), "line")
        .set(&format!("{chain}.i3.type"), "search_replace")
        .set(&format!("{chain}.i3.searchPattern"), "^(.*)$")
        .set(&format!("{chain}.i3.replaceString"), format!("{letter} $1"))
}

/// The lines `n 0`, `n 1`, … into a full channel, then the other file, then the lines without an `OK`.
fn check(on_full: &str, channel: &str, capacity: u32) {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let with_key = |file: AgentFile| file.set("sources.r1.on-full", on_full).text();
    let first = marked(input, output, "A", "c1", CAPACITY);
    let mut host = Host::start(&scratch, "agent", &with_key(first));
    let feed = Feed::start(input, Lines::new("n", LINES));
    eventually("the channel is full", PATIENCE, || {
        let full = host.counter("CHANNEL.c1", "ChannelSize") == u64::from(CAPACITY);
        full.then_some(())
    });
    let second = marked(input, output, "B", channel, capacity);
    host.reload(&with_key(second), 1, PATIENCE);
    let mut replies = feed.finish(PATIENCE);
    let acknowledged = replies.acknowledged.len() as u64;
    assert!(acknowledged >= u64::from(CAPACITY), "{replies:?}");
    assert!(acknowledged < LINES, "some wait");

    let (_collector, landed) = collector(&scratch, output);
    let mut missing: Vec<u64> = replies.failed.iter().map(|(number, _)| *number).collect();
    missing.append(&mut replies.unanswered);
    let mut client = Client::connect(input);
    for number in &missing {
        eventually("a line has room", PATIENCE, || {
            (client.types(&format!("n {number}")) == "OK").then_some(())
        });
    }
    eventually("all lines have landed", PATIENCE, || {
        (landed.bodies().len() as u64 >= LINES).then_some(())
    });
    assert!(host.term(PATIENCE).success(), "nothing is left");
    let text = |(letter, number): (&str, &u64)| format!("{letter} n {number}");
    let by_first = replies.acknowledged.iter().map(|number| ("A", number));
    let by_second = missing.iter().map(|number| ("B", number));
    let expected = by_first.chain(by_second).map(text);
    // Lines have more words than these three.
    let first_words = |body: Vec<u8>| -> String {
        let body = String::from_utf8(body).expect("text");
        let words: Vec<&str> = body.split(' ').take(3).collect();
        words.join(" ")
    };
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    for body in landed.bodies() {
        *counts.entry(first_words(body)).or_default() += 1;
    }
    for line in expected {
        *counts.entry(line).or_default() -= 1;
    }
    counts.retain(|_, difference| *difference != 0);
    assert!(
        counts.is_empty(),
        "more or less than it should be: {counts:?}"
    );
}

#[test]
fn a_new_chain_over_a_full_channel() {
    for on_full in ["fail", "block"] {
        check(on_full, "c1", CAPACITY);
    }
}

#[test]
fn a_new_chain_and_a_larger_channel() {
    for on_full in ["fail", "block"] {
        check(on_full, "c1", 2 * CAPACITY);
    }
}

#[test]
fn a_new_chain_and_a_smaller_channel() {
    check("block", "c1", CAPACITY / 2);
}

#[test]
fn a_new_chain_and_a_channel_of_another_name() {
    for on_full in ["fail", "block"] {
        check(on_full, "c2", CAPACITY);
    }
}
