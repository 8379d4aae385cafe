//! The queue between a recorder and the thread that writes its file: two buffers that are swapped.
//!
//! The data path appends some bytes under a lock that is never held for longer than a swap takes, and
//! wakes the other thread only when the buffer is half full. What has no room is dropped and counted:
//! a batch never waits for a disk.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use flume_core::counters::Counter;
use parking_lot::{Condvar, Mutex};

use super::encode::{frame, number};

/// Entries on their way to a file.
#[derive(Debug)]
pub struct TraceQueue {
    capacity: usize,
    buffer: Mutex<Buffer>,
    writer: OnceLock<Thread>,
    is_closed: AtomicBool,
    finished: Mutex<bool>,
    on_finish: Condvar,
    /// Entries taken in.
    pub entries: Counter,
    /// Entries dropped, since the queue was full.
    pub dropped: Counter,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// When the first entry of these bytes was, also as time of day.
    began: (u64, u64),
    /// When the last one was.
    last: u64,
    /// Entries dropped before the first one.
    lost_before: u64,
    /// Entries dropped since the last one.
    lost: u64,
}

/// Entries that were taken out together: a frame of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk(pub Vec<u8>);

impl TraceQueue {
    /// An empty queue with this many bytes.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            buffer: Mutex::default(),
            writer: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            finished: Mutex::new(false),
            on_finish: Condvar::new(),
            entries: Counter::default(),
            dropped: Counter::default(),
        }
    }

    /// Takes in an entry: its kind and what follows its time. `finish` adds what depends on when
    /// the bytes began.
    pub(super) fn push(
        &self,
        at: u64,
        unix_ms: u64,
        kind: u8,
        finish: impl FnOnce(&mut Vec<u8>, i64),
        rest: &[u8],
    ) {
        let mut buffer = self.buffer.lock();
        // A kind, a time and a difference of the time of day take 21 bytes at most.
        if buffer.bytes.len() + rest.len() + 21 > self.capacity
            || buffer.lost > 0 && !buffer.bytes.is_empty()
        {
            buffer.lost += 1;
            drop(buffer);
            self.dropped.increment();
            return;
        }
        if buffer.bytes.is_empty() {
            buffer.began = (at, unix_ms);
            buffer.last = at;
            buffer.lost_before = std::mem::take(&mut buffer.lost);
        }
        let since = at.saturating_sub(buffer.last);
        buffer.last = buffer.last.max(at);
        buffer.bytes.push(kind);
        number(&mut buffer.bytes, since);
        let (began, began_unix_ms) = buffer.began;
        let expected = began_unix_ms.saturating_add(buffer.last.saturating_sub(began) / 1_000_000);
        finish(
            &mut buffer.bytes,
            unix_ms.cast_signed().saturating_sub(expected.cast_signed()),
        );
        buffer.bytes.extend_from_slice(rest);
        let half = self.capacity / 2;
        let is_half_full =
            buffer.bytes.len() >= half && buffer.bytes.len() - rest.len() < half + 21;
        drop(buffer);
        self.entries.increment();
        if is_half_full {
            self.wake();
        }
    }

    /// Takes out everything, for the thread that writes the file.
    pub fn take(&self) -> Option<Chunk> {
        let mut buffer = self.buffer.lock();
        if buffer.bytes.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut buffer.bytes);
        let ((began, unix_ms), lost) = (buffer.began, buffer.lost_before);
        drop(buffer);
        let mut payload = Vec::with_capacity(bytes.len() + 30);
        for value in [began, unix_ms, lost] {
            number(&mut payload, value);
        }
        payload.extend(bytes);
        Some(Chunk(frame(&payload)))
    }

    /// Makes this thread the writer: it is unparked when there is much to write, and when there will
    /// be no more; and the end waits for it. To be called before there is a recorder.
    pub fn serve(&self, writer: Thread) {
        // If this is called twice, the first call counts.
        self.writer.get_or_init(|| writer);
    }

    /// Whether no more entries will come.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Everything is written: wakes the threads that wait for that.
    pub fn finish(&self) {
        *self.finished.lock() = true;
        self.on_finish.notify_all();
    }

    /// Ends the recording, and waits until everything is written, but not longer than this.
    pub fn close(&self, most: Duration) {
        self.is_closed.store(true, Ordering::Release);
        self.wake();
        let mut finished = self.finished.lock();
        if !*finished && self.writer.get().is_some() {
            let waited = self.on_finish.wait_for(&mut finished, most);
            if waited.timed_out() {
                tracing::warn!(
                    "the last entries of a trace may be missing: writing takes too long"
                );
            }
        }
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}
