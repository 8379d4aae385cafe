//! The same tree in TOML: one table for each component.
//!
//! Law: a path of tables and keys is the property's key with dots, no matter how it is composed.
//! `[a1.sources.r1]` with `processor.type = …`, nested tables and a quoted `"a.b"` are the same to
//! every later pass.
//!
//! TOML cannot have both `a1.sources = r1` and `a1.sources.r1.type = netcat`: a key is a value or a
//! table. So where Flume has a list of names and keys below these names, the tables *are* the list,
//! in the order of the file (`LISTS`). If both are needed, use quoted keys.

use flume_core::context::{Value, Word};
use flume_core::{Code, Diagnostic, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Property;

/// Tables whose sub-tables are a list of names: the path with `*` for any name.
const LISTS: [&[&str]; 6] = [
    &["*", "sources"],
    &["*", "channels"],
    &["*", "sinks"],
    &["*", "sinkgroups"],
    &["*", "sources", "*", "interceptors"],
    &["*", "sources", "*", "interceptors", "*", "serializers"],
];

/// Reads a file: its properties in order, and its syntax errors.
pub(crate) fn parse(text: &str) -> (Vec<Property>, Vec<Diagnostic>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = TomlReader::default();
    for error in errors {
        let message = format!("this is not TOML: {}", error.message());
        let span = error
            .span()
            .map_or(Span { start: 0, end: 0 }, |range| span_of(&range));
        let found = Diagnostic::new(Code::Syntax, message).at(&span, "here");
        reader
            .diagnostics
            .push(found.help("text values need quotes: `type = \"netcat\"`"));
    }
    reader.table(&mut Vec::new(), table.get_ref());
    reader
        .properties
        .sort_by_key(|property| property.value.key_span);
    (reader.properties, reader.diagnostics)
}

/// Whether a path (split at dots) holds a list of the names below it.
pub(super) fn is_list(path: &[&str]) -> bool {
    let matches = |list: &&[&str]| {
        let mut pairs = list.iter().zip(path);
        list.len() == path.len() && pairs.all(|(wanted, part)| *wanted == "*" || wanted == part)
    };
    LISTS.iter().any(matches)
}

#[derive(Default)]
struct TomlReader {
    properties: Vec<Property>,
    diagnostics: Vec<Diagnostic>,
}

impl TomlReader {
    fn table(&mut self, path: &mut Vec<String>, table: &DeTable<'_>) {
        let depth = path.len();
        let mut names: Vec<Word> = Vec::new();
        for (key, value) in table {
            let key_span = span_of(&key.span());
            path.extend(key.get_ref().split('.').map(str::to_owned));
            match value.get_ref() {
                DeValue::Table(below) => {
                    let name = path.get(depth).cloned().unwrap_or_default();
                    names.push(Word {
                        text: name,
                        span: key_span,
                    });
                    self.table(path, below);
                }
                _ => self.value(path.join(".").trim().to_owned(), key_span, value),
            }
            path.truncate(depth);
        }
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        if is_list(&parts) && !names.is_empty() {
            self.implied(parts.join("."), names);
        }
    }

    /// The list of the tables below a key.
    fn implied(&mut self, key: String, mut names: Vec<Word>) {
        names.sort_by_key(|name| name.span);
        let mut words: Vec<Word> = Vec::new();
        for name in names {
            if name.text.is_empty() || name.text.contains(char::is_whitespace) {
                let message = format!("`{key}` has a name with blanks: `{}`", name.text);
                let found = Diagnostic::new(Code::InvalidKey, message);
                let help = "lists are split on blanks, so no name can have one";
                self.diagnostics
                    .push(found.at(&name.span, "this name").help(help));
            } else if words.iter().all(|word| word.text != name.text) {
                words.push(name);
            }
        }
        let Some(first) = words.first() else { return };
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let value = Value {
            text: texts.join(" "),
            key_span: first.span,
            span: first.span,
            words,
        };
        self.properties.push(Property { key, value });
    }

    fn value(&mut self, key: String, key_span: Span, value: &Spanned<DeValue<'_>>) {
        let span = span_of(&value.span());
        let value = match value.get_ref() {
            DeValue::Array(items) => {
                let mut words = Vec::new();
                for item in items {
                    match scalar(item.get_ref()) {
                        Some(text) => {
                            let span = span_of(&item.span());
                            words.extend(list_items(&text, span));
                        }
                        None => self.not_a_value(&key, item),
                    }
                }
                let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                Value {
                    text: texts.join(" "),
                    key_span,
                    span,
                    words,
                }
            }
            other => match scalar(other) {
                Some(text) => text_value(&text, key_span, span),
                None => return self.not_a_value(&key, value),
            },
        };
        self.properties.push(Property { key, value });
    }

    fn not_a_value(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        let kind = value.get_ref().type_str();
        let message = format!("`{key}` cannot hold this: {kind}");
        let found = Diagnostic::new(Code::BadValue, message).at(&span_of(&value.span()), kind);
        self.diagnostics
            .push(found.help("give text, a number, a boolean, or an array of texts"));
    }
}

/// Text, with the places of its words if the quoted text has no escapes.
fn text_value(text: &str, key_span: Span, span: Span) -> Value {
    let trimmed = text.trim_matches(|char| char <= ' ');
    let quotes = span.end - span.start == text.len() + 2;
    if !quotes {
        return Value::new(trimmed, key_span, span);
    }
    let lead = text.len() - text.trim_start_matches(|char| char <= ' ').len();
    let start = span.start + 1 + lead;
    let inner = Span {
        start,
        end: start + trimmed.len(),
    };
    Value {
        span,
        ..Value::new(trimmed, key_span, inner)
    }
}

/// The names in one item of an array: usually one.
fn list_items(text: &str, span: Span) -> Vec<Word> {
    text_value(text, span, span).words
}

/// Text, numbers and booleans as written in a properties file.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .ok()?
            .to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}

fn span_of(range: &std::ops::Range<usize>) -> Span {
    Span {
        start: range.start,
        end: range.end,
    }
}

#[cfg(test)]
mod tests;
