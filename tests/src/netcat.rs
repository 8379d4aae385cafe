//! A fast line client for netcat sources that knows which of its lines were acknowledged.
//!
//! One thread writes and one reads, with a bound on the lines that are unanswered: replies come in
//! the order of the lines, so the n-th reply is about the n-th line. It never sends a line again:
//! a scenario that counts doubles must know that none is its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::eventually::eventually;
use crate::tally;

/// How many lines may be unanswered.
const WINDOW: u64 = 2_000;

/// How many lines are written at once.
const CHUNK: u64 = 100;

/// Which numbered lines to send.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What every line begins with.
    pub prefix: String,
    /// The first number.
    pub first: u64,
    /// How many lines.
    pub count: u64,
    /// Lines a second; 0 is as fast as they are answered.
    pub rate: u64,
}

impl Lines {
    /// Lines `0..count`, as fast as they are answered.
    #[must_use]
    pub fn new(prefix: &str, count: u64) -> Self {
        Self {
            prefix: prefix.to_owned(),
            first: 0,
            count,
            rate: 0,
        }
    }

    /// The same number of lines, numbered from `first`.
    #[must_use]
    pub fn from(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// At most so many lines a second.
    #[must_use]
    pub fn rate(mut self, rate: u64) -> Self {
        self.rate = rate;
        self
    }
}

/// What a netcat source answered.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// Numbers of the lines that were answered `OK`.
    pub acknowledged: Vec<u64>,
    /// Numbers of the lines that were answered otherwise, and the answers.
    pub failed: Vec<(u64, String)>,
    /// Numbers of the lines that got no answer before the connection or the patience ended.
    pub unanswered: Vec<u64>,
}

impl Replies {
    /// Every line was answered `OK`.
    ///
    /// # Panics
    /// When one was not.
    pub fn assert_all_acknowledged(&self) {
        let failed = self.failed.first();
        assert!(
            self.failed.is_empty() && self.unanswered.is_empty(),
            "{} lines acknowledged, {} failed (first: {failed:?}), {} not answered",
            self.acknowledged.len(),
            self.failed.len(),
            self.unanswered.len(),
        );
    }
}

/// Lines on their way.
pub struct Feed {
    lines: Lines,
    answered: Arc<Answered>,
    stream: TcpStream,
    writer: JoinHandle<()>,
    reader: JoinHandle<Replies>,
}

/// How many replies have come: the writer waits for it, the scenario reads it.
#[derive(Default)]
struct Answered {
    count: Mutex<u64>,
    more: Condvar,
    acknowledged: AtomicU64,
    closed: AtomicBool,
}

impl Feed {
    /// Connects and begins to send.
    ///
    /// # Panics
    /// When nobody listens on the loopback port.
    #[must_use]
    pub fn start(port: u16, lines: Lines) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let stream = stream.unwrap_or_else(|err| panic!("netcat source on port {port}: {err}"));
        stream.set_nodelay(true).expect("a TCP socket");
        let answered = Arc::new(Answered::default());
        let handle = || stream.try_clone().expect("a second handle on the socket");
        let (out, input) = (handle(), handle());
        let (sent, heard) = (Arc::clone(&answered), Arc::clone(&answered));
        let (to_write, to_read) = (lines.clone(), lines.clone());
        let writer = std::thread::spawn(move || write(out, &to_write, &sent));
        let reader = std::thread::spawn(move || read(input, &to_read, &heard));
        Self {
            lines,
            answered,
            stream,
            writer,
            reader,
        }
    }

    /// Sends lines and waits for their replies.
    #[must_use]
    pub fn send(port: u16, lines: Lines, patience: Duration) -> Replies {
        Self::start(port, lines).finish(patience)
    }

    /// How many lines were answered `OK` so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.answered.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many lines were answered `OK`.
    ///
    /// # Panics
    /// When they were not within `patience`.
    pub fn await_acknowledged(&self, count: u64, patience: Duration) {
        let what = format!("{count} of {} lines acknowledged", self.lines.count);
        eventually(&what, patience, || {
            (self.acknowledged() >= count).then_some(())
        });
    }

    /// Waits for the remaining replies, for at most `patience`, and hangs up.
    ///
    /// # Panics
    /// When a reply was not to be understood.
    #[must_use]
    pub fn finish(self, patience: Duration) -> Replies {
        let end = Instant::now() + patience;
        while Instant::now() < end && !self.reader.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.answered.close();
        // Fails when the other side has hung up first, which is just as well.
        self.stream.shutdown(Shutdown::Both).unwrap_or_default();
        self.writer
            .join()
            .expect("the writing half of the line client");
        self.reader
            .join()
            .expect("the reading half of the line client")
    }
}

impl Answered {
    fn add(&self, ok: bool) {
        if ok {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        *self.count.lock().expect("nobody panics with the count") += 1;
        self.more.notify_one();
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        drop(self.count.lock().expect("nobody panics with the count"));
        self.more.notify_one();
    }

    /// Waits until fewer than a window of `sent` lines are unanswered; false when it is over.
    fn await_room(&self, sent: u64) -> bool {
        let full = |count: &mut u64| {
            sent.saturating_sub(*count) >= WINDOW && !self.closed.load(Ordering::Relaxed)
        };
        let count = self.count.lock().expect("nobody panics with the count");
        drop(
            self.more
                .wait_while(count, full)
                .expect("nobody panics with the count"),
        );
        !self.closed.load(Ordering::Relaxed)
    }
}

fn write(mut stream: TcpStream, lines: &Lines, answered: &Answered) {
    let start = Instant::now();
    let mut sent = 0;
    while sent < lines.count && answered.await_room(sent) {
        let end = lines.count.min(sent + CHUNK);
        let chunk: String = (sent..end)
            .map(|number| tally::body(&lines.prefix, lines.first + number) + "\n")
            .collect();
        if stream.write_all(chunk.as_bytes()).is_err() {
            // The reader sees the end of the connection and tells what was not answered.
            return;
        }
        sent = end;
        if let Some(millis) = (sent * 1_000).checked_div(lines.rate) {
            let due = Duration::from_millis(millis);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
}

fn read(stream: TcpStream, lines: &Lines, answered: &Answered) -> Replies {
    let mut replies = Replies::default();
    let mut input = BufReader::new(stream).lines();
    let mut numbers = lines.first..lines.first + lines.count;
    while let Some(number) = numbers.next() {
        let Some(Ok(reply)) = input.next() else {
            replies.unanswered.push(number);
            replies.unanswered.extend(numbers);
            break;
        };
        answered.add(reply == "OK");
        if reply == "OK" {
            replies.acknowledged.push(number);
        } else {
            replies.failed.push((number, reply));
        }
    }
    answered.close();
    replies
}
