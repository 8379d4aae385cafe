//! Goal: a channel in memory takes what its sink cannot, hours of it, on a disk; keeps the order; is in
//! memory again when the sink is well; and says all of that in its numbers. A stop in the midst loses nothing.

use flume_tests::host;

use super::*;

/// Lines into a channel of 500 events in memory, and out to a collector, one batch at a time.
fn spilling(input: u16, output: u16, folder: &Path, timeout: u32) -> AgentFile {
    AgentFile::new("a1")
        .spillable("c1", folder, 500, timeout)
        .netcat("r1", input)
        .avro_sink("k1", output, 100)
        .set("sinks.k1.max-in-flight", 1)
}

/// The numbers of the lines that have landed, in order, doubled ones included.
fn landed_numbers(landed: &flume_tests::Landing) -> Vec<u64> {
    let number = |body: Vec<u8>| {
        let text = String::from_utf8(body).expect("a line");
        let digits: String = text
            .chars()
            .skip(2)
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().expect("a numbered line")
    };
    landed.bodies().into_iter().map(number).collect()
}

/// The numbers of the lines that `channel export` gives.
fn exported_numbers(data: &Path) -> Vec<u64> {
    let done = host::command(&["channel", "export", &data.display().to_string()], "");
    assert!(done.status.success(), "{}", done.stderr);
    let number = |line: &str| {
        let (_, text) = line.split_once("\"body\":\"n ").expect("a body");
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a numbered line")
    };
    done.stdout.lines().map(number).collect()
}

#[test]
fn what_memory_has_no_room_for_is_spilled_and_arrives_in_order() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("channel");
    let file = spilling(input, output, &folder, 1);
    let mut sender = Host::start(&scratch, "sender", &file.text());
    let counter = |sender: &Host, name: &str| sender.counter("CHANNEL.c1", name);
    Feed::send(input, Lines::new("n", 400), PATIENCE).assert_all_acknowledged();
    assert_eq!(counter(&sender, "EventKeptCount"), 400);
    assert_eq!(
        (counter(&sender, "Spilling"), counter(&sender, "SpillCount")),
        (0, 0)
    );
    // Nothing is taken away, so one put waits a second, and then all go to the disk.
    Feed::send(input, Lines::new("n", 9_600).from(400), PATIENCE).assert_all_acknowledged();
    let kept = counter(&sender, "EventKeptCount");
    assert!(kept <= 500, "{kept} in memory");
    assert_eq!(counter(&sender, "EventSpilledCount"), 10_000 - kept);
    assert_eq!(counter(&sender, "SpilledSize"), 10_000 - kept);
    assert_eq!(
        (counter(&sender, "Spilling"), counter(&sender, "SpillCount")),
        (1, 1)
    );
    assert!(
        sender
            .process()
            .said("memory is full: events go to the disk")
            > 0
    );
    // A stop waits for no sink.
    assert!(
        sender.term(PATIENCE).success(),
        "what is in memory is written"
    );
    assert!(sender.process().said("what was in memory is on the disk") > 0);
    assert_eq!(
        exported_numbers(&folder.join("data")),
        (0..10_000).collect::<Vec<u64>>(),
        "in the order of the channel, not of its log"
    );
    sender.restart();
    assert_eq!(counter(&sender, "EventFoundCount"), 10_000);
    let (_collector, landed) = collector(&scratch, "collector", output);
    let all = || (landing::count(&[&landed], "n", 10_000).lost().is_empty()).then_some(());
    eventually("all has landed", PATIENCE, all);
    let is_drained = || (counter(&sender, "SpilledSize") == 0).then_some(());
    eventually("the disk is empty", PATIENCE, is_drained);
    Feed::send(input, Lines::new("n", 100).from(10_000), PATIENCE).assert_all_acknowledged();
    assert_eq!(
        counter(&sender, "EventKeptCount"),
        100,
        "memory comes first again"
    );
    assert_eq!(
        (
            counter(&sender, "Spilling"),
            counter(&sender, "EventSpilledCount")
        ),
        (0, 0)
    );
    sender.await_delivered("c1", 10_100, PATIENCE);
    assert!(sender.term(PATIENCE).success());
    landing::count(&[&landed], "n", 10_100).assert_exact("through memory and disk");
    assert!(
        landed_numbers(&landed).is_sorted(),
        "in order, over a stop too"
    );
}

/// A kill loses what is in memory alone, and nothing else.
#[test]
fn a_kill_leaves_what_was_spilled() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("channel");
    let file = spilling(input, output, &folder, 0);
    let mut sender = Host::start(&scratch, "sender", &file.text());
    Feed::send(input, Lines::new("n", 3_000), PATIENCE).assert_all_acknowledged();
    let kept = sender.counter("CHANNEL.c1", "EventKeptCount");
    sender.kill();
    sender.restart();
    assert_eq!(
        sender.counter("CHANNEL.c1", "EventFoundCount"),
        3_000 - kept
    );
    let (_collector, landed) = collector(&scratch, "collector", output);
    sender.await_delivered("c1", 3_000 - kept, PATIENCE);
    assert!(sender.term(PATIENCE).success());
    let arrived = landed_numbers(&landed);
    let last = arrived.iter().skip_while(|number| **number < kept);
    assert_eq!(
        (arrived.len() as u64, last.count() as u64),
        (3_000 - kept, 3_000 - kept)
    );
    assert!(arrived.is_sorted());
}
