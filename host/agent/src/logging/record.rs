//! One line of the log before it has a format: its level, its message, its fields.
//!
//! The laws: no value is longer than [`MOST_VALUE`], and no name occurs twice in a line. The names
//! that each line has are taken; a field that has one of them gets an underscore.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Level, Metadata};

/// Bytes of one value of a line, its message included.
const MOST_VALUE: usize = 256 * 1024;

/// What the end of a value says that was cut.
const CUT: &str = "… (cut)";

/// The names that the formats use themselves.
const TAKEN: [&str; 4] = ["timestamp", "level", "message", "target"];

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A number or a truth, as it is written.
    Bare(String),
    /// Text that is shown as it is.
    Shown(String),
    /// Text that is shown in quotes.
    Quoted(String),
}

impl Value {
    pub(super) fn text(&self) -> &str {
        let (Self::Bare(text) | Self::Shown(text) | Self::Quoted(text)) = self;
        text
    }
}

/// A line without a format.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) message: String,
    pub(super) fields: Fields,
}

impl Record {
    pub(super) fn new(metadata: &Metadata<'_>, mut fields: Fields) -> Self {
        Self {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message: fields.message.take().unwrap_or_default(),
            fields,
        }
    }

    /// The line that says how many are missing.
    pub(super) fn dropped(count: u64) -> Self {
        let mut fields = Fields::default();
        fields.add("count", Value::Bare(count.to_string()));
        Self {
            level: Level::WARN,
            target: env!("CARGO_CRATE_NAME").to_owned(),
            message: "log lines were dropped".to_owned(),
            fields,
        }
    }
}

/// The fields of a line or of a span, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fields {
    message: Option<String>,
    values: Vec<(String, Value)>,
}

impl Fields {
    /// The fields that a span was made with.
    pub(super) fn of_span(attributes: &Attributes<'_>) -> Self {
        let mut fields = Self::default();
        attributes.record(&mut fields);
        fields
    }

    /// Adds the fields of a span around, as far as the line does not say the same itself.
    pub(super) fn add_around(&mut self, span: &Self) {
        for (name, value) in &span.values {
            if !self.values.iter().any(|(known, _)| known == name) {
                self.values.push((name.clone(), value.clone()));
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (&**name, value))
    }

    fn add(&mut self, name: &str, value: Value) {
        // What the bridge to the crate `log` adds is not for people.
        if name.starts_with("log.") {
            return;
        }
        let mut name = name.to_owned();
        while TAKEN.contains(&&*name) || self.values.iter().any(|(known, _)| *known == name) {
            name.push('_');
        }
        self.values.push((name, value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = cut(format_args!("{value:?}"));
        if field.name() == "message" && self.message.is_none() {
            self.message = Some(text);
        } else {
            self.add(field.name(), Value::Shown(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = cut(format_args!("{value}"));
        if field.name() == "message" && self.message.is_none() {
            self.message = Some(text);
        } else {
            self.add(field.name(), Value::Quoted(text));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field.name(), Value::Shown(cut(format_args!("{value}"))));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), Value::Bare(value.to_string()));
    }
}

/// The text, or its beginning.
fn cut(text: fmt::Arguments<'_>) -> String {
    let mut kept = Kept(String::new());
    if kept.write_fmt(text).is_err() {
        kept.0.push_str(CUT);
    }
    kept.0
}

/// Takes text until it is long enough.
struct Kept(String);

impl fmt::Write for Kept {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = text.floor_char_boundary(MOST_VALUE.saturating_sub(self.0.len()));
        self.0.push_str(text.get(..room).unwrap_or_default());
        if room < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_between_characters() {
        let at_the_edge = "x".repeat(MOST_VALUE);
        assert_eq!(cut(format_args!("{at_the_edge}")), at_the_edge);
        let beyond = format!("{}é", "x".repeat(MOST_VALUE - 1));
        let expected = format!("{}{CUT}", "x".repeat(MOST_VALUE - 1));
        assert_eq!(cut(format_args!("{beyond}")), expected);
    }

    #[test]
    fn no_name_occurs_twice() {
        let mut fields = Fields::default();
        for name in ["k", "k", "level", "log.line"] {
            fields.add(name, Value::Bare("1".to_owned()));
        }
        let mut around = Fields::default();
        around.add("k", Value::Bare("2".to_owned()));
        around.add("agent", Value::Quoted("a1".to_owned()));
        fields.add_around(&around);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["k", "k_", "level_", "agent"]);
    }
}
