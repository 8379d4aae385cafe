//! A fast line client for netcat sources that knows which of its lines were acknowledged.
//!
//! One thread writes and one reads, with a bound on unanswered lines: replies come in the order of
//! the lines, so the n-th reply belongs to the n-th line. It never sends a line twice, so that
//! every duplicate that a scenario counts comes from the agent.

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

/// How long a source may take to listen.
const LISTENS: Duration = Duration::from_secs(20);

/// Which numbered lines to send.
#[derive(Clone, Debug)]
pub struct Lines {
    /// The text at the start of every line.
    pub prefix: String,
    /// The first number.
    pub first: u64,
    /// How many lines.
    pub count: u64,
    /// Lines per second; 0 is as fast as they are answered.
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

    /// At most this many lines per second.
    #[must_use]
    pub fn rate(mut self, rate: u64) -> Self {
        self.rate = rate;
        self
    }
}

/// The answers of a netcat source.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// Numbers of the lines that were answered `OK`.
    pub acknowledged: Vec<u64>,
    /// Numbers and answers of the lines whose answer was not `OK`.
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

/// Lines being sent.
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
    /// No line is begun any more; those that were sent are still answered.
    stopping: AtomicBool,
    /// How many lines were written.
    sent: AtomicU64,
}

impl Feed {
    /// Connects and begins to send. An agent may answer on its pages a moment before its sources listen.
    ///
    /// # Panics
    /// When nothing listens on the loopback port for some seconds.
    #[must_use]
    pub fn start(port: u16, lines: Lines) -> Self {
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        let stream = eventually(&format!("port {port} listens"), LISTENS, connect);
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

    /// Waits until `count` lines were answered `OK`.
    ///
    /// # Panics
    /// When they were not within `patience`.
    pub fn await_acknowledged(&self, count: u64, patience: Duration) {
        let what = format!("{count} of {} lines acknowledged", self.lines.count);
        eventually(&what, patience, || {
            (self.acknowledged() >= count).then_some(())
        });
    }

    /// Sends no more lines, and waits for the replies to those that were sent.
    ///
    /// # Panics
    /// When a reply was not valid.
    #[must_use]
    pub fn stop(self, patience: Duration) -> Replies {
        self.answered.stopping.store(true, Ordering::SeqCst);
        let (answered, first) = (Arc::clone(&self.answered), self.lines.first);
        let mut replies = self.finish(patience);
        let end = first + answered.sent.load(Ordering::SeqCst);
        replies.unanswered.retain(|number| *number < end);
        replies
    }

    /// Waits for the remaining replies, for at most `patience`, and hangs up.
    ///
    /// # Panics
    /// When a reply was not valid.
    #[must_use]
    pub fn finish(self, patience: Duration) -> Replies {
        let end = Instant::now() + patience;
        while Instant::now() < end && !self.reader.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.answered.close();
        // Fails if the other side has hung up first, which does not matter.
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
        *self.count.lock().expect("no holder panics") += 1;
        self.more.notify_one();
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        drop(self.count.lock().expect("no holder panics"));
        self.more.notify_one();
    }

    /// Waits until fewer than a window of the `sent` lines are unanswered; returns false when the
    /// sending is over.
    fn await_room(&self, sent: u64) -> bool {
        let full = |count: &mut u64| {
            sent.saturating_sub(*count) >= WINDOW && !self.closed.load(Ordering::Relaxed)
        };
        let count = self.count.lock().expect("no holder panics");
        drop(self.more.wait_while(count, full).expect("no holder panics"));
        !self.closed.load(Ordering::Relaxed)
    }
}

fn write(mut stream: TcpStream, lines: &Lines, answered: &Answered) {
    let start = Instant::now();
    let mut sent = 0;
    let stopping = || answered.stopping.load(Ordering::SeqCst);
    while sent < lines.count && answered.await_room(sent) && !stopping() {
        let end = lines.count.min(sent + CHUNK);
        let chunk: String = (sent..end)
            .map(|number| tally::body(&lines.prefix, lines.first + number) + "\n")
            .collect();
        // A part of them may arrive even if the connection breaks.
        answered.sent.store(end, Ordering::SeqCst);
        if stream.write_all(chunk.as_bytes()).is_err() {
            // The reader sees the end of the connection and reports the unanswered lines.
            return;
        }
        sent = end;
        if let Some(millis) = (sent * 1_000).checked_div(lines.rate) {
            let due = Duration::from_millis(millis);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    if stopping() {
        // The source answers what it has and hangs up. That fails if it has hung up first, which
        // the reader sees.
        stream.shutdown(Shutdown::Write).unwrap_or_default();
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
