//! Goal: an event is not delivered if its put was committed, and no take of it was.

use super::builder::{Channel, State, bodies, delimited, framed, payload, write_checkpoint};
use super::samples::read;
use crate::Start;

fn undelivered(channel: &Channel) -> Vec<String> {
    channel.write();
    let (events, report) = read(&channel.directories());
    assert!(report.is_certain(), "{report}");
    bodies(&events)
}

#[test]
fn what_was_taken_is_gone_and_what_was_rolled_back_is_not() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a", "b", "c"]);
    channel.put(2, "never");
    channel.rollback(2);
    channel.put(3, "open");
    channel.takes(4, &put[..1]);
    channel.take(5, put[1]);
    channel.rollback(5);
    channel.rollback(6);
    assert_eq!(undelivered(&channel), ["b", "c"]);
}

#[test]
fn a_transaction_counts_from_its_commit_on() {
    let mut channel = Channel::new(2);
    channel.put(1, "second 1");
    channel.put(2, "first");
    channel.put(1, "second 2");
    channel.commit_puts(2);
    channel.roll(1);
    channel.commit_puts(1);
    assert_eq!(undelivered(&channel), ["first", "second 1", "second 2"]);
}

#[test]
fn a_take_that_was_written_before_its_put_counts() {
    let mut channel = Channel::new(1);
    let put = channel.put(1, "delivered");
    channel.takes(2, &[put]);
    channel.commit_puts(1);
    channel.puts(3, &["waits"]);
    assert_eq!(undelivered(&channel), ["waits"]);
}

#[test]
fn what_a_sink_held_comes_first_and_in_the_order_of_puts() {
    let mut channel = Channel::new(2);
    let one = channel.puts(1, &["1", "2"]);
    let two = channel.puts(2, &["3", "4"]);
    let more = channel.puts(3, &["5"]);
    channel.take(5, two[1]);
    channel.take(5, two[0]);
    channel.take(7, one[1]);
    channel.take(7, one[0]);
    let takes = [(5, vec![two[1], two[0]]), (7, vec![one[1], one[0]])];
    let state = State {
        queue: &more,
        takes: &takes,
        ..State::default()
    };
    channel.checkpoint(&state);
    channel.write();
    let (events, report) = read(&channel.directories());
    assert_eq!(bodies(&events), ["1", "2", "3", "4", "5"]);
    assert_eq!(report.start, Start::Checkpoint, "{report}");
    assert_eq!(report.doubles.in_flight, 4, "{report}");
}

#[test]
fn what_a_sink_held_is_gone_once_it_commits() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["held", "waits", "again"]);
    channel.take(2, put[0]);
    channel.take(3, put[2]);
    let takes = [(2, vec![put[0]]), (3, vec![put[2]])];
    let state = State {
        queue: &put[1..2],
        takes: &takes,
        ..State::default()
    };
    channel.checkpoint(&state);
    channel.commit_takes(2);
    // Rolled back, and then delivered by another transaction.
    channel.rollback(3);
    channel.takes(4, &put[2..]);
    assert_eq!(undelivered(&channel), ["waits"]);
}

#[test]
fn puts_that_were_open_at_the_checkpoint_count_with_their_commit() {
    let mut channel = Channel::new(1);
    let first = channel.put(1, "1");
    let never = channel.put(2, "never");
    let puts = [(1, vec![first]), (2, vec![never])];
    channel.checkpoint(&State {
        puts: &puts,
        ..State::default()
    });
    channel.put(1, "2");
    channel.commit_puts(1);
    channel.rollback(2);
    assert_eq!(undelivered(&channel), ["1", "2"]);
}

