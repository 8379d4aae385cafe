//! Goal: a bucket writer that finishes leftovers takes over the file of a writer that is still
//! running, by recovering its lease, and neither of them loses an event. Method: first the file of
//! a real Flume, which has synced it and keeps it open; then the file of another of our agents in
//! the middle of a flow, which has to notice and continue in a new file.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Hadoop, Host, Landing, Lines, Scratch, eventually, landing, ports, require,
};

use super::faults::Flow;

const PATIENCE: Duration = Duration::from_secs(300);

const BATCH: u32 = 500;

/// The log text for a file that was taken over and renamed.
const TAKEN: &str = "leftover finished";

/// The log text for a file that could not be taken over.
const LOST: &str = "cannot finish a leftover";

/// An agent that never rolls its files.
fn agent(input: u16, path: &str) -> AgentFile {
    AgentFile::new("a1")
        .netcat("r1", input)
        .memory("c1", 120_000, BATCH)
        .lines_in("k1", path, BATCH)
        .rolls("k1", 0, 0, 0)
        .sink_keys("k1", &[("hdfs.minBlockReplicas", "1")])
}

/// The same, and it finishes the leftovers of others.
fn successor(input: u16, path: &str) -> AgentFile {
    agent(input, path).sink_keys("k1", &[("hdfs.leftovers", "finish")])
}

#[test]
fn the_file_of_a_running_flume_is_finished() {
    let hadoop = require!(Hadoop::enter_shared());
    let stage = require!(hadoop.flume());
    let scratch = Scratch::new();
    let hdfs = hadoop.shared();
    hdfs.make_folder("/flow");
    let path = format!("{}/flow", hdfs.address());
    let lines = 5_000;

    let input = ports::free();
    let mut flume = stage.start(&scratch, "flume", &agent(input, &path), &[input]);
    Feed::send(input, Lines::new("n", lines), PATIENCE).assert_all_acknowledged();
    eventually("all lines in an open file", PATIENCE, || {
        let files = hdfs.files("/flow");
        let open = &files.first()?.path;
        assert!(open.ends_with(".tmp"), "{open} is open");
        (hdfs.cat(&[open]).lines().count() as u64 == lines).then_some(())
    });

    let input = ports::free();
    let mut host = Host::start(&scratch, "successor", &successor(input, &path).text());
    host.process().await_said(TAKEN, 1, PATIENCE);
    assert!(flume.process().ended().is_none(), "Flume lives");
    let rest = Lines::new("n", lines).from(lines);
    Feed::send(input, rest, PATIENCE).assert_all_acknowledged();
    assert!(host.term(PATIENCE).success(), "the agent ends well");

    let files = hdfs.files("/flow");
    let in_use = files.iter().filter(|file| file.path.ends_with(".tmp"));
    assert_eq!((files.len(), in_use.count()), (2, 0), "{files:?}");
    let copy = scratch.path("copy");
    hdfs.get("/flow", &copy);
    let tally = landing::count(&[&Landing::Folder(copy)], "n", 2 * lines);
    tally.assert_exact("Flume's file and the successor's");
}

#[test]
fn an_agent_whose_file_is_taken_over_continues_in_another_one() {
    let hadoop = require!(Hadoop::enter());
    // The file never rolls, so it is open when it is taken over.
    let flow = Flow::start_with(&hadoop, 0, |_| {});
    let path = format!("{}/flow", flow.hdfs.address());
    let file = successor(ports::free(), &path).text();
    let mut successor = Host::start(&flow.scratch, "successor", &file);
    eventually("an open file is taken over", PATIENCE, || {
        if successor.process().said(TAKEN) > 0 {
            return Some(());
        }
        // Its owner noticed the loss first, and gave the file its name itself. Its next one is open.
        if successor.process().said(LOST) > 0 {
            successor.kill();
            successor.restart();
        }
        None
    });
    flow.await_met();
    assert!(
        successor.term(PATIENCE).success(),
        "the successor exits with success"
    );
    flow.assert_complete("an open file taken by another agent");
}
