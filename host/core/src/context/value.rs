//! A value of a file: its text, its words, and their places in the file.

use crate::diagnostic::Span;

/// A value with the places of its key and of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The trimmed text.
    pub text: String,
    /// The place of the key.
    pub key_span: Span,
    /// The place of the value.
    pub span: Span,
    /// The text split on blanks, for values that are lists.
    pub words: Vec<Word>,
}

/// One name of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Value {
    /// A value whose words are at the same offsets in the file as in the text. Where escapes or
    /// continuation lines make that impossible, each word has the place of the whole value.
    pub fn new(text: impl Into<String>, key_span: Span, span: Span) -> Self {
        let text = text.into();
        let exact = span.end - span.start == text.len();
        let word = |word: &str| {
            let start = span.start + (word.as_ptr().addr() - text.as_ptr().addr());
            let end = start + word.len();
            let span = if exact { Span { start, end } } else { span };
            Word {
                text: word.to_owned(),
                span,
            }
        };
        let words = text.split_whitespace().map(word).collect();
        Self {
            text,
            key_span,
            span,
            words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    #[test]
    fn words_have_their_own_places_if_the_text_is_unchanged() {
        let spans = |value: &Value| -> Vec<(usize, usize)> {
            let words = value.words.iter();
            words.map(|word| (word.span.start, word.span.end)).collect()
        };
        let exact = Value::new("a  bc", span(0, 1), span(10, 15));
        assert_eq!(spans(&exact), [(10, 11), (13, 15)]);
        let escaped = Value::new("a  bc", span(0, 1), span(10, 20));
        assert_eq!(spans(&escaped), [(10, 20), (10, 20)]);
        assert_eq!(spans(&Value::new("", span(0, 1), span(2, 2))), []);
    }
}
