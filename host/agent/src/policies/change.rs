//! When a change of a file on disk counts.
//!
//! Only looks at the file go in, with their time, so the tests need neither files nor patience.
//!
//! | state | a look that | leads to |
//! |---|---|---|
//! | settled | is the same | settled |
//! | settled | differs | suspected |
//! | suspected | differs | suspected, anew: it is being written |
//! | suspected | is the same | a reading: settled if it is good, else doubted |
//! | doubted | differs | suspected: it was half written |
//! | doubted | is the same, for some time | a second reading: settled if it is good |
//! | doubted twice | is the same | settled, and the error is told, once |
//!
//! The second reading is for what was not the file's fault: a trial has its time by the clock, and
//! a machine may be busy.
//!
//! Notifications of the file system are the obvious alternative. They follow neither links nor
//! folders that are turned, do not work on network drives, and tell of each part of a slow copy.

use std::time::Duration;

use flume_core::clock::Instant;

use super::read::Mark;

/// How long a bad file may stay the same before that is told: a copy may stall.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// What a file looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// A file with these marks.
    There(Mark),
    /// Not there.
    Gone,
    /// It cannot be looked at.
    Hidden(String),
}

/// What is to be done after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Rest,
    /// Read the file, and tell the outcome.
    Read,
    /// Tell the operator.
    Tell(String),
}

