//! Disks that are full, die or become read-only: what was answered is delivered.

use flume_tests::{SmallDisk, failing_disk, require, small_disk};

use super::*;

#[test]
fn a_full_disk_stops_puts_and_nothing_else() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("disk");
    let disk = require!(SmallDisk::over(folder.clone(), 24));
    let text = sender(input, output, &folder)
        .set("channels.c1.maxFileSize", 4 << 20)
        .text();
    let file = scratch.file("sender.properties", &text);
    let mut agent = Host::run_by(&mut disk.program("true"), &scratch, "sender", &file, &[]);
    let seen = disk.of(agent.process());
    Feed::send(input, Lines::new("n", 2_000), PATIENCE).assert_all_acknowledged();
    let filler = small_disk::fill(&seen);
    let full = Feed::send(
        input,
        Lines::new("n", 60_000).from(2_000).rate(20_000),
        PATIENCE,
    );
    assert!(!full.failed.is_empty(), "the disk is full");
    let (status, page) = agent.page("/readyz?verbose").unwrap();
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("Usable space exhausted"), "{page}");
    let (_collector, landed) = collector(&scratch, "collector", output);
    let answered: Vec<u64> = (0..2_000).chain(full.acknowledged).collect();
    let delivered = || {
        let tally = landing::count(&[&landed], "n", 62_000);
        answered
            .iter()
            .all(|number| tally.has(*number))
            .then_some(())
    };
    eventually("takes go on", PATIENCE, delivered);
    std::fs::remove_file(filler).unwrap();
    let puts = || {
        let again = Feed::send(input, Lines::new("m", 10), PATIENCE);
        again.failed.is_empty().then_some(())
    };
    eventually("puts go on", PATIENCE, puts);
}

/// Lines, most of which come when the disk has failed.
const LINES: u64 = 100_000;

/// One of two disks fails for good, in the midst of lines.
fn one_of_two_fails(error: &str) {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let [one, other] = ["one", "other"].map(|name| scratch.folder(name));
    let both = format!("{},{}", one.display(), other.display());
    let text = AgentFile::new("a1")
        .file_channel_in("c1", &scratch.folder("checkpoint"), &both)
        .set("channels.c1.maxFileSize", 1 << 20)
        .netcat("r1", input)
        .avro_sink("k1", output, 100)
        .text();
    let mut program = require!(failing_disk::program_on(Some(&other), error, 8));
    let file = scratch.file("sender.properties", &text);
    let mut agent = Host::run_by(&mut program, &scratch, "sender", &file, &[]);
    Feed::send(input, Lines::new("n", LINES), PATIENCE).assert_all_acknowledged();
    assert!(
        agent.process().said("a segment of the log is given up") > 0,
        "the disk has not failed: {}",
        agent.process().log()
    );
    agent.kill();
    // With disks that work, all is there.
    let mut next = Host::start(&scratch, "next", &text);
    assert_eq!(next.counter("CHANNEL.c1", "EventFoundCount"), LINES);
    let (_collector, landed) = collector(&scratch, "collector", output);
    next.await_delivered("c1", LINES, PATIENCE);
    landing::await_count(&[&landed], "n", LINES, PATIENCE).assert_exact("a dead disk");
    assert!(next.term(PATIENCE).success());
}

/// What was on it is counted as lost, and nothing waits for it any more.
#[test]
fn a_disk_that_is_dead_for_good_is_left_out_and_the_others_go_on() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let [one, other] = ["one", "other"].map(|name| scratch.folder(name));
    let text = |folders: &str| {
        AgentFile::new("a1")
            .file_channel_in("c1", &scratch.folder("checkpoint"), folders)
            .set("channels.c1.maxFileSize", 1 << 20)
            .netcat("r1", input)
            .avro_sink("k1", output, 100)
            .text()
    };
    let both = format!("{},{}", one.display(), other.display());
    let mut agent = Host::start(&scratch, "sender", &text(&both));
    Feed::send(input, Lines::new("n", LINES), PATIENCE).assert_all_acknowledged();
    agent.kill();
    std::fs::remove_dir_all(&other).unwrap();
    // As the message of a start without it says.
    let file = scratch.file("refused.properties", &text(&one.display().to_string()));
    let mut refused = Host::begin(&scratch, "refused", &file, &[]);
    assert!(!refused.process().wait(PATIENCE).success());
    let log = refused.process().log();
    assert!(log.contains("strike it from folders.list"), "{log}");
    let list = one.join("folders.list");
    let members = std::fs::read_to_string(&list).unwrap();
    let left: Vec<&str> = members
        .lines()
        .filter(|line| !line.ends_with("other"))
        .collect();
    std::fs::write(&list, format!("{}\n", left.join("\n"))).unwrap();
    let agent = Host::start(&scratch, "next", &text(&one.display().to_string()));
    let (_collector, landed) = collector(&scratch, "collector", output);
    let counter = |name| agent.counter("CHANNEL.c1", name);
    let ended = || (counter("ChannelSize") == 0 && counter("EventDamagedCount") > 0).then_some(());
    eventually("the rest was delivered", PATIENCE, ended);
    let found = counter("EventFoundCount");
    let rest = found - counter("EventDamagedCount");
    agent.await_delivered("c1", rest, PATIENCE);
    assert!(rest > LINES / 4 && found <= LINES, "{rest} of {found}");
    let tally = landing::count(&[&landed], "n", LINES);
    assert_eq!((tally.arrived(), tally.doubled()), (rest, 0));
}

#[test]
fn one_of_two_disks_dies_and_nothing_is_refused_or_lost() {
    one_of_two_fails("EIO");
}

#[test]
fn one_of_two_disks_becomes_read_only_and_nothing_is_refused_or_lost() {
    one_of_two_fails("EROFS");
}

/// The only disk becomes read-only: lines are refused, what was answered before is delivered.
#[test]
fn a_disk_that_becomes_read_only_refuses_puts_and_delivers_what_it_has() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("channel");
    let text = sender(input, output, &folder).text();
    let mut program = require!(failing_disk::program_on(None, "EROFS", 8));
    let file = scratch.file("sender.properties", &text);
    let agent = Host::run_by(&mut program, &scratch, "sender", &file, &[]);
    let replies = Feed::send(input, Lines::new("n", 1_000).rate(500), PATIENCE);
    assert!(!replies.failed.is_empty() && !replies.acknowledged.is_empty());
    let (status, page) = agent.page("/readyz?verbose").unwrap();
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("Read-only file system"), "{page}");
    let (_collector, landed) = collector(&scratch, "collector", output);
    let all = || {
        let tally = landing::count(&[&landed], "n", 1_000);
        let is_there = |number: &u64| tally.has(*number);
        replies.acknowledged.iter().all(is_there).then_some(tally)
    };
    let tally = eventually("all that was answered has landed", PATIENCE, all);
    let answered = replies.acknowledged.len() as u64;
    assert_eq!((tally.arrived(), tally.doubled()), (answered, 0));
}
