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
        Self {
            patterns,
            begins,
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
    /// deadline.
    fn first(&self, text: &[u8]) -> Option<usize> {
        let begins = |byte: &u8| self.begins[usize::from(*byte)];
        let (strides, _) = text.as_chunks::<16>();
        let is_free = |stride: &&[u8; 16]| !stride.iter().fold(false, |any, b| any | begins(b));
        let free = 16 * strides.iter().take_while(is_free).count();
        Some(free + text[free..].iter().position(begins)?)
    }
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
