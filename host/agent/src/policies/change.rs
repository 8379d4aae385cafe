//! When a change of a file on disk counts.
//!
//! The input is looks at the file with their time, so the tests need neither files nor patience.
//!
//! | state | a look that | leads to |
//! |---|---|---|
//! | settled | is the same | settled |
//! | settled | differs | suspected |
//! | suspected | differs | suspected, anew: it is being written |
//! | suspected | is the same | a reading: settled if it is good, else doubted |
//! | doubted | differs | suspected: it was half written |
//! | doubted | is the same, for some time | a second reading: settled if it is good |
//! | doubted twice | is the same | settled, and the error is reported, once |
//!
//! The second reading is for failures that are not the file's fault: a trial has a time limit, and
//! the machine may be busy.
//!
//! File system notifications are the obvious alternative. They miss links and folders that are
//! pointed elsewhere, do not work on network drives, and report each part of a slow copy.

use std::time::Duration;

use flume_core::clock::Instant;

use super::read::Mark;

/// How long a bad file stays the same before it is reported: a copy may stall.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What a file looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// A file with this mark.
    There(Mark),
    /// Not there.
    Gone,
    /// It cannot be looked at.
    Hidden(String),
}

/// What is to be done after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Rest,
    /// Read the file, and hand back the outcome.
    Read,
    /// Report this error to the operator.
    Report(String),
}

/// The result of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// The file runs, or its content is what it was.
    Good,
    /// It cannot run.
    Bad(String),
    /// It changed while it was read.
    Moved,
}

/// What is known about a file on disk.
#[derive(Debug)]
pub(super) struct Change {
    settled: Look,
    suspect: Option<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    look: Look,
    since: Instant,
    /// What was wrong with it.
    error: Option<String>,
    /// Whether it was read a second time.
    again: bool,
}

impl Change {
    /// A file that was read when it looked like this.
    pub(super) fn new(settled: Look) -> Self {
        Self {
            settled,
            suspect: None,
        }
    }

    /// A periodic look.
    pub(super) fn look(&mut self, look: Look, now: Instant) -> Action {
        if look == self.settled {
            self.suspect = None;
            return Action::Rest;
        }
        let Some(suspect) = self.suspect.as_mut().filter(|s| s.look == look) else {
            self.suspect = Some(Suspect {
                look,
                since: now,
                error: None,
                again: false,
            });
            return Action::Rest;
        };
        if suspect.error.is_none() {
            suspect.error = match &look {
                Look::There(_) => return Action::Read,
                Look::Gone => Some("the file is gone".to_owned()),
                Look::Hidden(why) => Some(why.clone()),
            };
        }
        if now < suspect.since + PATIENCE {
            return Action::Rest;
        }
        if matches!(look, Look::There(_)) && !suspect.again {
            suspect.again = true;
            return Action::Read;
        }
        let error = suspect.error.take().unwrap_or_default();
        self.settle(look);
        Action::Report(error)
    }

    /// A look on request: the file is complete, and is read whatever it looks like.
    pub(super) fn look_now(&mut self, look: Look) -> Action {
        let step = match &look {
            Look::There(_) => Action::Read,
            _ if look == self.settled => Action::Rest,
            Look::Gone => Action::Report("the file is gone".to_owned()),
            Look::Hidden(why) => Action::Report(why.clone()),
        };
        self.settle(look);
        step
    }

    /// The result of the reading that a periodic look asked for.
    pub(super) fn outcome(&mut self, outcome: ReadOutcome) {
        match (outcome, self.suspect.take()) {
            (ReadOutcome::Good, Some(suspect)) => self.settled = suspect.look,
            (ReadOutcome::Bad(error), Some(suspect)) => {
                let error = Some(error);
                self.suspect = Some(Suspect { error, ..suspect });
            }
            (ReadOutcome::Moved, _) | (_, None) => {}
        }
    }

    /// The file changed during a reading on request: the periodic looks will find it.
    pub(super) fn unsettle(&mut self) {
        self.settle(Look::Gone);
    }

