//! Goal: at each limit all goes well, and one more is refused by name.

use super::builder::{Channel, State};
use crate::{Harm, Holds, Limits, ReadError, Refusal, Report, find};

fn read(channel: &Channel, limits: Limits) -> Result<Report, ReadError<std::fmt::Error>> {
    channel.write();
    match find(&channel.directories(), limits).unwrap() {
        Holds::Channel(found) => found.read(0, |_| Ok(())),
        other => panic!("{other:?}"),
    }
}

fn with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn logs() {
    let mut channel = Channel::new(1);
    channel.roll(0);
    assert_eq!(
        read(&channel, with(|limits| limits.logs = 2)).unwrap().logs,
        2
    );
    let refused = find(&channel.directories(), with(|limits| limits.logs = 1));
    assert!(
        matches!(refused, Err(Refusal::TooManyLogs(1))),
        "{refused:?}"
    );
}

#[test]
fn bytes_of_a_record() {
    let mut channel = Channel::new(1);
    channel.puts(1, &["small", &"x".repeat(1000), "small"]);
    let payload = 1000 + 1000u64.ilog2() as u64 + 100;
    let report = read(&channel, with(|limits| limits.record = payload)).unwrap();
    assert_eq!((report.events, report.damaged_places), (3, 0));
    let mut most = payload;
    // The exact edge, from above.
    let found = loop {
        let report = read(&channel, with(|limits| limits.record = most)).unwrap();
        if report.events < 3 {
            break report;
        }
        most -= 1;
    };
    let size = channel.logs[&1].1[..]
        .iter()
        .filter(|byte| **byte == b'x')
        .count();
    assert_eq!(size, 1000);
    assert!((1000..1100).contains(&most), "{most}");
    assert_eq!((found.events, found.unreadable), (2, 1), "{found}");
    assert_eq!(found.damages[0].harm, Harm::TooLarge);
    assert_eq!(found.damages[0].length - 5, most + 1);
}

#[test]
fn events_at_once() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a", "b", "c"]);
    let three = with(|limits| limits.events = 3);
    let two = with(|limits| limits.events = 2);
    assert_eq!(read(&channel, three).unwrap().events, 3);
    let refused = read(&channel, two).unwrap_err();
    assert_eq!(refused.to_string(), "more than 2 events at once");
    // A checkpoint that is larger is not read; the logs then tell.
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    assert_eq!(read(&channel, three).unwrap().unused, []);
    assert!(read(&channel, two).is_err());
    // What is delivered does not count.
    let mut channel = Channel::new(1);
    for transaction in 0..100 {
        let put = channel.puts(2 * transaction, &["x"]);
        channel.takes(2 * transaction + 1, &put);
    }
    assert_eq!(read(&channel, two).unwrap().events, 0);
}

#[test]
fn open_transactions() {
    let mut channel = Channel::new(1);
    channel.put(1, "a");
    channel.put(2, "b");
    assert_eq!(
        read(&channel, with(|limits| limits.transactions = 2))
            .unwrap()
            .events,
        0
    );
    let refused = read(&channel, with(|limits| limits.transactions = 1)).unwrap_err();
    assert_eq!(refused.to_string(), "more than 1 open transactions at once");
}

#[test]
fn listed_places() {
    let mut channel = Channel::new(1);
    for transaction in 0..1001 {
        channel.puts(transaction, &["x"]);
    }
    let log = &mut channel.logs.get_mut(&1).unwrap().1;
    let record = log.len() / 1001;
    for transaction in 0..1001 {
        log[transaction * record + 4] ^= 1;
    }
    let report = read(&channel, Limits::default()).unwrap();
    assert_eq!(
        (report.events, report.damages.len(), report.damaged_places),
        (1001, 1000, 1001)
    );
    assert!(
        report.to_string().contains("1 damaged place more"),
        "{report}"
    );
}
