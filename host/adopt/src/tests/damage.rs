//! Goal: what Flume cannot open, or drops in silence, is read as far as it is whole, and told.

use std::fs;

use super::builder::{Channel, State, bodies, framed, payload, put};
use super::samples::read;
use crate::record::Pointer;
use crate::{Event, Harm, Report, Start};

/// Three transactions of one event each; where each record of the second begins and ends.
fn three() -> (Channel, Pointer, Pointer, usize) {
    let mut channel = Channel::new(1);
    channel.puts(2, &["one"]);
    let put = channel.put(4, "two");
    let commit = channel.commit_puts(4);
    let end = channel.end(0);
    channel.puts(6, &["three"]);
    (channel, put, commit, end)
}

fn changed(channel: &mut Channel, change: impl FnOnce(&mut Vec<u8>)) -> (Vec<String>, Report) {
    change(&mut channel.logs.get_mut(&1).unwrap().1);
    channel.write();
    let (events, report): (Vec<Event>, Report) = read(&channel.directories());
    (bodies(&events), report)
}

fn at(pointer: Pointer) -> usize {
    usize::try_from(pointer.offset()).unwrap()
}

fn harms(report: &Report) -> Vec<Harm> {
    report.damages.iter().map(|damage| damage.harm).collect()
}

#[test]
fn a_body_that_does_not_match_is_left_out_and_counted() {
    let (mut channel, put, commit, _) = three();
    let (events, report) = changed(&mut channel, |log| log[at(commit) - 12] ^= 1);
    assert_eq!(events, ["one", "three"]);
    assert_eq!(harms(&report), [Harm::Event]);
    assert_eq!(
        (report.unreadable, report.damages[0].offset),
        (1, put.offset())
    );
    assert_eq!(report.doubles, Default::default());
}

#[test]
fn a_wrong_length_does_not_matter() {
    for (byte, value) in [(1, 0xFF), (1, 0x7F), (4, 0), (4, 99)] {
        let (mut channel, put, ..) = three();
        let (events, report) = changed(&mut channel, |log| log[at(put) + byte] = value);
        assert_eq!(events, ["one", "two", "three"], "{byte} {value}");
        assert_eq!(harms(&report), [Harm::Length]);
    }
}

#[test]
fn a_commit_in_damage_keeps_its_events_as_possible_doubles() {
    for hole in [0, 0x55, 0x7F, 0x80] {
        let (mut channel, _, commit, end) = three();
        let (events, report) = changed(&mut channel, |log| log[at(commit)..end].fill(hole));
        assert_eq!(events, ["one", "three", "two"], "{hole}: {report}");
        assert_eq!(harms(&report), [Harm::Lost], "{hole}");
        assert_eq!(report.doubles.put_in_damage, 1);
        let (from, length) = (report.damages[0].offset, report.damages[0].length);
        assert_eq!(
            (from, length),
            (commit.offset(), u64::try_from(end - at(commit)).unwrap())
        );
    }
}

#[test]
fn a_commit_with_another_transaction_keeps_the_events_too() {
    let (mut channel, _, commit, _) = three();
    let (events, report) = changed(&mut channel, |log| log[at(commit) + 12] ^= 0x40);
    assert_eq!(events, ["one", "three", "two"]);
    assert_eq!(
        (report.strays, report.doubles.put_in_damage),
        (1, 1),
        "{report}"
    );
}

#[test]
fn takes_in_damage_are_counted_as_possible_doubles() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a", "b", "c"]);
    let from = channel.end(0);
    channel.takes(2, &put[..1]);
    let end = channel.end(0);
    channel.puts(3, &["d"]);
    let (events, report) = changed(&mut channel, |log| log[from..end].fill(0));
    assert_eq!(events, ["a", "b", "c", "d"]);
    // Two records were there; they could have been a single take at most, with its commit.
    assert_eq!(report.doubles.taken_in_damage, 1, "{report}");
}

#[test]
fn damage_that_the_checkpoint_covers_makes_no_doubts() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a", "b"]);
    let from = channel.end(0);
    channel.takes(2, &put[..1]);
    let end = channel.end(0);
    channel.puts(3, &["c"]);
    let last = Pointer::new(1, u32::try_from(end).unwrap());
    channel.checkpoint(&State {
        queue: &[put[1], last],
        ..State::default()
    });
    channel.puts(4, &["d"]);
    let (events, report) = changed(&mut channel, |log| log[from..end].fill(0));
    assert_eq!(events, ["b", "c", "d"]);
    assert_eq!(
        (report.start, report.doubles.taken_in_damage),
        (Start::Checkpoint, 0)
    );
}

