//! Finding and masking, separate from the policy: text in, text out.
//!
//! Nothing here depends on running in a guest, so a benchmark compiles the same file natively and
//! compares it with the guest (`host/desk/benches/boundary.rs`).

use wide::u8x16;

/// Bytes compared at once: one vector.
const STRIDE: usize = 16;

/// First bytes of patterns are compared as this many ranges.
const RANGES: usize = 4;

/// Patterns, and their mask.
#[derive(Debug)]
pub(crate) struct Masker {
    patterns: Vec<Vec<u8>>,
    /// Bytes with which a pattern may begin, as ranges of a first byte and a length. They may
    /// include further bytes: a text that begins with one is compared with the patterns.
    begins: [(u8x16, u8x16); RANGES],
    /// Whether a pattern has this as its second byte, or ends before it. This rules out most texts
    /// that only begin like a pattern.
    second: [bool; 256],
    mask: u8,
}

impl Masker {
    /// A masker for patterns separated by blanks.
    pub(crate) fn new(patterns: &str, mask: u8) -> Self {
        let patterns: Vec<Vec<u8>> = patterns
            .split_whitespace()
            .map(|pattern| pattern.as_bytes().to_vec())
            .collect();
        let mut second = [false; 256];
        for byte in 0..=u8::MAX {
            let fits = |pattern: &Vec<u8>| {
                let wanted = pattern.get(1..2);
                wanted.is_none_or(|wanted| is_match(wanted, &[byte]))
            };
            second[usize::from(byte)] = patterns.iter().any(fits);
        }
        Self {
            begins: begins(&patterns),
            second,
            patterns,
            mask,
        }
    }

    /// The text with its matches masked, and how many there are; `None` if there are none.
    ///
    /// It works in strides: in a guest each iteration of a loop costs a check of the deadline, and
    /// a stride is compared with the ranges in a few instructions.
    pub(crate) fn mask(&self, text: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut found = Found {
            text,
            masked: None,
            matches: 0,
            end: 0,
        };
        let (strides, rest) = text.as_chunks::<STRIDE>();
        for (at, stride) in strides.iter().enumerate() {
            self.look(stride, at * STRIDE, &mut found);
        }
        match text.last_chunk::<STRIDE>() {
            _ if rest.is_empty() => {}
            // Overlaps the last stride: cheaper than byte by byte.
            Some(last) => self.look(last, text.len() - STRIDE, &mut found),
            None => {
                let mut padded = [0; STRIDE];
                padded[..rest.len()].copy_from_slice(rest);
                self.look(&padded, 0, &mut found);
            }
        }
        Some((found.masked?, found.matches))
    }

    /// Checks each place of a stride where a match may begin.
    #[inline]
    fn look(&self, stride: &[u8; STRIDE], from: usize, found: &mut Found<'_>) {
        let mut places = self.places(stride);
        while places != 0 {
            self.mask_at(from + places.trailing_zeros() as usize, found);
            places &= places - 1;
        }
    }

    /// Where in the stride a match may begin: a bit for each byte.
    #[inline]
    fn places(&self, stride: &[u8; STRIDE]) -> u32 {
        let bytes = u8x16::new(*stride);
        let is_in = |(first, more): (u8x16, u8x16)| {
            let behind = bytes - first;
            behind.min(more).simd_eq(behind)
        };
        let [a, b, c, d] = self.begins.map(is_in);
        (a | b | c | d).to_bitmask()
    }

    /// Masks the pattern that begins here, if there is one and no earlier match covers this place.
    fn mask_at(&self, at: usize, found: &mut Found<'_>) {
        let rest = found.text.get(at..).unwrap_or_default();
        if rest
            .get(1)
            .is_some_and(|byte| !self.second[usize::from(*byte)])
        {
            return;
        }
        let is_here = |pattern: &&Vec<u8>| is_match(pattern, rest);
        let Some(pattern) = self.patterns.iter().find(is_here) else {
            return;
        };
        if at < found.end {
            return;
        }
        found.end = at + pattern.len();
        found.matches += 1;
        let masked = found.masked.get_or_insert_with(|| found.text.to_vec());
        masked[at..found.end].fill(self.mask);
    }
}

/// The matches found in a text so far.
struct Found<'a> {
    text: &'a [u8],
    masked: Option<Vec<u8>>,
    matches: usize,
    /// The end of the last match.
    end: usize,
}

/// The bytes with which a pattern may begin, as ranges. If there are too many, those with the
/// smallest gaps are merged.
fn begins(patterns: &[Vec<u8>]) -> [(u8x16, u8x16); RANGES] {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for byte in 0..=u8::MAX {
        if !patterns
            .iter()
            .any(|pattern| is_match(&pattern[..1], &[byte]))
        {
            continue;
        }
        match ranges.last_mut() {
            Some((_, last)) if byte - *last == 1 => *last = byte,
            _ => ranges.push((byte, byte)),
        }
    }
    while ranges.len() > RANGES {
        let gap = |at: &usize| ranges[at + 1].0 - ranges[*at].1;
        let at = (0..ranges.len() - 1).min_by_key(gap).unwrap_or_default();
        let (_, last) = ranges.remove(at + 1);
        ranges[at].1 = last;
    }
    // Unused ranges repeat the first one. Without patterns it is byte 0, where nothing matches.
    let one = ranges.first().copied().unwrap_or((0, 0));
    ranges.resize(RANGES, one);
    let mut begins = [(u8x16::splat(0), u8x16::splat(0)); RANGES];
    for (begin, (first, last)) in begins.iter_mut().zip(ranges) {
        *begin = (u8x16::splat(first), u8x16::splat(last - first));
    }
    begins
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

    fn masked(masker: &Masker, text: &str) -> Option<(String, usize)> {
        let (masked, matches) = masker.mask(text.as_bytes())?;
        Some((String::from_utf8(masked).unwrap(), matches))
    }

    /// The search in strides is compared with one that checks every byte.
    #[test]
    fn a_match_is_found_wherever_it_is() {
        let masker = Masker::new("s# @z é", b'*');
        for length in 2..70 {
            for at in 0..=length - 2 {
                for (found, stars) in [("s7", "**"), ("Qz", "**"), ("é", "**")] {
                    let text =
                        |middle: &str| "-".repeat(at) + middle + &"+".repeat(length - 2 - at);
                    let expected = Some((text(stars), 1));
                    assert_eq!(masked(&masker, &text(found)), expected, "{at} of {length}");
                }
            }
        }
        assert_eq!(
            masked(&masker, &("-".repeat(15) + "sx" + &"-".repeat(20))),
            None
        );
        assert_eq!(masked(&masker, ""), None);
    }

    #[test]
    fn the_search_goes_on_behind_a_match() {
        let masker = Masker::new("## 1a", b'x');
        assert_eq!(masked(&masker, "321a"), Some(("xxxx".to_owned(), 2)));
        let long = "-".repeat(14) + "12345" + &"-".repeat(9);
        let expected = "-".repeat(14) + "xxxx5" + &"-".repeat(9);
        assert_eq!(masked(&masker, &long), Some((expected, 2)));
    }

    #[test]
    fn any_number_of_first_bytes_is_known() {
        let masker = Masker::new("b1 d2 f3 h4 j5 z6", b'x');
        let text = "b1 c2 d2 f3 h4 j5 z6 a1";
        assert_eq!(
            masked(&masker, text),
            Some(("xx c2 xx xx xx xx xx a1".to_owned(), 6))
        );
        assert_eq!(
            masked(&Masker::new("", b'x'), "\0 anything at all, and more\0"),
            None
        );
    }
}
