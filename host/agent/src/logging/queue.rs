//! The way of a line to standard error: a queue that is bounded, and a thread that writes.
//!
//! The laws: who logs never waits for who reads. A line that finds the queue full is dropped and
//! counted, and once lines are read again, one line says how many are missing. A line that was cut
//! short, by a full disk, is missing too, and the next one is not joined to it. The thread takes a
//! handful of lines in one write, so a fast reader gets them as fast as before.
//!
//! The crate `tracing-appender` has such a queue. It was not taken because it bounds lines and not
//! bytes, says nothing in the log about what it dropped, and waits at the end for a reader that is
//! stuck for longer than a second signal may take.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::clock::{self, Instant};
use parking_lot::{Condvar, Mutex};

/// Lines that wait to be written.
const MOST_LINES: usize = 16_384;

/// Bytes of lines that wait to be written.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Bytes after which the thread adds no further line to a write.
const WRITE_BYTES: usize = 32 * 1024;

/// The pause between two notices about dropped lines while the queue does not get empty.
const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// The pause before a write is tried again if the reader's end does not block and is full.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// A queue of lines. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct LineQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There are lines.
    filled: Condvar,
    /// All lines are written.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// Whether lines that left the queue are not written yet.
    writes: bool,
}

impl LineQueue {
    /// A queue, and the thread that writes its lines to `out`. `notice` makes the line that says how
    /// many lines are missing.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        }));
        let writer = Writer {
            shared: Arc::clone(&queue.0),
            out,
            notice,
            ends: Vec::new(),
            is_torn: false,
            noticed: 0,
            missing_since: None,
        };
        std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run())?;
        Ok(queue)
    }

    /// Queues a line with its end, or drops it if there is no room.
    pub(super) fn push(&self, line: String) {
        let mut state = self.0.state.lock();
        let bytes = state.bytes.saturating_add(line.len());
        if state.lines.len() >= MOST_LINES || bytes > MOST_BYTES {
            drop(state);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes = bytes;
        state.lines.push_back(line);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Lines that were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, but no longer than `patience`. Returns whether they are.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let deadline = clock::now() + patience;
        let mut state = self.0.state.lock();
        while state.writes || !state.lines.is_empty() {
            let left = deadline.saturating_duration_since(clock::now());
            if self.0.written.wait_for(&mut state, left).timed_out() {
                return false;
            }
        }
        true
    }
}

/// The thread that writes.
struct Writer<W, N> {
    shared: Arc<Shared>,
    out: W,
    notice: N,
    /// Where each of the taken lines ends.
    ends: Vec<usize>,
    /// Whether the last write ended within a line.
    is_torn: bool,
    /// The dropped lines that a notice has told of.
    noticed: u64,
    /// Since when lines are missing that no notice has told of.
    missing_since: Option<Instant>,
}

impl<W: Write, N: Fn(u64) -> String> Writer<W, N> {
    fn run(mut self) {
        let mut bytes = Vec::with_capacity(WRITE_BYTES);
        loop {
            bytes.clear();
            self.take(&mut bytes);
            match self.write(&bytes) {
                Ok(()) => self.tell_of_dropped(),
                // Nobody reads any more, or the disk is full: the next line tries again.
                Err(written) => {
                    let missing = self.ends.iter().filter(|end| **end > written).count();
                    let missing = u64::try_from(missing).unwrap_or(u64::MAX);
                    self.shared.dropped.fetch_add(missing, Ordering::Relaxed);
                }
            }
        }
    }

    /// Waits for lines, and takes as many as go into one write.
    fn take(&mut self, bytes: &mut Vec<u8>) {
        self.ends.clear();
        let mut state = self.shared.state.lock();
        state.writes = false;
        while state.lines.is_empty() {
            self.shared.written.notify_all();
            self.shared.filled.wait(&mut state);
        }
        state.writes = true;
        while bytes.len() < WRITE_BYTES
            && let Some(line) = state.lines.pop_front()
        {
            state.bytes = state.bytes.saturating_sub(line.len());
            bytes.extend_from_slice(line.as_bytes());
            self.ends.push(bytes.len());
        }
    }

    /// Writes whole lines, behind the end of one that was cut short. `Err` says how many bytes of
    /// them were written.
    fn write(&mut self, bytes: &[u8]) -> Result<(), usize> {
        if self.is_torn {
            write_all(&mut self.out, b"\n").map_err(|_| 0_usize)?;
            self.is_torn = false;
        }
        write_all(&mut self.out, bytes).inspect_err(|written| {
            let last = bytes.get(..*written).and_then(|done| done.last());
            self.is_torn = last.is_some_and(|byte| *byte != b'\n');
        })
    }

