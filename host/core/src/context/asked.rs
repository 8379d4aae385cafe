//! Which keys were asked for: every other key of the file is unknown.

use super::{Context, Question, Value};

impl Context {
    /// Counts a key as asked for, without reading its value.
    pub fn accept(&mut self, key: &str) {
        self.ask(key, None, false);
    }

    /// Counts a key as asked for and as required, without reading its value: whoever asks says in
    /// words of its own what is missing.
    pub fn require(&mut self, key: &str) {
        self.ask(key, None, true);
    }

    /// Counts all keys as asked for: if the type of a component is unknown, its keys cannot be
    /// checked.
    pub fn accept_all(&mut self) {
        self.prefixes.push(String::new());
    }

    /// The questions asked so far, each key once, in the order of asking.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The keys and values that have not been asked for yet.
    pub fn unasked(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.iter().filter(|(key, _)| !self.is_known(key))
    }

    pub(super) fn is_known(&self, key: &str) -> bool {
        self.questions.iter().any(|question| question.key == key)
            || self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    pub(super) fn ask(&mut self, key: &str, default: Option<String>, required: bool) {
        match self
            .questions
            .iter_mut()
            .find(|question| question.key == key)
        {
            None => {
                let key = key.to_owned();
                self.questions.push(Question {
                    key,
                    default,
                    required,
                });
            }
            Some(question) => {
                question.required |= required;
                question.default = question.default.take().or(default);
            }
        }
    }
}
