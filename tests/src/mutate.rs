//! Bytes that are nearly right: what a fuzzer without feedback can do.

use crate::seed::Seed;

/// The most bytes that a mutation is about.
const MOST: u64 = 64;

/// Values at which lengths and counts go wrong.
const EDGES: &[u8] = &[0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff];

/// One of these with a few changes, or with a part of another one.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn mutated(seeds: &[Vec<u8>], random: &mut Seed) -> Vec<u8> {
    let mut bytes = random.one_of(seeds).clone();
    for _ in 0..=random.below(4) {
        change(&mut bytes, seeds, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Seed) {
    let part = part(bytes, random);
    match random.below(7) {
        0 => bytes.truncate(part.start),
        1 => drop(bytes.drain(part)),
        2 => {
            let copy = bytes[part.clone()].to_vec();
            bytes.splice(part.start..part.start, copy);
        }
        3 => {
            let other = random.one_of(seeds);
            let from = self::part(other, random);
            bytes.splice(part, other[from].iter().copied());
        }
        4 => bytes[part].fill_with(|| *random.one_of(EDGES)),
        5 => bytes.insert(part.start, low(random)),
        _ => {
            if let Some(byte) = bytes.get_mut(part.start) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

/// A few bytes somewhere, or none at the end.
fn part(bytes: &[u8], random: &mut Seed) -> std::ops::Range<usize> {
    let below = |random: &mut Seed, end: usize| {
        let end = u64::try_from(end).expect("a length");
        usize::try_from(random.below(end + 1)).expect("an index")
    };
    let start = below(random, bytes.len());
    let length = match random.below(3) {
        0 => 1,
        _ => usize::try_from(random.below(MOST)).expect("a length"),
    };
    start..bytes.len().min(start + length)
}

fn low(random: &mut Seed) -> u8 {
    u8::try_from(random.below(256)).expect("a byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_most_differ_from_what_they_were() {
        let seeds = [b"one".to_vec(), Vec::new(), vec![7; 100]];
        let made = |seed| {
            let mut random = Seed::from(seed);
            let made = (0..500).map(|_| mutated(&seeds, &mut random));
            made.collect::<Vec<_>>()
        };
        assert_eq!(made(7), made(7));
        assert_ne!(made(7), made(8));
        let changed = made(7)
            .iter()
            .filter(|bytes| !seeds.contains(bytes))
            .count();
        assert!(changed > 300, "{changed}");
    }
}
