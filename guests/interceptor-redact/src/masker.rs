//! Finding and masking, apart from the policy: text in, text out.
//!
//! Nothing here knows that it runs in a guest, so the same file compiled for the host is what the
//! guest is compared with (`host/policy/examples/bench.rs`).

/// Patterns, and what covers them.
#[derive(Debug)]
pub(crate) struct Masker {
    patterns: Vec<Vec<u8>>,
    /// Whether a pattern may begin with this byte: most bytes are not looked at twice.
    begins: [bool; 256],
    /// The same as ranges: the first byte, and how many more.
    ranges: Vec<(u8, u8)>,
    mask: u8,
}

impl Masker {
    /// For patterns separated by blanks.
    pub(crate) fn new(patterns: &str, mask: u8) -> Self {
        let patterns: Vec<Vec<u8>> = patterns
            .split_whitespace()
            .map(|pattern| pattern.as_bytes().to_vec())
            .collect();
        let mut begins = [false; 256];
        for byte in 0..=u8::MAX {
            let is_first = |pattern: &Vec<u8>| is_match(&pattern[..1], &[byte]);
            begins[usize::from(byte)] = patterns.iter().any(is_first);
        }
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in (0..=u8::MAX).filter(|byte| begins[usize::from(*byte)]) {
            match ranges.last_mut() {
                Some((first, more)) if byte - *first == *more + 1 => *more += 1,
                _ => ranges.push((byte, 0)),
            }
        }
        Self {
            patterns,
            begins,
            ranges,
            mask,
        }
    }

    /// The text with its matches masked, and how many there are; `None` if there are none.
    pub(crate) fn mask(&self, text: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut masked: Option<Vec<u8>> = None;
        let (mut at, mut matches) = (0, 0);
        while let Some(skipped) = self.first(&text[at..]) {
            at += skipped;
            let rest = &text[at..];
            let found = self.patterns.iter().find(|pattern| is_match(pattern, rest));
            let Some(pattern) = found else {
                at += 1;
                continue;
            };
            let masked = masked.get_or_insert_with(|| text.to_vec());
            masked[at..at + pattern.len()].fill(self.mask);
            matches += 1;
            at += pattern.len();
        }
        masked.map(|masked| (masked, matches))
    }

    /// Where a match may begin. Goes in strides: in a guest each turn of a loop costs a look at the
    /// deadline, and a stride is compared with a range in a few instructions.
    fn first(&self, text: &[u8]) -> Option<usize> {
        let (strides, _) = text.as_chunks::<16>();
        let is_free = |stride: &&[u8; 16]| !self.ranges.iter().any(|range| touches(stride, *range));
        let free = 16 * strides.iter().take_while(is_free).count();
        let begins = |byte: &u8| self.begins[usize::from(*byte)];
        Some(free + text[free..].iter().position(begins)?)
    }
}

/// Whether a byte of the stride is in the range: without an early end, so that it becomes vector
/// instructions.
fn touches(stride: &[u8; 16], (first, more): (u8, u8)) -> bool {
    let is_in = |byte: &u8| byte.wrapping_sub(first) <= more;
    stride.iter().fold(false, |any, byte| any | is_in(byte))
}

/// Whether the text begins with the pattern.
fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let matches = |(wanted, byte): (&u8, &u8)| match wanted {
        b'#' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_alphabetic(),
        _ => wanted == byte,
    };
    pattern.len() <= text.len() && pattern.iter().zip(text).all(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the strides skip is compared with a search that looks at every byte.
    #[test]
    fn a_match_is_found_wherever_it_is() {
        let masker = Masker::new("s# @z é", b'*');
        assert_eq!(masker.ranges.len(), 3);
        for at in 0..70 {
            for (found, masked) in [("s7", "**"), ("Qz", "**"), ("é", "**")] {
                let text = |middle: &str| "-".repeat(at) + middle + &"+".repeat(70 - at);
                let expected = (text(masked).into_bytes(), 1);
                assert_eq!(masker.mask(text(found).as_bytes()), Some(expected), "{at}");
            }
            let near = "-".repeat(at) + "sx";
            assert_eq!(masker.mask(near.as_bytes()), None, "{at}");
        }
    }
}
