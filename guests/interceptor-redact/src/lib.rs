//! Redact: masks what looks like a secret in bodies.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `patterns` | (needed) | what to mask, separated by blanks |
//! | `mask` | `*` | one ASCII character, written over each character of a match |
//! | `header` | (none) | a header for the number of matches; events without a match do not get it |
//!
//! In a pattern `#` is a digit, `@` a letter, and any other character is itself:
//! `patterns = ####-####-####-#### secret` masks card numbers and the word `secret`. Matches do not
//! overlap: after one, the search goes on behind it.

use flume_policy_sdk::{
    Batch, Bodies, Interceptor, InterceptorSetup, Moment, Projection, export_interceptor,
};

/// Masks patterns.
#[derive(Debug)]
pub struct Redact {
    patterns: Vec<Vec<u8>>,
    /// Whether a pattern may begin with this byte: most bytes are not looked at twice.
    begins: [bool; 256],
    mask: u8,
    header: Option<String>,
}

impl Interceptor for Redact {
    fn configure(setup: &mut InterceptorSetup) -> Self {
        let properties = &mut setup.properties;
        let patterns = properties.required("patterns");
        let mask = properties.text("mask", "*");
        let header = properties.optional("header");
        let &[mask @ b' '..=b'~'] = mask.as_bytes() else {
            properties.bad("mask", "one ASCII character");
            return Self {
                patterns: Vec::new(),
                begins: [false; 256],
                mask: b'*',
                header,
            };
        };
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
            header,
        }
    }

    fn projection(&self) -> Projection {
        Projection::default().with(Bodies::Whole)
    }

    fn intercept(&mut self, _: Moment, batch: &Batch) {
        for event in batch {
            let Some((masked, matches)) = self.mask(event.body()) else {
                continue;
            };
            event.set_body(masked);
            if let Some(header) = &self.header {
                event.set_header(header, &matches.to_string());
            }
        }
    }
}

impl Redact {
    /// Where a match may begin. Goes in strides: each turn of a loop costs a look at the deadline.
    fn first(&self, text: &[u8]) -> Option<usize> {
        let begins = |byte: &u8| self.begins[usize::from(*byte)];
        let (strides, _) = text.as_chunks::<16>();
        let is_free = |stride: &&[u8; 16]| !stride.iter().fold(false, |any, b| any | begins(b));
        let free = 16 * strides.iter().take_while(is_free).count();
        Some(free + text[free..].iter().position(begins)?)
    }

    /// The body with its matches masked, and how many there are; `None` if there are none.
    fn mask(&self, body: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut masked: Option<Vec<u8>> = None;
        let (mut at, mut matches) = (0, 0);
        while let Some(skipped) = self.first(&body[at..]) {
            at += skipped;
            let rest = &body[at..];
            let found = self.patterns.iter().find(|pattern| is_match(pattern, rest));
            let Some(pattern) = found else {
                at += 1;
                continue;
            };
            let masked = masked.get_or_insert_with(|| body.to_vec());
            masked[at..at + pattern.len()].fill(self.mask);
            matches += 1;
            at += pattern.len();
        }
        masked.map(|masked| (masked, matches))
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

export_interceptor!(Redact);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::{self, event};

    fn redact(properties: &[(&str, &str)], body: &str) -> testing::TestEvent {
        let mut redact = testing::interceptor::<Redact>(properties).unwrap();
        testing::intercept(&mut redact, &[event(&[], body)]).remove(0)
    }

    #[test]
    fn matches_are_masked_and_counted() {
        let properties = [("patterns", "##-## key@"), ("mask", "x"), ("header", "n")];
        let redacted = redact(&properties, "12-34 and 12-3, keyA key1 56-7890");
        let expected = event(&[("n", "3")], "xxxxx and 12-3, xxxx key1 xxxxx90");
        assert_eq!(redacted, expected);
    }

    #[test]
    fn without_a_match_nothing_changes() {
        let properties = [("patterns", "secret"), ("header", "n")];
        assert_eq!(redact(&properties, "secre"), event(&[], "secre"));
    }

    #[test]
    fn a_mask_is_one_character() {
        let problems = testing::interceptor::<Redact>(&[("patterns", "x"), ("mask", "##")]);
        assert_eq!(problems.unwrap_err().len(), 1);
    }
}
