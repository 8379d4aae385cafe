//! Goal: what real Flume has not delivered is read, in order.

use super::samples::{NAMES, Sample, read, shown};
use crate::{Harm, Limits, Refusal, Start, find};

#[test]
fn every_sample_gives_its_events_in_order() {
    for name in NAMES.iter().filter(|name| !name.starts_with("13")) {
        let sample = Sample::new(name);
        let (events, report) = read(&sample.directories);
        let events: Vec<_> = events.iter().map(shown).collect();
        assert_eq!(events, sample.expected(), "{name}: {report}");
        assert_eq!(report.events, sample.said["undelivered"], "{name}");
        let start = match sample.said["checkpoint"].as_str() {
            Some("checkpoint") => Start::Checkpoint,
            Some("backup") => Start::Backup,
            _ => Start::Logs,
        };
        assert_eq!(report.start, start, "{name}: {report}");
        assert!(report.is_certain(), "{name}: {report}");
    }
}

#[test]
fn the_logs_alone_give_the_same_events() {
    for name in NAMES.iter().filter(|name| !name.starts_with("13")) {
        let mut sample = Sample::new(name);
        sample.directories.checkpoint = sample.directories.data[0].join("none");
        sample.directories.backup = None;
        let (events, report) = read(&sample.directories);
        assert_eq!(report.start, Start::Logs);
        let (mut events, mut expected): (Vec<_>, _) =
            (events.iter().map(shown).collect(), sample.expected());
        // The queue of Flume may have neighbours of different threads the other way round.
        events.sort();
        expected.sort();
        assert_eq!(events, expected, "{name}: {report}");
    }
}

#[test]
fn a_torn_commit_is_told_and_nothing_else_is_lost() {
    let (_, report) = read(&Sample::new("08-torn-commit-1.11.0").directories);
    assert_eq!(report.damages.len(), 1, "{report}");
    assert_eq!(report.damages[0].offset, 9312);
    assert_eq!(report.damages[0].harm, Harm::Torn);
}

#[test]
fn a_checkpoint_that_was_being_written_is_named() {
    let (_, report) = read(&Sample::new("09-backup-checkpoint-1.11.0").directories);
    let said = report.to_string();
    assert!(
        said.contains("checkpoint/checkpoint: it was being written"),
        "{said}"
    );
}

#[test]
fn an_encrypted_channel_is_refused_by_name() {
    let sample = Sample::new("13-encrypted-1.8.0");
    match find(&sample.directories, Limits::default()) {
        Err(Refusal::Encrypted { log, provider, key }) => {
            assert_eq!(log, sample.log());
            assert_eq!(
                (provider.as_str(), key.as_str()),
                ("AESCTRNOPADDING", "key-1")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_attempt_gives_what_the_first_did_not() {
    let sample = Sample::new("02-kill-under-load-1.8.0");
    let found = super::samples::found(&sample.directories);
    let (all, _) = read(&sample.directories);
    let mut rest = Vec::new();
    let take = |event| {
        rest.push(event);
        Ok::<_, std::fmt::Error>(())
    };
    let report = found.read(100, take).unwrap();
    assert_eq!(report.events, 298);
    assert_eq!(rest, all[100..]);
}
