//! Goal: a kill at any step of an adoption is made good by the next start: no event is lost, none
//! is doubled, and a Flume that is started by mistake delivers nothing of what we have.

use std::fs;

use super::builder::{Channel, State, bodies};
use crate::{Directories, Event, Holds, Limits, Refusal, find, steps};

/// Our log: what is safe in it. A kill loses what was not.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
}

/// How many events our log makes safe at once.
const BATCH: usize = 2;

impl Log {
    fn next(&self) -> u64 {
        u64::try_from(self.events.len()).unwrap()
    }

    /// Adopts as the crate's documentation says.
    fn adopt(&mut self, directories: &Directories) -> Result<(), String> {
        loop {
            match find(directories, Limits::default()).map_err(said)? {
                Holds::Nothing => return Ok(()),
                Holds::Adopted(aside) => {
                    aside.move_files().map_err(said)?;
                }
                Holds::Channel(mut found) => {
                    let first = found.begin(self.next()).map_err(said)?;
                    let mut batch = Vec::new();
                    let skip = self.next() - first;
                    let put = |event| {
                        batch.push(event);
                        if batch.len() == BATCH {
                            steps::sync(&directories.checkpoint)?;
                            self.events.append(&mut batch);
                        }
                        Ok::<_, std::io::Error>(())
                    };
                    found.read(skip, put).map_err(said)?;
                    self.events.append(&mut batch);
                    found
                        .mark_safe()
                        .map_err(said)?
                        .move_files()
                        .map_err(said)?;
                }
            }
        }
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Seven events in two directories, with a checkpoint.
fn channel() -> Channel {
    let mut channel = Channel::new(2);
    let put = channel.puts(1, &["a", "b"]);
    let held = channel.puts(2, &["c"]);
    channel.roll(0);
    let takes = [(9, held)];
    channel.checkpoint(&State {
        queue: &put,
        takes: &takes,
        ..State::default()
    });
    channel.puts(4, &["d", "e"]);
    channel.puts(3, &["f", "g"]);
    channel.write();
    fs::create_dir_all(channel.directories().checkpoint.join("queueset")).unwrap();
    channel
}

const EVENTS: [&str; 7] = ["c", "a", "b", "d", "e", "f", "g"];

/// What real Flume would make of the directories: it starts with all, comes up empty, or does not
/// start.
#[derive(Debug, PartialEq)]
enum Flume {
    AsBefore,
    Empty,
    DoesNotStart,
}

fn flume(channel: &Channel) -> Flume {
    let logs: Vec<bool> = channel
        .logs
        .keys()
        .map(|number| channel.log(*number).exists())
        .collect();
    let has_meta = |number: &u32| channel.log(*number).with_added_extension("meta").exists();
    let is_readable = |number: &u32| !channel.log(*number).exists() || has_meta(number);
    if !logs.contains(&true) {
        Flume::Empty
    } else if !channel.logs.keys().all(is_readable) {
        Flume::DoesNotStart
    } else {
        assert!(!logs.contains(&false));
        Flume::AsBefore
    }
}

/// Adopts with a kill before this step; true if there was none any more.
fn killed(log: &mut Log, directories: &Directories, step: u32) -> bool {
    steps::LEFT.set(Some(step));
    let adopted = log.adopt(directories);
    steps::LEFT.set(None);
    match adopted {
        Ok(()) => true,
        Err(error) => {
            assert!(error.contains("killed"), "{error}");
            false
        }
    }
}

/// The first step before which a kill leaves this.
fn first_step(is_wanted: impl Fn(&Log, &Directories) -> bool) -> u32 {
    let mut steps = 0..;
    let found = steps.find(|step| {
        let (other, mut log) = (channel(), Log::default());
        killed(&mut log, &other.directories(), *step);
        is_wanted(&log, &other.directories())
    });
    found.unwrap()
}

#[test]
fn a_kill_at_any_step_loses_and_doubles_nothing() {
    let mut kills = 0;
    loop {
        let (channel, mut log) = (channel(), Log::default());
        let is_whole = killed(&mut log, &channel.directories(), kills);
        let now = flume(&channel);
        if log.events.len() < EVENTS.len() {
            assert_eq!(now, Flume::AsBefore, "{kills}");
        }
        log.adopt(&channel.directories()).unwrap();
        assert_eq!(
            bodies(&log.events),
            EVENTS,
            "killed before step {kills}, {now:?}"
        );
        assert_eq!(flume(&channel), Flume::Empty);
        if is_whole {
            break;
        }
        kills += 1;
    }
    // Notes, batches, directories, each file, each sync.
    assert!(kills > 40, "{kills}");
}

#[test]
fn kills_at_two_steps_lose_and_double_nothing() {
    for first in (0..60).step_by(5) {
        for second in (0..60).step_by(11) {
            let (channel, mut log) = (channel(), Log::default());
            killed(&mut log, &channel.directories(), first);
            killed(&mut log, &channel.directories(), second);
            log.adopt(&channel.directories()).unwrap();
            assert_eq!(bodies(&log.events), EVENTS, "{first} {second}");
        }
    }
}

#[test]
fn what_was_adopted_lies_aside_as_it_was() {
    let (channel, mut log) = (channel(), Log::default());
    let one = fs::read(channel.log(1)).unwrap();
    log.adopt(&channel.directories()).unwrap();
    let aside = channel
        .data(channel.logs[&1].0)
        .join("adopted-by-flume-host");
    assert_eq!(fs::read(aside.join("log-1")).unwrap(), one);
    let checkpoint = channel
        .directories()
        .checkpoint
        .join("adopted-by-flume-host");
    for name in [
        "checkpoint",
        "inflighttakes",
        "queueset",
        "adopting-by-flume-host",
    ] {
        assert!(checkpoint.join(name).exists(), "{name}");
    }
}

#[test]
fn a_channel_that_flume_made_later_is_adopted_too() {
    let (first, mut log) = (channel(), Log::default());
    log.adopt(&first.directories()).unwrap();
    first.write();
    log.adopt(&first.directories()).unwrap();
    assert_eq!(log.events.len(), 2 * EVENTS.len());
    assert!(
        first
            .data(0)
            .join("adopted-by-flume-host-2/log-1.meta")
            .exists()
    );
}

#[test]
fn what_flume_made_during_the_move_is_adopted_and_not_moved_away() {
    let (mut channel, mut log) = (channel(), Log::default());
    let directories = channel.directories();
    // Killed when the events are safe, and nothing is moved.
    let is_safe = |_: &Log, directories: &Directories| {
        let found = find(directories, Limits::default()).unwrap();
        matches!(found, Holds::Adopted(_))
    };
    killed(&mut log, &directories, first_step(is_safe));
    assert_eq!((log.events.len(), flume(&channel)), (7, Flume::AsBefore));
    channel.roll(0);
    channel.puts(10, &["new"]);
    channel.write();
    log.adopt(&directories).unwrap();
    assert_eq!(bodies(&log.events)[..7], EVENTS);
    assert_eq!(bodies(&log.events)[7..], ["new"]);
}

#[test]
fn what_flume_made_before_the_note_was_moved_is_not_taken_for_what_we_have() {
    let is_moved = |_: &Log, directories: &Directories| {
        let is_empty = directories
            .data
            .iter()
            .all(|data| !data.join("log-3").exists());
        is_empty && matches!(find(directories, Limits::default()), Ok(Holds::Adopted(_)))
    };
    // Before the first step after all logs are gone, and at those behind it.
    let first = first_step(is_moved);
    for step in first..first + 4 {
        let (mut channel, mut log) = (channel(), Log::default());
        killed(&mut log, &channel.directories(), step);
        assert_eq!(flume(&channel), Flume::Empty, "{step}");
        // Logs 1 and 2, once more.
        channel.renew();
        let put = channel.puts(4, &["new", "delivered"]);
        channel.takes(6, &put[1..]);
        channel.checkpoint(&State {
            queue: &put[..1],
            ..State::default()
        });
        channel.write();
        log.adopt(&channel.directories()).unwrap();
        assert_eq!(bodies(&log.events)[..7], EVENTS, "{step}");
        assert_eq!(bodies(&log.events)[7..], ["new"], "{step}");
    }
}

#[test]
fn what_a_flume_that_did_not_start_has_left_is_kept_beside() {
    let (channel, mut log) = (channel(), Log::default());
    let home = channel.directories().checkpoint;
    let aside = home.join("adopted-by-flume-host");
    let is_half = |_: &Log, directories: &Directories| {
        let aside = directories.checkpoint.join("adopted-by-flume-host");
        let mut data = directories.data.iter();
        aside.join("queueset").exists() && data.any(|data| data.join("log-1").exists())
    };
    killed(&mut log, &channel.directories(), first_step(is_half));
    fs::write(home.join("checkpoint"), "x").unwrap();
    fs::create_dir_all(home.join("queueset")).unwrap();
    fs::write(home.join("queueset/db"), "x").unwrap();
    log.adopt(&channel.directories()).unwrap();
    assert_eq!(bodies(&log.events), EVENTS);
    assert_eq!(fs::read(aside.join("checkpoint.2")).unwrap(), b"x");
    assert!(aside.join("queueset.2/db").exists());
    assert!(fs::read(aside.join("checkpoint")).unwrap().len() > 1000);
}

#[test]
fn a_flume_that_ran_after_a_part_was_adopted_makes_doubles_and_loses_nothing() {
    let (mut channel, mut log) = (channel(), Log::default());
    let after_two = first_step(|log, _| log.events.len() == 2);
    killed(&mut log, &channel.directories(), after_two);
    channel.roll(0);
    channel.puts(10, &["new"]);
    channel.write();
    log.adopt(&channel.directories()).unwrap();
    assert_eq!(bodies(&log.events)[..2], EVENTS[..2]);
    assert_eq!(bodies(&log.events)[2..9], EVENTS);
    assert_eq!(bodies(&log.events)[9..], ["new"]);
}

#[test]
fn a_log_of_ours_that_was_emptied_gets_all_events() {
    let (channel, mut log) = (channel(), Log::default());
    log.events.extend((0..3).map(|_| Event {
        headers: Vec::new(),
        body: "ours".into(),
    }));
    let after_two = first_step(|log, _| log.events.len() == 2);
    killed(&mut log, &channel.directories(), after_two);
    assert_eq!(log.events.len(), 3 + 2);
    log.events.clear();
    log.adopt(&channel.directories()).unwrap();
    assert_eq!(bodies(&log.events), EVENTS);
}

#[test]
fn files_that_somebody_took_away_are_asked_for() {
    let (channel, mut log) = (channel(), Log::default());
    let after_two = first_step(|log, _| log.events.len() == 2);
    killed(&mut log, &channel.directories(), after_two);
    fs::rename(channel.data(0), channel.path().join("elsewhere")).unwrap();
    fs::rename(channel.data(1), channel.path().join("elsewhere too")).unwrap();
    let refused = find(&channel.directories(), Limits::default());
    assert!(matches!(refused, Err(Refusal::Gone(_))), "{refused:?}");
}
