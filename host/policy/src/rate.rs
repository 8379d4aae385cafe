//! So many a second, and no more: for lines in a log.

use std::time::Duration;

use flume_core::clock::{self, Instant};

/// Counts within a second; a new second begins with the first use after the old one.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    second: Option<Instant>,
    used: u32,
}

impl Rate {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            second: None,
            used: 0,
        }
    }

    /// Whether one more is within the rate. It counts then.
    pub(crate) fn admits(&mut self) -> bool {
        let left = self.left();
        if left == self.per_second {
            (self.second, self.used) = (Some(clock::now()), 0);
        }
        self.used = self.used.saturating_add(u32::from(left > 0));
        left > 0
    }

    /// How many are left in this second.
    pub(crate) fn left(&self) -> u32 {
        let is_over = |second: Instant| {
            clock::now().saturating_duration_since(second) >= Duration::from_secs(1)
        };
        if self.second.is_none_or(is_over) {
            return self.per_second;
        }
        self.per_second.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_has_so_many() {
        let mut rate = Rate::new(2);
        let three = |rate: &mut Rate| [rate.admits(), rate.admits(), rate.admits()];
        assert_eq!(three(&mut rate), [true, true, false]);
        assert_eq!(rate.left(), 0);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!rate.admits());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(three(&mut rate), [true, true, false]);
    }

    #[test]
    fn none_is_none() {
        assert!(!Rate::new(0).admits());
    }
}
