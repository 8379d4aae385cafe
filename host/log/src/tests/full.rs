//! Faults at many more steps than while one works. README says how tiers are run.

use std::sync::atomic::{AtomicU64, Ordering};

use super::crashes::at_every_step;
use super::*;

mod strace;

const FAULTS: [Fault; 4] = [Fault::Crash, Fault::Error, Fault::Dies, Fault::Full];

/// Points of the full tier; `FLUME_LOG_POINTS` has more of them.
const POINTS: u64 = 50_000;

fn number(name: &str) -> Option<u64> {
    let given = std::env::var(name).ok()?;
    Some(
        given
            .parse()
            .unwrap_or_else(|_| panic!("{name}={given} is no number")),
    )
}

#[test]
fn nothing_is_lost_at_many_points() {
    // The same ones each time; CONTRIBUTING says how others are tried.
    let first = number("FLUME_LOG_SEED").unwrap_or(1_000_000);
    let wanted = number("FLUME_LOG_POINTS").unwrap_or(POINTS);
    let (seed, points) = (AtomicU64::new(first), AtomicU64::new(0));
    say(&format!("FLUME_LOG_SEED={first} begins"));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while points.load(Ordering::Relaxed) < wanted {
                    let seed = seed.fetch_add(1, Ordering::Relaxed);
                    let some = FAULTS.map(|fault| at_every_step(seed, fault));
                    points.fetch_add(some.iter().sum(), Ordering::Relaxed);
                }
            });
        }
    });
    let (end, points) = (seed.into_inner(), points.into_inner());
    say(&format!("seeds {first} to {end}: {points} points"));
    assert!(points >= wanted);
}

/// Past the capture of the test runner.
pub(super) fn say(line: &str) {
    let mut to = std::io::stderr();
    std::io::Write::write_all(&mut to, format!("{line}\n").as_bytes()).unwrap();
}
