//! Single lines at a steady rate, and how long each answer takes.
//!
//! A wait begins when a line is due, not when it is written: so a pause delays all lines that fall
//! into it, and is not hidden by a sender that pauses, too.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::Size;
use super::scene::PREFIX;
use crate::figures::Waits;
use crate::tally;

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends lines from this number on, and waits for their answers.
///
/// # Panics
/// When one is not answered `OK`.
pub(super) fn lines(port: u16, first: u64, size: Size) -> Waits {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a netcat source");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let millis = u64::try_from(size.time.as_millis()).expect("some seconds");
    let count = millis * size.rate / 1_000;
    let began = Instant::now();
    let due = |at: u64| began + Duration::from_nanos(at * 1_000_000_000 / size.rate);
    thread::scope(|threads| {
        threads.spawn(|| {
            for at in 0..count {
                thread::sleep(due(at).saturating_duration_since(Instant::now()));
                let line = tally::body(PREFIX, first + at) + "\n";
                (&stream).write_all(line.as_bytes()).expect("a connection");
            }
        });
        let mut answers = BufReader::new(&stream).lines();
        let waits = (0..count).map(|at| {
            let answer = answers.next().expect("an answer").expect("an answer");
            assert_eq!(answer, "OK", "line {at}");
            due(at).elapsed()
        });
        let waits = Waits::new(waits.collect());
        stream.shutdown(Shutdown::Both).unwrap_or_default();
        waits
    })
}
