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
//! overlap: after one, the search continues after it.

use flume_policy_sdk::{
    Batch, Bodies, Interceptor, InterceptorSetup, Moment, Projection, export_interceptor,
};

mod masker;

use masker::Masker;

/// Masks patterns.
#[derive(Debug)]
pub struct Redact {
    masker: Masker,
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
            let masker = Masker::new("", b'*');
            return Self { masker, header };
        };
        let masker = Masker::new(&patterns, mask);
        Self { masker, header }
    }

    fn projection(&self) -> Projection {
        Projection::default().with(Bodies::Whole)
    }

    fn intercept(&mut self, _: Moment, batch: &Batch) {
        for event in batch {
            let Some((masked, matches)) = self.masker.mask(event.body()) else {
                continue;
            };
            event.set_body(masked);
            if let Some(header) = &self.header {
                event.set_header(header, &matches.to_string());
            }
        }
    }
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
