//! A policy's lines for the host's log: labelled, cut, and limited in number.

use std::sync::Arc;

use flume_core::{LogLimit, clock, printable};
use memchr::{memchr, memchr_iter, memrchr};
use parking_lot::Mutex;

use crate::bindings::log::{Level, Stream};
use crate::stats::Stats;
use crate::terms::Account;

/// Bytes of a line; the rest is cut off.
const LINE: usize = 1024;

/// One place's lines.
#[derive(Debug)]
pub(crate) struct GuestLog {
    policy: Arc<str>,
    digest: Arc<str>,
    /// Shared by all instances of the place: an instance can be made anew a thousand times a second.
    limit: Arc<Mutex<LogLimit>>,
    stats: Arc<Stats>,
    /// Pieces of what a runtime prints, until a line is whole.
    output: Vec<u8>,
    errors: Vec<u8>,
    /// An error that the call under way has logged: probably the reason for a trap.
    error: Option<String>,
}

/// What is kept of printed bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Printed {
    /// Whole lines; the first one completes what was there before.
    lines: Vec<Vec<u8>>,
    /// Lines that are not read.
    skipped: usize,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl GuestLog {
    pub(crate) fn new(policy: Arc<str>, digest: Arc<str>, account: &Account) -> Self {
        Self {
            policy,
            digest,
            limit: Arc::clone(&account.lines),
            stats: Arc::clone(&account.stats),
            output: Vec::new(),
            errors: Vec::new(),
            error: None,
        }
    }

    /// A call begins: what was logged in earlier ones does not explain its failure.
    pub(crate) fn begin(&mut self) {
        self.error = None;
    }

    /// Whether a message is to be read. One that is not is counted here.
    pub(crate) fn wants(&mut self, level: Level) -> bool {
        let wants = level == Level::Error || self.limit.lock().left(clock::now()) > 0;
        if !wants {
            self.stats.log_lines_dropped.increment();
        }
        wants
    }

    /// The part of a message that is kept.
    pub(crate) fn cut(message: &str) -> &str {
        let end = message.floor_char_boundary(LINE);
        message.get(..end).unwrap_or_default()
    }

    pub(crate) fn write(&mut self, level: Level, message: &str) {
        let text = printable(Self::cut(message));
        if level == Level::Error {
            self.error = Some(text.clone().into_owned());
        }
        if self.limit.lock().admit(clock::now()).is_none() {
            self.stats.log_lines_dropped.increment();
            return;
        }
        let (policy, digest, text) = (&*self.policy, &*self.digest, &*text);
        match level {
            Level::Debug => tracing::debug!(policy, digest, text, "policy says"),
            Level::Info => tracing::info!(policy, digest, text, "policy says"),
            Level::Warn => tracing::warn!(policy, digest, text, "policy says"),
            Level::Error => tracing::error!(policy, digest, text, "policy says"),
        }
    }

    /// Reads printed bytes as far as they will be kept: a guest can print millions of empty lines
    /// in one call, and no deadline interrupts the host.
    pub(crate) fn read(&self, mut bytes: &[u8]) -> Printed {
        let mut printed = Printed::default();
        // One line is read in any case, since it may be the reason for a trap.
        let most = usize::try_from(self.limit.lock().left(clock::now()))
            .unwrap_or(usize::MAX)
            .max(1);
        while printed.lines.len() < most {
            let Some(end) = memchr(b'\n', bytes) else {
                break;
            };
            let (line, rest) = bytes.split_at(end);
            printed.lines.push(beginning(line));
            bytes = rest.get(1..).unwrap_or_default();
        }
        if let Some(last) = memrchr(b'\n', bytes) {
            printed.skipped = memchr_iter(b'\n', bytes).count();
            bytes = bytes.get(last + 1..).unwrap_or_default();
        }
        printed.rest = beginning(bytes);
        printed
    }

    pub(crate) fn print(&mut self, stream: Stream, printed: Printed) {
        for line in printed.lines {
            self.append(stream, &line);
            let line = std::mem::take(self.piece(stream));
            self.print_line(stream, &line);
        }
        if printed.skipped > 0 {
            self.stats.log_lines_dropped.add(printed.skipped);
            self.piece(stream).clear();
        }
        self.append(stream, &printed.rest);
    }

    /// The last error that the guest logged, once.
    pub(crate) fn take_error(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.errors);
        if !rest.is_empty() {
            self.print_line(Stream::Error, &rest);
        }
        self.error.take()
    }

    fn piece(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Error => &mut self.errors,
        }
    }

    fn append(&mut self, stream: Stream, bytes: &[u8]) {
        let piece = self.piece(stream);
        let room = LINE.saturating_sub(piece.len()).min(bytes.len());
        piece.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn print_line(&mut self, stream: Stream, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match stream {
            Stream::Output => self.write(Level::Info, &line),
            Stream::Error => {
                self.write(Level::Warn, &line);
                // Of a report over many lines the first says what it is about.
                self.error
                    .get_or_insert_with(|| printable(&line).into_owned());
            }
        }
    }
}

