//! Random numbers that are the same on every machine.
//!
//! The generator is that of the native selectors. It draws from 64 bits even where addresses have
//! 32, as in WebAssembly: the generator's own `usize` would give other numbers there.

/// A generator of random numbers.
///
/// ```
/// use flume_policy_sdk::Random;
///
/// let (mut one, mut other) = (Random::seeded(7), Random::seeded(7));
/// let mut shuffled = [0, 1, 2, 3, 4];
/// one.shuffle(&mut shuffled);
/// let mut again = [0, 1, 2, 3, 4];
/// other.shuffle(&mut again);
/// assert_eq!(shuffled, again);
/// assert!(one.below(3) < 3);
/// ```
#[derive(Debug, Clone)]
pub struct Random(fastrand::Rng);

impl Random {
    /// The same seed gives the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A number from 0 to `bound` − 1; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 => 0,
            bound => self.0.u64(..bound as u64) as usize,
        }
    }

    /// Puts values into a random order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in 1..values.len() {
            let other = self.below(last + 1);
            values.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_is_the_generators_own() {
        let (mut ours, mut theirs) = (Random::seeded(3), fastrand::Rng::with_seed(3));
        for length in 0..40 {
            let mut left: Vec<usize> = (0..length).collect();
            let mut right = left.clone();
            ours.shuffle(&mut left);
            theirs.shuffle(&mut right);
            assert_eq!(left, right);
        }
    }
}
