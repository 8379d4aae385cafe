//! Keeps one repeated complaint from filling the log.
//!
//! The law: the first complaint is always logged, the next ones at most once in an interval, and
//! how many were left out is told by the one that follows them. A peer must not decide how much
//! an agent logs.

use std::time::Duration;

use flume_core::clock::{self, Instant};
use parking_lot::Mutex;

/// Shared by all that complain about the same thing.
#[derive(Debug)]
pub struct LogLimit {
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl LogLimit {
    /// At most one line in this interval.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            state: Mutex::default(),
        }
    }

    /// Whether to log now; if so, how many lines were left out since the last one.
    pub fn admit(&self) -> Option<u64> {
        let now = clock::now();
        let mut state = self.state.lock();
        if state
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < self.every)
        {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_counted() {
        let limit = LogLimit::new(Duration::from_secs(10));
        assert_eq!(limit.admit(), Some(0));
        assert_eq!(limit.admit(), None);
        assert_eq!(limit.admit(), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(limit.admit(), Some(2));
        assert_eq!(limit.admit(), None);
    }
}
