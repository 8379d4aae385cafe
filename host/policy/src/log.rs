//! A policy's lines on their way into the host's log: labelled, cut, and not too many.

use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, Instant};

use crate::bindings::log::{Level, Stream};
use crate::stats::Stats;

/// Bytes of a line; the rest is cut off.
const LINE: usize = 1024;

/// One place's lines.
#[derive(Debug)]
pub(crate) struct GuestLog {
    policy: Arc<str>,
    digest: Arc<str>,
    lines_per_second: u32,
    stats: Arc<Stats>,
    second: Option<Instant>,
    lines: u32,
    /// Pieces of what a runtime prints, until a line is whole.
    output: Vec<u8>,
    errors: Vec<u8>,
    /// The last line that told of an error: the reason for a trap, probably.
    last_error: Option<String>,
}

impl GuestLog {
    pub(crate) fn new(
        policy: Arc<str>,
        digest: Arc<str>,
        lines_per_second: u32,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            policy,
            digest,
            lines_per_second,
            stats,
            second: None,
            lines: 0,
            output: Vec::new(),
            errors: Vec::new(),
            last_error: None,
        }
    }

    pub(crate) fn write(&mut self, level: Level, message: &str) {
        let end = message.floor_char_boundary(LINE);
        let message = message.get(..end).unwrap_or_default();
        if level == Level::Error {
            self.last_error = Some(message.to_owned());
        }
        if !self.admits() {
            self.stats.log_lines_dropped.increment();
            return;
        }
        let (policy, digest) = (&*self.policy, &*self.digest);
        match level {
            Level::Debug => tracing::debug!(policy, digest, message, "policy says"),
            Level::Info => tracing::info!(policy, digest, message, "policy says"),
            Level::Warn => tracing::warn!(policy, digest, message, "policy says"),
            Level::Error => tracing::error!(policy, digest, message, "policy says"),
        }
    }

    pub(crate) fn print(&mut self, stream: Stream, bytes: &[u8]) {
        for &byte in bytes {
            let piece = match stream {
                Stream::Output => &mut self.output,
                Stream::Error => &mut self.errors,
            };
            if byte != b'\n' {
                if piece.len() < LINE {
                    piece.push(byte);
                }
                continue;
            }
            let line = std::mem::take(piece);
            self.print_line(stream, &line);
        }
    }

    fn print_line(&mut self, stream: Stream, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match stream {
            Stream::Output => self.write(Level::Info, &line),
            Stream::Error => {
                self.write(Level::Warn, &line);
                // Of a report over many lines the first says what it is about.
                self.last_error.get_or_insert_with(|| line.into_owned());
            }
        }
    }

    /// Where the policy's doings are counted.
    pub(crate) fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    pub(crate) fn spent(&self, time: Duration) {
        self.stats.spent(time);
    }

    /// What the guest last said about an error, once.
    pub(crate) fn take_error(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.errors);
        if !rest.is_empty() {
            self.print_line(Stream::Error, &rest);
        }
        self.last_error.take()
    }

    fn admits(&mut self) -> bool {
        let now = clock::now();
        match self.second {
            Some(second) if now.saturating_duration_since(second) < Duration::from_secs(1) => {}
            _ => (self.second, self.lines) = (Some(now), 0),
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= self.lines_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines_per_second: u32) -> (GuestLog, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        let log = GuestLog::new("p".into(), "d".into(), lines_per_second, Arc::clone(&stats));
        (log, stats)
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let (mut log, stats) = log(2);
        for _ in 0..5 {
            log.write(Level::Info, "again");
        }
        assert_eq!(stats.log_lines_dropped.get(), 3);
    }

    #[test]
    fn pieces_are_joined_and_the_first_error_is_kept() {
        let (mut log, _) = log(100);
        log.print(Stream::Error, b"panic: no");
        log.print(Stream::Error, b" way\n\ngoroutine 1\nand so on");
        assert_eq!(log.take_error().as_deref(), Some("panic: no way"));
        assert_eq!(log.take_error(), None);
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let (mut log, _) = log(1);
        log.write(Level::Error, &"é".repeat(LINE));
        assert_eq!(log.take_error().map(|line| line.len()), Some(LINE));
    }
}
