//! How far a long look is: one line on standard error, if that is a terminal.

use std::io::{IsTerminal as _, stderr};

use flume_core::shell::complain;
use flume_log::verify;

/// A line that is written again and again, and wiped at the end.
pub(in crate::cli) struct Progress {
    is_shown: bool,
    is_written: bool,
}

impl Progress {
    pub(in crate::cli) fn new() -> Self {
        Self {
            is_shown: stderr().is_terminal(),
            is_written: false,
        }
    }

    pub(in crate::cli) fn show(&mut self, now: verify::Progress) {
        if self.is_shown {
            self.is_written = true;
            complain(&line(now));
        }
    }
}

/// The cursor stays in front, so that whatever follows replaces it.
fn line(now: verify::Progress) -> String {
    let percent = now.done.saturating_mul(100) / now.all.max(1);
    let filled = usize::try_from(percent / 5).unwrap_or(20).min(20);
    let mib = |bytes: u64| bytes >> 20;
    let (bar, done, all) = ("#".repeat(filled), mib(now.done), mib(now.all));
    format!("\r[{bar:20}] {percent} %, {done} of {all} MiB\x1b[K\r")
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_written {
            complain("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let now = |done, all| line(verify::Progress { done, all });
        assert!(now(1 << 20, 4 << 20).contains("[#####               ] 25 %, 1 of 4 MiB"));
        assert!(now(9, 9).contains(&format!("[{}] 100 %", "#".repeat(20))));
        assert!(now(0, 0).contains("] 0 %"), "an empty log");
    }
}
