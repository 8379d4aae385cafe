//! Lists with commas. Flume separates names by blanks, so `c1, c2` are the names `c1,` and `c2`. Said
//! once, this is one mistake; taken as written, it would be several.

use flume_core::context::{Value, Word};
use flume_core::{Code, Diagnostic, Span};

use super::KINDS;

/// Whether a key, taken apart at its first three dots, holds a list of names.
pub(super) fn is_list(parts: &[&str]) -> bool {
    match parts {
        [_, kind] => KINDS.contains(kind),
        [_, "sources", _, rest] => matches!(*rest, "channels" | "interceptors"),
        [_, "sinkgroups", _, rest] => *rest == "sinks",
        _ => false,
    }
}

/// The list that was meant, and what to say.
pub(super) fn separated(key: &str, value: &Value) -> (Value, Diagnostic) {
    let words: Vec<Word> = value.words.iter().flat_map(names).collect();
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let text = texts.join(" ");
    let message = format!("`{key}` separates names by commas");
    let found = Diagnostic::new(Code::BadValue, message)
        .at(&value.span, "names are separated by blanks")
        .help(format!("write `{key} = {text}`"));
    let meant = Value {
        text,
        words,
        ..value.clone()
    };
    (meant, found)
}

/// The names in a word, each with its place if the word is in the file as it is.
fn names(word: &Word) -> Vec<Word> {
    let is_exact = word.span.end - word.span.start == word.text.len();
    let mut start = word.span.start;
    let mut names = Vec::new();
    for part in word.text.split(',') {
        let end = start + part.len();
        let span = if is_exact {
            Span { start, end }
        } else {
            word.span
        };
        if !part.is_empty() {
            let text = part.to_owned();
            names.push(Word { text, span });
        }
        start = end + 1;
    }
    names
}
