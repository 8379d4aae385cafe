//! B5: the far group of B4 while one of its collectors repeatedly dies and comes back.
//!
//! A death closes the port and all connections at once, even with calls in progress. Nothing may
//! be lost. A batch that was accepted but not answered before the death is redelivered by another
//! sink: at most one batch per death, since each sink has one in flight. These duplicates are counted.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use flume_tests::Scratch;

use super::balance::{DISTANCE, collectors, group};
use super::{Bench, Candidate, SETUP, ours};
use crate::load::AvroReceiver;
use crate::load::arrivals::Slot;
use crate::rounds::{Turn, ratio, run};
use crate::run::{Feed, Run};

/// Deaths in a run.
const DEATHS: u32 = 2;

/// Rounds: each takes long.
const ROUNDS: usize = 3;

/// More events a second than four batches per 5 ms can carry.
const MOST_A_SECOND: f64 = 150_000.0;

/// The times of a run.
#[derive(Clone, Copy)]
struct Rhythm {
    /// From one death to the next.
    period: Duration,
    /// From a death to the collector's return.
    away: Duration,
}

impl Rhythm {
    /// 5 s and 1 s, at the default scale.
    fn of(time: Duration) -> Self {
        let period = time * 10 / 3;
        Self {
            period,
            away: period / 5,
        }
    }

    /// A whole run.
    fn time(self) -> Duration {
        self.period * DEATHS
    }

    /// The events of a whole run.
    fn events(self) -> u64 {
        (self.time().as_secs_f64() * MOST_A_SECOND) as u64
    }
}

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    let pace = Rhythm::of(bench.time());
    bench.table.throughput(&format!(
        "B5 load_balance, 4 sinks at once, answers {} ms late, one dies every {:.1} s for {:.1} s",
        DISTANCE.as_millis(),
        pace.period.as_secs_f64(),
        pace.away.as_secs_f64()
    ))?;
    let (scratch, slot) = (Scratch::new(), Slot::new());
    // Each has its own agents and collectors: exclusions may last longer than a run.
    let (calm_ends, mut ends) = (collectors(&slot, DISTANCE), collectors(&slot, DISTANCE));
    let candidate = |name, ends| {
        let (own, input) = ours(&scratch, name, |input| group(input, ends, 4, 4));
        Candidate::new(own, Feed::Netcat, input, SETUP, &slot)
    };
    let mut calm = candidate("undisturbed", &calm_ends);
    let mut disturbed = candidate("one sink dies", &ends);
    let [mortal, ..] = &mut ends;
    let turns = vec![
        Turn::new("undisturbed", move || {
            calm.lane.run(pace.time(), pace.events())
        }),
        Turn::new("one sink dies", move || {
            let (lane, mortal) = (&mut disturbed.lane, &mut *mortal);
            thread::scope(|scope| {
                scope.spawn(move || die_and_return(mortal, pace));
                lane.run(pace.time(), pace.events())
            })
        }),
    ];
    let all = run(bench.scale.pairs.min(ROUNDS), turns);
    let [calm, disturbed] = all.as_slice() else {
        return Ok(());
    };
    bench.table.series(calm)?;
    let most = u64::from(DEATHS * SETUP.shape.batch) * disturbed.runs.len() as u64;
    bench.table.series_with_duplicates(disturbed, most)?;
    let share = ratio(disturbed, calm, Run::rate);
    let name = "B5 events/s with deaths / undisturbed";
    bench.table.figure(name, &share, 2)
}

/// Dies in the middle of each period.
fn die_and_return(mortal: &mut AvroReceiver, pace: Rhythm) {
    let began = Instant::now();
    for death in 0..DEATHS {
        let due = began + pace.period * death + pace.period / 2;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        mortal.die();
        thread::sleep(pace.away);
        mortal.revive();
    }
}