#[test]
fn a_torn_record_was_never_safe() {
    let whole = three().0.end(0);
    for cut in 1..36 {
        // The file ends in it.
        let (channel, ..) = three();
        channel.write();
        let log = fs::OpenOptions::new()
            .write(true)
            .open(channel.log(1))
            .unwrap();
        log.set_len(u64::try_from(whole - cut).unwrap()).unwrap();
        drop(log);
        let (events, report) = read(&channel.directories());
        assert_eq!(bodies(&events), ["one", "two"], "{cut}: {report}");
        assert_eq!(harms(&report), [Harm::Torn], "{cut}");
        assert!(report.is_certain(), "{report}");
    }
    // Its end was not written: there is still fill.
    let (mut channel, ..) = three();
    let (events, report) = changed(&mut channel, |log| log[whole - 10..].fill(0x80));
    assert_eq!(events, ["one", "two"]);
    assert_eq!(harms(&report), [Harm::Torn]);
}

#[test]
fn a_changed_last_commit_keeps_its_events() {
    let (mut channel, ..) = three();
    let end = channel.end(0);
    let (events, report) = changed(&mut channel, |log| log[end - 3] ^= 1);
    assert_eq!(events, ["one", "two", "three"]);
    assert_eq!(report.doubles.put_in_damage, 1, "{report}");
}

#[test]
fn a_last_commit_of_which_nothing_holds_keeps_its_events() {
    // Its length leads out of the file, but behind it is the fill that it was written over.
    let (mut channel, ..) = three();
    let end = channel.end(0);
    let (events, report) = changed(&mut channel, |log| {
        log[end - 35] = 0x70;
        log[end - 3] ^= 1;
    });
    assert_eq!(events, ["one", "two", "three"]);
    assert_eq!(harms(&report), [Harm::Lost], "{report}");
}

#[test]
fn what_the_integrity_tool_has_voided_is_stepped_over() {
    let (mut channel, put, ..) = three();
    let (events, report) = changed(&mut channel, |log| log[at(put)] = 0);
    assert_eq!(events, ["one", "three"]);
    assert_eq!(
        (report.damaged_places, report.strays, report.voided),
        (0, 0, 1)
    );
    // The checkpoint may point to it.
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["voided", "waits"]);
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    let (events, report) = changed(&mut channel, |log| log[0] = 0);
    assert_eq!(events, ["waits"]);
    assert_eq!((report.start, report.voided), (Start::Checkpoint, 1));
}

#[test]
fn a_leftover_of_an_older_file_is_no_record() {
    let mut channel = Channel::new(1);
    channel.order = 50_000;
    channel.puts(1, &["here"]);
    let from = channel.end(0);
    channel.puts(2, &["x"]);
    channel.puts(3, &["there"]);
    let old = framed(&payload(2, 40, 1, &put(b"x", crc32fast::hash(b"x"))));
    let (events, report) = changed(&mut channel, |log| {
        log[from] = 1;
        log[from + 1..][..old.len()].copy_from_slice(&old);
    });
    assert_eq!(events, ["here", "there"]);
    assert_eq!(harms(&report), [Harm::Lost]);
}

#[test]
fn a_checkpoint_with_a_hole_is_not_believed() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a", "b", "c"]);
    for queue in [
        // Zeros; the same event twice; a place in the middle of a record; a place in the fill.
        [put[0], Pointer(0), put[2]],
        [put[0], put[1], put[1]],
        [put[0], Pointer(put[1].0 + 1), put[2]],
        [put[0], put[1], Pointer(put[2].0 + 200)],
    ] {
        channel.checkpoint(&State {
            queue: &queue,
            ..State::default()
        });
        channel.write();
        let (events, report) = read(&channel.directories());
        assert_eq!(bodies(&events), ["a", "b", "c"], "{queue:?}: {report}");
        assert_eq!(
            (report.start, report.unused.len()),
            (Start::Logs, 1),
            "{queue:?}"
        );
    }
}

#[test]
fn damage_under_a_pointer_is_the_logs_fault() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a", "b", "c"]);
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    let hole = at(put[1])..at(put[2]);
    let (events, report) = changed(&mut channel, |log| log[hole].fill(0x11));
    assert_eq!(events, ["a", "c"]);
    assert_eq!(
        (report.start, report.unreadable),
        (Start::Checkpoint, 1),
        "{report}"
    );
}

#[test]
fn a_text_that_is_no_text_is_repaired_and_told() {
    let (mut channel, put, ..) = three();
    // `7f length(4) head(24) length 0a length 0a length 0a 01 k 12 01 v`
    let (events, report) = changed(&mut channel, |log| {
        let value = at(put) + 5 + 24 + 1 + 2 + 2 + 3 + 2;
        assert_eq!(log[value], b'v');
        log[value] = 0xFF;
    });
    assert_eq!(events, ["one", "two", "three"]);
    assert_eq!(report.repaired_headers, 1, "{report}");
}

#[test]
fn a_report_is_plain_english() {
    let (mut channel, _, commit, end) = three();
    let (_, report) = changed(&mut channel, |log| log[at(commit)..end].fill(0));
    let said = report.to_string();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "3 events not delivered, 11 bytes of bodies");
    assert_eq!(
        lines[2],
        "began at the beginning of the logs, without a checkpoint"
    );
    assert!(
        said.contains("1 event may come twice: the commit may be in a damaged place"),
        "{said}"
    );
    assert!(said.contains("data0/log-1: 36 bytes at "), "{said}");
}