/// What came of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The file runs, or says what it said before.
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

    /// A look of the rounds.
    pub(super) fn look(&mut self, look: Look, now: Instant) -> Step {
        if look == self.settled {
            self.suspect = None;
            return Step::Rest;
        }
        let Some(suspect) = self.suspect.as_mut().filter(|s| s.look == look) else {
            self.suspect = Some(Suspect {
                look,
                since: now,
                error: None,
                again: false,
            });
            return Step::Rest;
        };
        if suspect.error.is_none() {
            suspect.error = match &look {
                Look::There(_) => return Step::Read,
                Look::Gone => Some("the file is gone".to_owned()),
                Look::Hidden(why) => Some(why.clone()),
            };
        }
        if now < suspect.since + PATIENCE {
            return Step::Rest;
        }
        if matches!(look, Look::There(_)) && !suspect.again {
            suspect.again = true;
            return Step::Read;
        }
        let error = suspect.error.take().unwrap_or_default();
        self.settle(look);
        Step::Tell(error)
    }

    /// A look that somebody asked for: the file is finished, and is read whatever it looks like.
    pub(super) fn look_now(&mut self, look: Look) -> Step {
        let step = match &look {
            Look::There(_) => Step::Read,
            _ if look == self.settled => Step::Rest,
            Look::Gone => Step::Tell("the file is gone".to_owned()),
            Look::Hidden(why) => Step::Tell(why.clone()),
        };
        self.settle(look);
        step
    }

    /// What came of the reading that a look of the rounds asked for.
    pub(super) fn outcome(&mut self, outcome: Outcome) {
        match (outcome, self.suspect.take()) {
            (Outcome::Good, Some(suspect)) => self.settled = suspect.look,
            (Outcome::Bad(error), Some(suspect)) => {
                let error = Some(error);
                self.suspect = Some(Suspect { error, ..suspect });
            }
            (Outcome::Moved, _) | (_, None) => {}
        }
    }

    /// The file moved under a reading that somebody asked for: the rounds will find it.
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

        fn look(&mut self, look: &Look) -> Step {
            self.now += ROUND;
            self.change.look(look.clone(), self.now)
        }

        /// Steps of so many rounds with the same look.
        fn rounds(&mut self, count: usize, look: &Look) -> Vec<Step> {
            (0..count).map(|_| self.look(look)).collect()
        }
    }

    fn there(version: u64) -> Look {
        Look::There(Mark::of_version(version))
    }

    fn bad() -> Outcome {
        Outcome::Bad("cut short".to_owned())
    }

    fn told(step: &Step) -> bool {
        matches!(step, Step::Tell(_))
    }

    #[test]
    fn a_file_that_stays_is_not_read() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(10, &there(1)), vec![Step::Rest; 10]);
    }

    #[test]
    fn a_change_counts_when_two_looks_agree() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.look(&there(2)), Step::Rest);
        assert_eq!(rounds.look(&there(3)), Step::Rest);
        assert_eq!(rounds.look(&there(3)), Step::Read);
        rounds.change.outcome(Outcome::Good);
        assert_eq!(rounds.rounds(10, &there(3)), vec![Step::Rest; 10]);
    }

    /// One that is put back before anybody read it is no change.
    #[test]
    fn a_file_that_comes_back_as_it_was_is_not_read() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.look(&there(2)), Step::Rest);
        assert_eq!(rounds.look(&there(1)), Step::Rest);
        assert_eq!(rounds.look(&there(2)), Step::Rest);
    }

    #[test]
    fn a_copy_that_stalls_is_no_error() {
        let mut rounds = Rounds::new();
        for version in 2..6 {
            assert_eq!(rounds.look(&there(version)), Step::Rest);
            assert_eq!(rounds.look(&there(version)), Step::Read);
            rounds.change.outcome(bad());
            assert_eq!(rounds.rounds(3, &there(version)), vec![Step::Rest; 3]);
        }
        assert_eq!(rounds.rounds(2, &there(6)), [Step::Rest, Step::Read]);
        rounds.change.outcome(Outcome::Good);
        assert_eq!(rounds.rounds(10, &there(6)), vec![Step::Rest; 10]);
    }

    #[test]
    fn a_bad_file_that_stays_is_told_once_and_the_next_is_tried() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(2, &there(2)), [Step::Rest, Step::Read]);
        rounds.change.outcome(bad());
        // First seen in round 1; the first round at or beyond three seconds is number 7.
        assert_eq!(rounds.rounds(4, &there(2)), vec![Step::Rest; 4]);
        assert_eq!(rounds.look(&there(2)), Step::Read, "a second reading");
        rounds.change.outcome(bad());
        let steps = rounds.rounds(20, &there(2));
        assert!(told(&steps[0]), "{steps:?}");
        assert_eq!(steps[1..], vec![Step::Rest; 19]);
        assert_eq!(rounds.rounds(2, &there(3)), [Step::Rest, Step::Read]);
    }

    #[test]
    fn a_file_that_is_good_at_the_second_reading_is_not_told() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(2, &there(2)), [Step::Rest, Step::Read]);
        rounds.change.outcome(bad());
        assert_eq!(rounds.rounds(5, &there(2))[4], Step::Read);
        rounds.change.outcome(Outcome::Good);
        assert_eq!(rounds.rounds(20, &there(2)), vec![Step::Rest; 20]);
    }

    #[test]
    fn a_file_that_is_gone_is_told_once_and_found_again() {
        let mut rounds = Rounds::new();
        let steps = rounds.rounds(20, &Look::Gone);
        assert_eq!(steps.iter().filter(|step| told(step)).count(), 1);
        assert!(!steps.contains(&Step::Read));
        assert_eq!(rounds.rounds(2, &there(1)), [Step::Rest, Step::Read]);
    }

    /// A link is taken away and made anew.
    #[test]
    fn a_file_that_is_away_for_a_moment_is_not_told() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(4, &Look::Gone), vec![Step::Rest; 4]);
        assert_eq!(rounds.rounds(2, &there(2)), [Step::Rest, Step::Read]);
    }

    #[test]
    fn a_file_that_moves_while_it_is_read_is_looked_at_again() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.rounds(2, &there(2)), [Step::Rest, Step::Read]);
        rounds.change.outcome(Outcome::Moved);
        assert_eq!(rounds.rounds(2, &there(2)), [Step::Rest, Step::Read]);
    }

    #[test]
    fn who_asks_need_not_wait() {
        let mut rounds = Rounds::new();
        assert_eq!(rounds.change.look_now(there(1)), Step::Read, "as it was");
        assert_eq!(rounds.change.look_now(there(2)), Step::Read);
        assert_eq!(rounds.rounds(3, &there(2)), vec![Step::Rest; 3]);
        assert!(told(&rounds.change.look_now(Look::Gone)));
        assert_eq!(rounds.change.look_now(Look::Gone), Step::Rest, "told once");
    }
}
