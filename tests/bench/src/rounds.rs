//! Rounds: all subjects of a row take turns, so that other work on the machine affects them equally.
//!
//! Each round runs every subject once, in alternating order; ratios are formed within a round. The
//! first round is a warm-up and is not counted.

use flume_tests::figures::Estimate;

use crate::cost::Memory;
use crate::load::arrivals::Verdict;
use crate::run::Run;

/// A subject in a row: its name, and how it is run once.
pub struct Turn<'a> {
    /// Its name in the table.
    pub name: String,
    /// Runs it once.
    pub run: Box<dyn FnMut() -> Run + 'a>,
}

impl<'a> Turn<'a> {
    /// A subject.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Run + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// All runs of one subject.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Its name in the table.
    pub name: String,
    /// Its runs, one a round.
    pub runs: Vec<Run>,
    /// Memory before the first event and after the last, if it has a process.
    pub memory: Option<(Memory, Memory)>,
}

impl Series {
    /// Events a second.
    #[must_use]
    pub fn rate(&self) -> Estimate {
        Estimate::of(&self.each(Run::rate))
    }

    /// CPU seconds for a million events.
    #[must_use]
    pub fn cpu(&self) -> Estimate {
        Estimate::of(&self.each(Run::cpu_per_million))
    }

    /// A figure of each run.
    #[must_use]
    pub fn each(&self, figure: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }

    /// The outcome of all events.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let add = |sum: Verdict, run: &Run| Verdict {
            lost: sum.lost + run.verdict.lost,
            doubled: sum.doubled + run.verdict.doubled,
            strange: sum.strange + run.verdict.strange,
        };
        self.runs.iter().fold(Verdict::default(), add)
    }

    /// How many events were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.runs.iter().map(|run| run.refused).sum()
    }
}

/// Runs the subjects in turn for `rounds` rounds, after one that is not counted.
pub fn run(rounds: usize, mut turns: Vec<Turn<'_>>) -> Vec<Series> {
    let mut series: Vec<Series> = turns
        .iter()
        .map(|turn| Series {
            name: turn.name.clone(),
            ..Series::default()
        })
        .collect();
    let count = turns.len();
    for round in 0..=rounds {
        for step in 0..count {
            let at = if round % 2 == 0 {
                step
            } else {
                count - 1 - step
            };
            let run = (turns[at].run)();
            if round > 0 {
                series[at].runs.push(run);
            }
        }
    }
    series
}

/// A figure of one subject as a multiple of another's, formed in each round.
#[must_use]
pub fn ratio(of: &Series, to: &Series, figure: impl Fn(&Run) -> f64) -> Estimate {
    let pairs = of.runs.iter().zip(&to.runs);
    let ratios: Vec<f64> = pairs.map(|(of, to)| figure(of) / figure(to)).collect();
    Estimate::of(&ratios)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;

    #[test]
    fn subjects_take_turns_and_the_first_round_does_not_count() {
        let order = RefCell::new(String::new());
        let turn = |name: &'static str, secs: u64| {
            let order = &order;
            Turn::new(name, move || {
                order.borrow_mut().push_str(name);
                Run {
                    events: 10,
                    wall: Duration::from_secs(secs),
                    ..Run::default()
                }
            })
        };
        let series = run(2, vec![turn("a", 1), turn("b", 2)]);
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!(series[1].runs.len(), 2);
        assert_eq!(series[1].rate().median, 5.0);
        assert_eq!(ratio(&series[0], &series[1], Run::rate).median, 2.0);
    }
}
