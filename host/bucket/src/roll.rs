//! When a file is rolled: by its size, and by its age.
//!
//! Flume checks count and size before each event, so a full file stays open until the next event
//! comes. Here the event that fills a file closes it. The files are the same.

use std::time::Duration;

use flume_core::clock::Instant;

/// When a file is rolled; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollLimits {
    /// Time since it was opened.
    pub interval: Option<Duration>,
    /// Bytes of bodies.
    pub bytes: Option<u64>,
    /// Events.
    pub count: Option<u64>,
    /// Time since its last batch.
    pub idle: Option<Duration>,
}

/// How full a file is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    bytes: u64,
    count: u64,
    opened: Instant,
    touched: Instant,
}

impl Fill {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            bytes: 0,
            count: 0,
            opened: now,
            touched: now,
        }
    }

    /// Counts an event.
    pub(crate) fn add(&mut self, body: usize) {
        self.bytes = self.bytes.saturating_add(body as u64);
        self.count = self.count.saturating_add(1);
    }

    /// Restarts the idle time: a batch came.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.touched = now;
    }

    pub(crate) fn touched(&self) -> Instant {
        self.touched
    }

    pub(crate) fn is_full(&self, limits: &RollLimits) -> bool {
        limits.count.is_some_and(|most| self.count >= most)
            || limits.bytes.is_some_and(|most| self.bytes >= most)
    }

    /// When the file must be closed because of its age, or because it is idle.
    pub(crate) fn due(&self, limits: &RollLimits) -> Option<Instant> {
        let interval = limits
            .interval
            .and_then(|time| self.opened.checked_add(time));
        let idle = limits.idle.and_then(|time| self.touched.checked_add(time));
        match (interval, idle) {
            (Some(interval), Some(idle)) => Some(interval.min(idle)),
            (interval, idle) => interval.or(idle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_limit_that_is_reached_counts() {
        let second = Duration::from_secs(1);
        let limits = RollLimits {
            interval: Some(10 * second),
            bytes: Some(100),
            count: Some(3),
            idle: Some(4 * second),
        };
        let start = Instant::now();
        let mut fill = Fill::new(start);
        fill.add(99);
        assert!(!fill.is_full(&limits));
        assert_eq!(fill.due(&limits), Some(start + 4 * second));
        fill.touch(start + 7 * second);
        assert_eq!(fill.due(&limits), Some(start + 10 * second));
        let by_bytes = {
            let mut fill = fill;
            fill.add(1);
            fill
        };
        assert!(by_bytes.is_full(&limits));
        fill.add(0);
        fill.add(0);
        assert!(fill.is_full(&limits), "three events");
        assert!(!fill.is_full(&RollLimits::default()));
        assert_eq!(fill.due(&RollLimits::default()), None);
    }
}
