//! Sends lines at a fixed rate, to measure latency.
//!
//! Lines are due whether or not the receiver keeps up. A line's latency counts from when it was
//! written. If the receiver blocked an earlier write, it counts from when the line was due, so that
//! a pause delays every line that falls into it. A late wake-up of this thread is not counted
//! against the receiver.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use flume_tests::figures::Waits;

use super::arrivals::Arrivals;
use super::lines::Block;
use super::netcat::connect;

/// A write that takes longer than this was blocked by the receiver.
const HELD_UP: Duration = Duration::from_millis(1);

/// Size, rate and number of the lines.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes of a line.
    pub size: usize,
    /// Lines a second.
    pub rate: u64,
    /// The number of lines.
    pub count: u64,
}

impl Pace {
    /// How long it takes.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.count * 1000 / self.rate)
    }
}

/// Writes the lines; returns when the latency of each began, in nanoseconds since the start.
///
/// # Errors
/// Nothing listens on the port, or the receiver hangs up.
pub fn send(port: u16, pace: Pace, arrivals: &Arrivals) -> io::Result<Vec<u64>> {
    let mut stream = connect(port)?;
    stream.set_nodelay(true)?;
    // A write each millisecond, or one for each line.
    let chunk = (pace.rate / 1000).max(1);
    let mut block = Block::of(pace.size, chunk as usize);
    let mut begins = Vec::with_capacity(pace.count as usize);
    let (began, mut held_up) = (Instant::now(), false);
    while (begins.len() as u64) < pace.count {
        let sent = begins.len() as u64;
        let due = began + Duration::from_nanos(sent * 1_000_000_000 / pace.rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let bytes = block.numbered(arrivals.first() + sent, pace.count - sent);
        let writing = Instant::now();
        let from = arrivals.since(if held_up { due } else { writing });
        stream.write_all(bytes)?;
        held_up = writing.elapsed() > HELD_UP;
        begins.resize(begins.len() + bytes.len() / (pace.size + 1), from);
    }
    Ok(begins)
}

/// How long each line took; those that did not arrive are left out.
#[must_use]
pub fn waits(begins: &[u64], arrivals: &Arrivals) -> Waits {
    let wait = |(at, begin): (usize, &u64)| {
        let time = arrivals.time(at)?;
        Some(Duration::from_nanos(time.saturating_sub(*begin)))
    };
    Waits::new(begins.iter().enumerate().filter_map(wait).collect())
}
