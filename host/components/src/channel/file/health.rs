//! What is wrong with the disk of a file channel, for its operators.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use flume_core::{LogLimit, clock};
use parking_lot::Mutex;

/// Log lines in a second about a disk that fails.
const LINES: u32 = 1;

/// What a disk is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// To store events.
    Put,
    /// To give them back.
    Read,
}

/// What is wrong.
#[derive(Debug)]
pub(super) struct Health {
    /// Whether a put or a read has failed and not succeeded since: all others look no further.
    is_ill: AtomicBool,
    faults: Mutex<Faults>,
    lines: Mutex<LogLimit>,
}

/// Why the disk fails.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Why puts fail.
    pub(super) put: Option<String>,
    /// Why reads fail.
    pub(super) read: Option<String>,
    /// The first damage that was found, and how many events it cost in all.
    pub(super) damage: Option<(String, u64)>,
}

impl Faults {
    fn of(&mut self, asked: Asked) -> &mut Option<String> {
        match asked {
            Asked::Put => &mut self.put,
            Asked::Read => &mut self.read,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            is_ill: false.into(),
            faults: Mutex::default(),
            lines: Mutex::new(LogLimit::per_second(LINES)),
        }
    }
}

impl Health {
    /// The disk has failed.
    pub(super) fn failed(&self, channel: &str, asked: Asked, reason: &str) {
        self.stopped(asked, reason);
        if let Some(left_out) = self.lines.lock().admit(clock::now()) {
            tracing::error!(channel, reason, left_out, "the disk failed");
        }
    }

    /// The same, and who has found it has said so.
    pub(super) fn stopped(&self, asked: Asked, reason: &str) {
        let mut faults = self.faults.lock();
        *faults.of(asked) = Some(reason.to_owned());
        self.is_ill.store(true, Relaxed);
    }

    /// The disk has done what it was asked. Each put says so, so it costs nothing while all is well.
    pub(super) fn works(&self, channel: &str, asked: Asked) {
        if !self.is_ill.load(Relaxed) {
            return;
        }
        let mut faults = self.faults.lock();
        let was_ill = faults.of(asked).take().is_some();
        self.is_ill
            .store(faults.put.is_some() || faults.read.is_some(), Relaxed);
        drop(faults);
        if was_ill {
            let words = match asked {
                Asked::Put => "puts go on",
                Asked::Read => "it can be read again",
            };
            tracing::info!(channel, "the disk works again: {words}");
        }
    }

    /// Events are lost.
    pub(super) fn damaged(&self, text: &str, lost: u64) {
        let mut faults = self.faults.lock();
        let damage = faults.damage.get_or_insert((text.to_owned(), 0));
        damage.1 += lost;
    }

    /// What is wrong now.
    pub(super) fn faults(&self) -> Faults {
        self.faults.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_again_is_forgotten_and_the_rest_is_not() {
        let health = Health::default();
        health.works("c1", Asked::Put);
        health.failed("c1", Asked::Put, "no");
        health.stopped(Asked::Read, "neither");
        health.damaged("two", 2);
        health.works("c1", Asked::Put);
        let faults = health.faults();
        assert_eq!(
            (faults.put, faults.read.as_deref()),
            (None, Some("neither"))
        );
        health.works("c1", Asked::Put);
        health.works("c1", Asked::Read);
        let faults = health.faults();
        assert_eq!((faults.put, faults.read), (None, None));
        assert_eq!(faults.damage, Some(("two".to_owned(), 2)));
    }
}