    /// Says how many lines are missing: after the lines that were queued before them, or now and
    /// then if the queue does not get empty.
    fn tell_of_dropped(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let missing = dropped.saturating_sub(self.noticed);
        if missing == 0 {
            return;
        }
        let since = *self.missing_since.get_or_insert_with(clock::now);
        let is_empty = self.shared.state.lock().lines.is_empty();
        if !is_empty && clock::now() - since < NOTICE_EVERY {
            return;
        }
        let line = (self.notice)(missing);
        if self.write(line.as_bytes()).is_ok() {
            self.noticed = dropped;
            self.missing_since = None;
        }
    }
}

/// Writes all, also to an end that does not block: whoever shares it may have made it so. `Err` says
/// how many bytes were written before it failed.
fn write_all(out: &mut impl Write, bytes: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return Err(written),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::park_timeout(RETRY_AFTER)
            }
            Err(_) => return Err(written),
        }
    }
    out.flush().map_err(|_| written)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A reader that takes a write only when it is asked to.
    struct Stuck(SyncSender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map(|()| bytes.len())
                .map_err(|_| ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stuck() -> (LineQueue, Receiver<Vec<u8>>) {
        let (sender, reader) = sync_channel(0);
        let notice = |count| format!("dropped {count}\n");
        (LineQueue::start(Stuck(sender), notice).unwrap(), reader)
    }

    /// Waits until the thread holds what was pushed, in a write that nobody takes.
    fn held(queue: &LineQueue) {
        while !queue.0.state.lock().lines.is_empty() {
            std::thread::yield_now();
        }
    }

    fn text(reader: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(reader.recv_timeout(PATIENCE).unwrap()).unwrap()
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped_and_told_of() {
        let (queue, reader) = stuck();
        queue.push("first\n".to_owned());
        held(&queue);
        for _ in 0..MOST_LINES + 7 {
            queue.push("\n".to_owned());
        }
        assert_eq!(queue.dropped(), 7);
        assert!(
            !queue.flush(Duration::from_millis(10)),
            "the reader is stuck"
        );
        assert_eq!(text(&reader), "first\n");
        let mut told = String::new();
        while !told.ends_with("dropped 7\n") {
            told = text(&reader);
        }
        assert!(queue.flush(PATIENCE));
        queue.push("more\n".to_owned());
        assert_eq!(text(&reader), "more\n");
    }

    #[test]
    fn bytes_are_bounded_as_well_as_lines() {
        let (queue, reader) = stuck();
        queue.push("first\n".to_owned());
        held(&queue);
        let long = "x".repeat(MOST_BYTES / 2);
        for dropped in [0, 0, 1, 2] {
            queue.push(long.clone());
            assert_eq!(queue.dropped(), dropped);
        }
        // What is taken makes room again.
        assert_eq!(text(&reader), "first\n");
        while queue.0.state.lock().bytes > MOST_BYTES / 2 {
            std::thread::yield_now();
        }
        queue.push(long);
        assert_eq!(queue.dropped(), 2);
        drop(reader);
    }

    #[test]
    fn a_reader_that_went_away_is_no_reason_to_wait() {
        let (queue, reader) = stuck();
        drop(reader);
        queue.push("nobody\n".to_owned());
        assert!(queue.flush(PATIENCE));
        assert_eq!(queue.dropped(), 1);
    }

    /// A disk with room for so many bytes.
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (text, room) = &mut *self.0.lock();
            let fits = bytes.len().min(*room);
            if fits == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            *room -= fits;
            text.extend(bytes.iter().take(fits));
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_a_full_disk_cut_short_is_not_joined_to_the_next() {
        let disk = Arc::new(Mutex::new((Vec::new(), "first\nsec".len())));
        let notice = |count| format!("dropped {count}\n");
        let queue = LineQueue::start(Disk(Arc::clone(&disk)), notice).unwrap();
        for line in ["first\n", "second\n", "third\n"] {
            queue.push(line.to_owned());
            assert!(queue.flush(PATIENCE));
        }
        assert_eq!(queue.dropped(), 2, "the first line is there");
        // Room for a part of what is missing, and of what says so.
        disk.lock().1 = "\nfourth\ndro".len();
        queue.push("fourth\n".to_owned());
        assert!(queue.flush(PATIENCE));
        disk.lock().1 = 100;
        queue.push("fifth\n".to_owned());
        assert!(queue.flush(PATIENCE));
        let text = String::from_utf8(disk.lock().0.clone()).unwrap();
        assert_eq!(text, "first\nsec\nfourth\ndro\nfifth\ndropped 2\n");
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn an_end_that_does_not_block_gets_every_byte() {
        struct Slow(Vec<u8>, bool);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                self.0.extend(bytes.iter().take(2));
                Ok(bytes.len().min(2))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut slow = Slow(Vec::new(), false);
        write_all(&mut slow, b"hello").unwrap();
        assert_eq!(slow.0, b"hello");
    }
}
