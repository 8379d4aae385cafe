//! Random choices that can be made again: a failing drill is repeated with the seed that it said.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::say;

/// The variable that sets the seed.
const VARIABLE: &str = "FLUME_TESTS_SEED";

/// A series of choices (xorshift64*).
pub struct Seed(u64);

impl Seed {
    /// The seed of the environment, or else a new one; it is said, with the drill's name.
    ///
    /// # Panics
    /// When the one of the environment is not a number.
    #[must_use]
    pub fn of_drill(name: &str) -> Self {
        let seed = match std::env::var(VARIABLE) {
            Ok(text) => text.parse().expect("FLUME_TESTS_SEED is a number"),
            Err(_) => now(),
        };
        say::line(&format!("{name}: {VARIABLE}={seed}"));
        Self::from(seed)
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).expect("a count");
        &all[usize::try_from(self.below(count)).expect("an index")]
    }

    /// A time up to `most`, in milliseconds.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).expect("a short time");
        Duration::from_millis(self.below(most + 1))
    }
}

impl From<u64> for Seed {
    fn from(seed: u64) -> Self {
        // Zero would stay zero, and small seeds would begin alike.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).max(1))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::from(since.expect("a year after 1970").subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let choices = |seed| {
            let mut seed = Seed::from(seed);
            (0..100).map(|_| seed.below(6)).collect::<Vec<u64>>()
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
        for number in 0..6 {
            assert!(choices(7).contains(&number), "{number} is never chosen");
        }
    }
}
