//! What a policy costs, measured: the code of `policy bench` and of the crate's own benchmark.
//!
//! The law: subjects take turns, round by round, so what else the machine does hits all of them
//! alike; a ratio is formed within each round, and only then is the median taken. A median's limits
//! of confidence are ranks of the sorted rounds, so nothing is assumed about how noise is
//! distributed. There is no framework, since a framework would measure its subjects one after the
//! other; all it takes is a few loops and a clock.

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use flume_core::clock;
use flume_core::sink_group::{Load, Step};
use flume_core::{Batch, Event, Interceptor, InterceptorError, SinkSelector};

/// The heading above the lines of [`Measured`].
pub const HEADING: &str =
    "                                               ns               95 %   ratio            95 %";

/// Median of some rounds with its limits of confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The limits: with 95 % confidence the true median is between them.
    pub limits: (f64, f64),
}

/// What one subject cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Nanoseconds for one unit.
    pub nanos: Estimate,
    /// The same as a multiple of the first subject's, formed in each round.
    pub ratio: Estimate,
}

/// Subjects that take turns.
#[derive(Default)]
pub struct Bench<'a> {
    subjects: Vec<Subject<'a>>,
}

struct Subject<'a> {
    name: String,
    units: u32,
    round: Box<dyn FnMut() -> Duration + 'a>,
}

impl<'a> Bench<'a> {
    /// Adds a subject. A round returns how long `units` units took.
    pub fn add(&mut self, name: &str, units: u32, round: impl FnMut() -> Duration + 'a) {
        self.subjects.push(Subject {
            name: name.to_owned(),
            units: units.max(1),
            round: Box::new(round),
        });
    }

    /// Lets the subjects take turns for `rounds` rounds, after one that does not count.
    pub fn run(mut self, rounds: usize) -> Vec<Measured> {
        let mut costs = vec![Vec::with_capacity(rounds); self.subjects.len()];
        for round in 0..=rounds {
            for (subject, costs) in self.subjects.iter_mut().zip(&mut costs) {
                let took = (subject.round)();
                if round > 0 {
                    costs.push(took.as_secs_f64() * 1e9 / f64::from(subject.units));
                }
            }
        }
        let first = costs.first().cloned().unwrap_or_default();
        let measured = |(subject, costs): (Subject<'_>, Vec<f64>)| {
            let ratios = costs.iter().zip(&first).map(|(cost, base)| cost / base);
            Measured {
                name: subject.name,
                ratio: Estimate::of(ratios.collect()),
                nanos: Estimate::of(costs),
            }
        };
        self.subjects.into_iter().zip(costs).map(measured).collect()
    }
}

impl Estimate {
    /// The estimate of these values; zero if there are none.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |rank: usize| values.get(rank).copied().unwrap_or_default();
        let count = values.len();
        // The number of values below the median is binomial: its standard deviation is half the
        // root of their count.
        let mut reach = 0;
        while (reach * reach) as f64 <= 1.96 * 1.96 * count as f64 / 4.0 {
            reach += 1;
        }
        let middle = count / 2;
        Self {
            median: at(middle),
            limits: (
                at(middle.saturating_sub(reach)),
                at((middle + reach).min(count.saturating_sub(1))),
            ),
        }
    }
}

/// How long `count` orders take. With each comes the news of one batch, which the first sink of the
/// previous order delivered.
pub fn orders(selector: &mut dyn SinkSelector, shown: &[Event], count: u32) -> Duration {
    const APART: Duration = Duration::from_micros(1);
    let latency = Duration::from_micros(100);
    let began = clock::now();
    for at in 0..count {
        // The clock of the group, not of the measurement: reading it is the group's own cost.
        let now = began + APART * at;
        let load = Load {
            depth: 100,
            events: shown,
        };
        let order = black_box(selector.order_load(now, load));
        if let Some(first) = order.front() {
            selector.step(*first, Step::Begun, now);
            selector.delivered(*first, now);
            let events = 100;
            selector.step(*first, Step::Ended { events, latency }, now);
        }
    }
    began.elapsed()
}

/// How long `count` batches of these events take.
///
/// # Errors
/// The interceptor's.
pub fn batches(
    interceptor: &dyn Interceptor,
    events: &[Event],
    count: u32,
) -> Result<Duration, InterceptorError> {
    let mut batches: Vec<Batch> = (0..count).map(|_| Batch::new(events.to_vec())).collect();
    let began = clock::now();
    for batch in &mut batches {
        interceptor.intercept(batch)?;
    }
    let took = began.elapsed();
    black_box(batches);
    Ok(took)
}