#[test]
fn the_checkpoint_knows_what_deleted_logs_said() {
    let mut channel = Channel::new(2);
    channel.puts(1, &["delivered"]);
    let delivered = channel.logs[&2].1.len();
    let waits = channel.puts(3, &["waits"]);
    let at = crate::record::Pointer::new(2, u32::try_from(delivered).unwrap());
    assert!(at <= waits[0]);
    channel.roll(0);
    channel.checkpoint(&State {
        queue: &waits,
        ..State::default()
    });
    channel.logs.remove(&1);
    assert_eq!(undelivered(&channel), ["waits"]);
}

#[test]
fn without_a_checkpoint_and_with_deleted_logs_doubles_are_counted() {
    let mut channel = Channel::new(2);
    // Its put is in log 2, its take in log 1, which is deleted.
    let put = channel.puts(1, &["delivered"]);
    channel.takes(2, &put);
    channel.roll(0);
    channel.puts(4, &["new"]);
    channel.puts(3, &["certain"]);
    channel.logs.remove(&1);
    channel.write();
    let (events, report) = read(&channel.directories());
    assert_eq!(bodies(&events), ["delivered", "new", "certain"]);
    assert_eq!(report.doubles.taken_in_deleted, 1, "{report}");
    assert!(!report.is_certain());
}

#[test]
fn without_a_checkpoint_and_with_all_logs_nothing_is_in_doubt() {
    let mut channel = Channel::new(2);
    let put = channel.puts(1, &["delivered", "waits"]);
    channel.takes(2, &put[..1]);
    channel.roll(0);
    channel.puts(3, &["more"]);
    assert_eq!(undelivered(&channel), ["waits", "more"]);
}

#[test]
fn a_log_that_is_missing_in_between_is_named() {
    let mut channel = Channel::new(1);
    channel.puts(1, &["a"]);
    channel.roll(0);
    channel.puts(2, &["lost"]);
    channel.roll(0);
    channel.puts(3, &["b"]);
    channel.logs.remove(&2);
    channel.write();
    let (events, report) = read(&channel.directories());
    assert_eq!(bodies(&events), ["a", "b"]);
    assert_eq!(report.missing_logs, [2]);
    assert!(report.to_string().contains("not there: log-2"), "{report}");
}

#[test]
fn an_older_backup_is_used_if_the_checkpoint_is_not_good() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["delivered", "waits"]);
    let mut directories = channel.directories();
    let backup = channel.path().join("backup");
    write_checkpoint(
        &backup,
        channel.order,
        &State {
            queue: &put,
            ..State::default()
        },
    );
    std::fs::write(backup.join("backupComplete"), "").unwrap();
    directories.backup = Some(backup.clone());
    channel.takes(2, &put[..1]);
    channel.write();
    let (events, report) = read(&directories);
    assert_eq!(
        (bodies(&events), report.start),
        (vec!["waits".to_owned()], Start::Backup)
    );
    std::fs::remove_file(backup.join("backupComplete")).unwrap();
    let (events, report) = read(&directories);
    assert_eq!(
        (bodies(&events), report.start),
        (vec!["waits".to_owned()], Start::Logs)
    );
}

#[test]
fn records_of_flume_1_3_and_headers_without_a_value_are_read() {
    let mut channel = Channel::new(1);
    // Two headers: `a`, which has no value, and the empty name. No checksum behind the event.
    let event = [
        &[0x0A, 3, 0x0A, 1, b'a', 0x0A, 5, 0x0A, 0, 0x12, 1, b'v'][..],
        b"\x12\x02hi",
    ];
    let mut message = vec![0x0A];
    message.extend(delimited(&event.concat()));
    let log = &mut channel.logs.get_mut(&1).unwrap().1;
    log.extend(framed(&payload(1, 50, 1, &message)));
    channel.commit_puts(1);
    channel.write();
    let (events, report) = read(&channel.directories());
    let headers: Vec<_> = events[0]
        .headers
        .iter()
        .map(|(k, v)| (k.as_ref(), v.as_ref()))
        .collect();
    assert_eq!(headers, [("a", ""), ("", "v")], "{report}");
    assert_eq!(events[0].body, "hi");
}
