//! Keeps repeated lines from filling the log.
//!
//! The law: at most a fixed number of lines per interval. An interval begins with the first line
//! after the previous one has ended. The next line that is logged says how many were left out. A
//! peer, a guest or a full channel must not decide how much an agent logs.

use std::time::Duration;

use crate::clock::Instant;

/// A limit for log lines on one subject.
#[derive(Debug)]
pub struct LogLimit {
    lines: u32,
    interval: Duration,
    /// When the interval began.
    begun: Option<Instant>,
    /// Lines logged in this interval.
    logged: u32,
    /// Lines left out since the last one that was logged.
    left_out: u64,
}

impl LogLimit {
    /// At most this many lines in each interval.
    pub const fn new(lines: u32, interval: Duration) -> Self {
        Self {
            lines,
            interval,
            begun: None,
            logged: 0,
            left_out: 0,
        }
    }

    /// At most this many lines per second.
    pub const fn per_second(lines: u32) -> Self {
        Self::new(lines, Duration::from_secs(1))
    }

    /// If a line may be logged now, returns how many were left out since the last one. Counts the
    /// line either way.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.left(now) == 0 {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        if self.is_over(now) {
            (self.begun, self.logged) = (Some(now), 0);
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.left_out))
    }

    /// How many lines may still be logged in this interval.
    pub fn left(&self, now: Instant) -> u32 {
        match self.is_over(now) {
            true => self.lines,
            false => self.lines.saturating_sub(self.logged),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.begun
            .is_none_or(|begun| now.saturating_duration_since(begun) >= self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn what_was_left_out_is_counted() {
        let mut limit = LogLimit::new(1, Duration::from_secs(10));
        let start = clock::now();
        let later = start + Duration::from_secs(10);
        assert_eq!(limit.admit(start), Some(0));
        assert_eq!(limit.admit(start), None);
        assert_eq!(limit.admit(start), None);
        assert_eq!(limit.admit(later), Some(2));
        assert_eq!(limit.admit(later), None);
    }

    #[test]
    fn a_second_has_as_many_lines_as_the_limit_says() {
        let mut limit = LogLimit::per_second(2);
        let start = clock::now();
        let admitted = |limit: &mut LogLimit, now| [(); 3].map(|()| limit.admit(now).is_some());
        assert_eq!(admitted(&mut limit, start), [true, true, false]);
        assert_eq!(limit.left(start), 0);
        assert_eq!(limit.admit(start + Duration::from_millis(999)), None);
        let next = start + Duration::from_secs(1);
        assert_eq!(limit.left(next), 2);
        assert_eq!(admitted(&mut limit, next), [true, true, false]);
    }

    #[test]
    fn an_interval_begins_with_a_line() {
        let mut limit = LogLimit::per_second(1);
        let start = clock::now();
        let late = start + Duration::from_millis(1500);
        assert_eq!(limit.admit(start), Some(0));
        assert_eq!(limit.admit(late), Some(0));
        assert_eq!(limit.admit(late + Duration::from_millis(999)), None);
    }

    #[test]
    fn a_limit_of_zero_admits_no_lines() {
        assert_eq!(LogLimit::per_second(0).admit(clock::now()), None);
    }
}