fn beginning(line: &[u8]) -> Vec<u8> {
    line.get(..LINE).unwrap_or(line).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu_share::CpuShares;
    use crate::limits::Limits;

    fn log(lines_per_second: u32) -> (GuestLog, Arc<Stats>) {
        let account = account(lines_per_second);
        let log = GuestLog::new("p".into(), "d".into(), &account);
        (log, account.stats)
    }

    fn account(lines_per_second: u32) -> Account {
        let limits = Limits {
            log_lines: lines_per_second,
            ..Limits::default()
        };
        let share = CpuShares::default().of(100, clock::now());
        Account::new(Arc::default(), share, &limits)
    }

    /// However often the instance is made anew.
    #[test]
    fn a_place_has_one_rate() {
        let account = account(100);
        for _ in 0..85 {
            let mut log = GuestLog::new("p".into(), "d".into(), &account);
            for _ in 0..100 {
                log.write(Level::Info, "again");
            }
        }
        assert!(account.stats.log_lines_dropped.get() >= 84 * 100);
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
        for bytes in [&b"panic: no"[..], b" way\n\ngoroutine 1\nand so on"] {
            let printed = log.read(bytes);
            log.print(Stream::Error, printed);
        }
        assert_eq!(log.take_error().as_deref(), Some("panic: no way"));
        assert_eq!(log.take_error(), None);
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let (mut log, _) = log(1);
        log.write(Level::Error, &"é".repeat(LINE));
        assert_eq!(log.take_error().map(|line| line.len()), Some(LINE));
    }

    #[test]
    fn a_line_cannot_forge_others() {
        let (mut log, _) = log(2);
        log.write(Level::Error, "no\n<3>ERROR forged \u{1b}[31m\u{202e}");
        let escaped = r"no\n<3>ERROR forged \u{1b}[31m\u{202e}";
        assert_eq!(log.take_error().as_deref(), Some(escaped));
        let printed = log.read(b"panic\r\n");
        log.print(Stream::Error, printed);
        assert_eq!(log.take_error().as_deref(), Some(r"panic\r"));
    }

    #[test]
    fn a_flood_of_printed_lines_is_read_no_further_than_it_is_kept() {
        let (mut log, stats) = log(3);
        let printed = log.read(b"a\nb\nc\nd\ne\nf");
        assert_eq!((printed.lines.len(), printed.skipped), (3, 2));
        assert_eq!(printed.rest, b"f");
        log.print(Stream::Output, printed);
        assert_eq!(stats.log_lines_dropped.get(), 2);
        // The lines of this second are used up: one is still read, as it may be the reason for a trap.
        let printed = log.read(b"!\n\n");
        assert_eq!((printed.lines.len(), printed.skipped), (1, 1));
        log.print(Stream::Error, printed);
        assert_eq!(stats.log_lines_dropped.get(), 4);
        assert_eq!(log.take_error().as_deref(), Some("!"));
    }

    #[test]
    fn what_an_earlier_call_said_explains_nothing() {
        let (mut log, _) = log(3);
        log.write(Level::Error, "once");
        log.begin();
        assert_eq!(log.take_error(), None);
    }
}