    fn settle(&mut self, look: Look) {
        self.settled = look;
        self.suspect = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flume_core::clock;

    /// Half a second, the pause between two looks.
    const ROUND: Duration = Duration::from_millis(500);

    struct Rounds {
        change: Change,
        now: Instant,
    }

    impl Rounds {
        fn new() -> Self {
            Self {
                change: Change::new(there(1)),
                now: clock::now(),
            }
        }

        fn look(&mut self, look: &Look) -> Action {
            self.now += ROUND;
            self.change.look(look.clone(), self.now)
        }

        /// The steps after this many looks that are the same.
        fn rounds(&mut self, count: usize, look: &Look) -> Vec<Action> {
            (0..count).map(|_| self.look(look)).collect()
        }
    }

    fn there(version: u64) -> Look {
        Look::There(Mark::of_version(version))
    }

    fn bad() -> ReadOutcome {
        ReadOutcome::Bad("cut short".to_owned())
    }

    fn reported(step: &Action) -> bool {
        matches!(step, Action::Report(_))
    }

    #[test]
    fn a_file_that_stays_is_not_read() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(10, &there(1)), vec![Action::Rest; 10]);
    }

    #[test]
    fn a_change_counts_when_two_looks_agree() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.look(&there(2)), Action::Rest);
        assert_eq!(rounds.look(&there(3)), Action::Rest);
        assert_eq!(rounds.look(&there(3)), Action::Read);
        rounds.change.outcome(ReadOutcome::Good);
        assert_eq!(rounds.rounds(10, &there(3)), vec![Action::Rest; 10]);
    }

    /// A file that is put back before it was read is not a change.
    #[test]
    fn a_file_that_comes_back_as_it_was_is_not_read() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.look(&there(2)), Action::Rest);
        assert_eq!(rounds.look(&there(1)), Action::Rest);
        assert_eq!(rounds.look(&there(2)), Action::Rest);
    }

    #[test]
    fn a_copy_that_stalls_is_not_an_error() {
        let mut rounds = Rounds::new();
        for version in 2..6 {
            assert_eq!(rounds.look(&there(version)), Action::Rest);
            assert_eq!(rounds.look(&there(version)), Action::Read);
            rounds.change.outcome(bad());
            assert_eq!(rounds.rounds(3, &there(version)), vec![Action::Rest; 3]);
        }
        assert_eq!(rounds.rounds(2, &there(6)), [Action::Rest, Action::Read]);
        rounds.change.outcome(ReadOutcome::Good);
        assert_eq!(rounds.rounds(10, &there(6)), vec![Action::Rest; 10]);
    }

    #[test]
    fn a_bad_file_that_stays_is_reported_once_and_the_next_is_tried() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(2, &there(2)), [Action::Rest, Action::Read]);
        rounds.change.outcome(bad());
        // First seen in round 1; the first round at or beyond three seconds is number 7.
        assert_eq!(rounds.rounds(4, &there(2)), vec![Action::Rest; 4]);
        assert_eq!(rounds.look(&there(2)), Action::Read, "a second reading");
        rounds.change.outcome(bad());
        let steps = rounds.rounds(20, &there(2));
        assert!(reported(&steps[0]), "{steps:?}");
        assert_eq!(steps[1..], vec![Action::Rest; 19]);
        assert_eq!(rounds.rounds(2, &there(3)), [Action::Rest, Action::Read]);
    }

    #[test]
    fn a_file_that_is_good_at_the_second_reading_is_not_reported() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(2, &there(2)), [Action::Rest, Action::Read]);
        rounds.change.outcome(bad());
        assert_eq!(rounds.rounds(5, &there(2))[4], Action::Read);
        rounds.change.outcome(ReadOutcome::Good);
        assert_eq!(rounds.rounds(20, &there(2)), vec![Action::Rest; 20]);
    }

    #[test]
    fn a_file_that_is_gone_is_reported_once_and_found_again() {
        let mut rounds = Rounds::new();
        let steps = rounds.rounds(20, &Look::Gone);
        assert_eq!(steps.iter().filter(|step| reported(step)).count(), 1);
        assert!(!steps.contains(&Action::Read));
        assert_eq!(rounds.rounds(2, &there(1)), [Action::Rest, Action::Read]);
    }

    /// A link is taken away and made anew.
    #[test]
    fn a_file_that_is_away_for_a_moment_is_not_reported() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(4, &Look::Gone), vec![Action::Rest; 4]);
        assert_eq!(rounds.rounds(2, &there(2)), [Action::Rest, Action::Read]);
    }

    #[test]
    fn a_file_that_moves_while_it_is_read_is_looked_at_again() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(2, &there(2)), [Action::Rest, Action::Read]);
        rounds.change.outcome(ReadOutcome::Moved);
        assert_eq!(rounds.rounds(2, &there(2)), [Action::Rest, Action::Read]);
    }

    #[test]
    fn a_look_on_request_does_not_wait() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.change.look_now(there(1)), Action::Read, "as it was");
        assert_eq!(rounds.change.look_now(there(2)), Action::Read);
        assert_eq!(rounds.rounds(3, &there(2)), vec![Action::Rest; 3]);
        assert!(reported(&rounds.change.look_now(Look::Gone)));
        assert_eq!(
            rounds.change.look_now(Look::Gone),
            Action::Rest,
            "reported once"
        );
    }
}
