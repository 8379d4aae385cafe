//! Secrets: a component says which of its values are secret, as it asks for them.

use std::fmt;

use super::disclosure::{Disclosure, Rule};
use super::{Context, MASK};

/// A secret value. Debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Context {
    /// A secret that may be absent.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        self.conceal(key);
        self.optional(key).map(Secret)
    }

    /// A secret that is required.
    pub fn required_secret(&mut self, key: &str) -> Option<Secret> {
        self.conceal(key);
        self.required(key).map(Secret)
    }

    /// Says that a key is secret, where it is not read.
    pub fn conceal(&mut self, key: &str) {
        self.disclosed.push((key.to_owned(), Rule::Hidden));
    }

    /// Says how the value of a key is shown: the function leaves out what may be secret.
    pub fn shown_as(&mut self, key: &str, show: fn(&str) -> String) {
        self.disclosed.push((key.to_owned(), Rule::Part(show)));
    }

    /// Says that the keys below a prefix are chosen by others, all keys that nobody asks for if it
    /// is empty. Their values are shown only if the key, without the prefix, is harmless.
    pub fn free_form(&mut self, prefix: &str, harmless: fn(&str) -> bool) {
        self.disclosed
            .push((prefix.to_owned(), Rule::Below(harmless)));
    }

    /// What may be shown of the values, by what was asked for so far.
    pub fn disclosure(&self) -> Disclosure {
        let asked = self.questions.iter();
        let own = asked.map(|question| question.key.clone());
        Disclosure::new(
            own.chain(self.nested.asked.iter().cloned()).collect(),
            self.disclosed.iter().chain(&self.nested.rules),
        )
    }

    /// Keeps what a finished sub-context says.
    pub(super) fn nest(&mut self, sub: &Context) {
        let prefix = sub.path.strip_prefix(&self.path);
        if let Some(prefix) = prefix.and_then(|rest| rest.strip_prefix('.')) {
            self.nested.add(prefix, sub.disclosure());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), MASK);
    }

    #[test]
    fn what_a_part_says_holds_for_the_whole() {
        let mut whole = Context::of("a.b.c", &[("x.password", "1"), ("x.free.y", "2")]);
        let mut part = whole.below("x");
        assert_eq!(part.secret("password"), Some(Secret::new("1")));
        part.free_form("free", |key| key == "y");
        whole.adopt(part);
        let shown = whole.disclosure();
        assert_eq!(shown.shown("x.password", "1"), MASK);
        assert_eq!(shown.shown("x.free.y", "2"), "2");
        assert_eq!(shown.shown("x.free.z", "2"), MASK);
        assert_eq!(shown.below("x").shown("free.z", "2"), MASK);
        assert_eq!(shown.below("x").shown("password", "1"), MASK);
    }
}
