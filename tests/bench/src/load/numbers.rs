//! The numbers of a run's events, shared out among its connections as they need them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that were not sent yet. Those that were are the first ones, whoever sent them.
#[derive(Debug)]
pub struct Numbers {
    next: AtomicU64,
    end: u64,
}

impl Numbers {
    /// The numbers from `first` on, `most` of them.
    #[must_use]
    pub fn new(first: u64, most: u64) -> Self {
        Self {
            next: AtomicU64::new(first),
            end: first.saturating_add(most),
        }
    }

    /// Takes the next numbers, at most so many: the first of them, and how many they are. `None` if
    /// there are fewer than `least`, or none is wanted.
    pub fn take(&self, least: u64, most: u64) -> Option<(u64, u64)> {
        let more = |next: u64| {
            let count = most.min(self.end - next);
            (count > 0 && count >= least).then_some(next + count)
        };
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let first = self.next.fetch_update(set, get, more).ok()?;
        Some((first, more(first)? - first))
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.end - self.next.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_once_and_in_order() {
        let numbers = Numbers::new(7, 10);
        assert_eq!(numbers.take(1, 4), Some((7, 4)));
        assert_eq!(numbers.take(1, 0), None);
        assert_eq!(numbers.take(5, 5), Some((11, 5)));
        assert_eq!(numbers.left(), 1);
        assert_eq!(numbers.take(2, 5), None);
        assert_eq!(numbers.take(1, 5), Some((16, 1)));
        assert_eq!(numbers.take(0, 5), None);
    }
}