/// Events of about 100 bytes with the headers `host` and `port`. Every tenth has the word `secret`
/// in its body.
pub fn lines(count: usize) -> Vec<Event> {
    let text = |at: usize| match at % 10 {
        0 => format!("{:<90}secret {at}", "a line of some log"),
        _ => format!("{:<90}nothing {at}", "a line of some log"),
    };
    let event = |at| {
        Event::new(text(at))
            .with_header("host", format!("host-{}", at % 7))
            .with_header("port", "1")
    };
    (0..count).map(event).collect()
}

/// An interceptor that changes nothing: others are compared with it.
#[derive(Debug)]
pub struct Nothing;

impl Interceptor for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    fn intercept(&self, _: &mut Batch) -> Result<(), InterceptorError> {
        Ok(())
    }
}

/// A line of a table: name, nanoseconds and ratio, each with its limits.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nanos, ratio } = self;
        let range = |of: &Estimate| format!("{:.1} - {:.1}", of.limits.0, of.limits.1);
        let (costs, (low, high)) = (range(nanos), ratio.limits);
        write!(
            f,
            "  {name:<36}{:>11.1}{costs:>19}{:>8.2}{:>16}",
            nanos.median,
            ratio.median,
            format!("{low:.2} - {high:.2}"),
        )
    }
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.subjects.iter().map(|subject| &subject.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flume_core::sink_selector::{self, Backoff};

    #[test]
    fn limits_are_ranks_around_the_median() {
        let estimate = Estimate::of((0..100).map(f64::from).rev().collect());
        assert_eq!((estimate.median, estimate.limits), (50.0, (40.0, 60.0)));
        let one = Estimate::of(vec![3.0]);
        assert_eq!((one.median, one.limits), (3.0, (3.0, 3.0)));
        assert_eq!(Estimate::of(Vec::new()).median, 0.0);
    }

    #[test]
    fn ratios_are_formed_within_a_round() {
        // The machine slows down from round to round; the second subject is always twice as slow.
        let mut bench = Bench::default();
        let (mut first, mut second) = (0, 0);
        bench.add("first", 1, || {
            first += 100;
            Duration::from_nanos(first)
        });
        bench.add("second", 2, || {
            second += 400;
            Duration::from_nanos(second)
        });
        let measured = bench.run(5);
        let names: Vec<&str> = measured.iter().map(|m| &*m.name).collect();
        assert_eq!(names, ["first", "second"]);
        let second = measured.last().unwrap();
        assert!((second.ratio.median - 2.0).abs() < 1e-9);
        assert!((second.ratio.limits.1 - second.ratio.limits.0).abs() < 1e-9);
        // The first of the six rounds does not count.
        assert!((second.nanos.median - 800.0).abs() < 1e-6, "{second:?}");
    }

    #[test]
    fn orders_come_with_the_news_of_the_ones_before() {
        struct Counting(Box<dyn SinkSelector>, usize);
        impl SinkSelector for Counting {
            fn order(
                &mut self,
                now: clock::Instant,
            ) -> std::collections::VecDeque<flume_core::sink_group::SinkIndex> {
                self.0.order(now)
            }
            fn failed(&mut self, _: usize, _: clock::Instant) {}
            fn delivered(&mut self, _: usize, _: clock::Instant) {
                self.1 += 1;
            }
            fn states(&self, now: clock::Instant) -> Vec<flume_core::sink_group::SinkState> {
                self.0.states(now)
            }
        }
        let native = sink_selector::TYPES.find("round_robin").unwrap();
        let mut counting = Counting((native.configure)(Backoff::none(3), 0), 0);
        assert!(orders(&mut counting, &[], 10) > Duration::ZERO);
        assert_eq!(counting.1, 10);
    }

    #[test]
    fn every_tenth_line_has_a_secret() {
        let lines = lines(30);
        let has = |event: &&Event| event.body.windows(6).any(|word| word == b"secret");
        assert_eq!(lines.iter().filter(has).count(), 3);
        assert!(
            lines
                .iter()
                .all(|event| (95..=105).contains(&event.body.len()))
        );
    }
}
