//! What a line looks like: text for people, text for the journal of systemd, or JSON.
//!
//! | format | line |
//! |---|---|
//! | text | `TIME  LEVEL message field=value field="text"` |
//! | for the journal | `<6>LEVEL message field=value`: it has a time of its own, and takes the priority |
//! | JSON | `{"timestamp": …, "level": …, "message": …, "field": value, …, "target": …}` |
//!
//! The law: one event is one line, except for a message of several lines (the `logger` sink's),
//! whatever characters a value has. JSON has escapes of its own; text gets those of
//! [`printable`].

use std::fmt::Write as _;

use flume_core::printable::{is_plain, printable};
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::record::{Record, Value};

/// A format of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people, perhaps in colours.
    Text {
        /// Whether the reader is a terminal that shows colours.
        colours: bool,
    },
    /// For systemd's journal.
    Journal,
    /// One JSON object per line.
    Json,
}

/// Syslog's priority of text that has no level: a warning.
const PRIORITY: u8 = 4;

impl Format {
    /// A line with its end.
    pub(super) fn line(self, record: &Record) -> String {
        match self {
            Self::Text { colours } => text(record, colours),
            Self::Journal => prioritised(&plain(record), priority(record.level)),
            Self::Json => json(record),
        }
    }

    /// Text of several lines that is not an event: what `check` would print.
    pub(super) fn drawing(self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        push_lines(&mut shown, text);
        match self {
            Self::Journal => prioritised(&shown, PRIORITY),
            Self::Text { .. } | Self::Json => shown,
        }
    }
}

fn text(record: &Record, colours: bool) -> String {
    let paint = |code: &'static str| if colours { code } else { "" };
    let (dim, italic, reset) = (paint("\x1b[2m"), paint("\x1b[3m"), paint("\x1b[0m"));
    let level = paint(match record.level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    });
    let mut line = format!(
        "{dim}{}{reset} {level}{:>5}{reset} ",
        now(),
        record.level.as_str()
    );
    push_lines(&mut line, &record.message);
    for (name, value) in record.fields.iter() {
        push(
            &mut line,
            format_args!(" {italic}{name}{reset}{dim}={reset}"),
        );
        push_value(&mut line, value);
    }
    line.push('\n');
    line
}

/// A line without a time.
fn plain(record: &Record) -> String {
    let mut line = format!("{} ", record.level);
    push_lines(&mut line, &record.message);
    for (name, value) in record.fields.iter() {
        push(&mut line, format_args!(" {name}="));
        push_value(&mut line, value);
    }
    line.push('\n');
    line
}

/// The text with a priority before each line, since the journal takes each as an entry.
fn prioritised(text: &str, priority: u8) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| format!("<{priority}>{line}\n")).collect()
}

/// Syslog's number.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn push_value(line: &mut String, value: &Value) {
    match value {
        Value::Bare(text) | Value::Shown(text) => line.push_str(&printable(text)),
        Value::Quoted(text) => {
            let text = printable(text);
            push(line, format_args!("\"{}\"", text.replace('"', "\\\"")));
        }
    }
}

/// Text whose line ends are meant.
fn push_lines(line: &mut String, text: &str) {
    if text.chars().all(is_plain) {
        line.push_str(text);
        return;
    }
    for (number, part) in text.split('\n').enumerate() {
        if number > 0 {
            line.push('\n');
        }
        line.push_str(&printable(part));
    }
}

fn json(record: &Record) -> String {
    let mut line = format!(
        "{{\"timestamp\":\"{}\",\"level\":\"{}\",\"message\":{}",
        now(),
        record.level,
        quoted(&record.message)
    );
    for (name, value) in record.fields.iter() {
        push(&mut line, format_args!(",{}:", quoted(name)));
        match value {
            Value::Bare(number) => line.push_str(number),
            text => line.push_str(&quoted(text.text())),
        }
    }
    push(
        &mut line,
        format_args!(",\"target\":{}}}\n", quoted(&record.target)),
    );
    line
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The time as RFC 3339 writes it, with microseconds.
pub(super) fn now() -> String {
    let mut time = String::new();
    // Writing to a string does not fail.
    SystemTime
        .format_time(&mut Writer::new(&mut time))
        .unwrap_or_default();
    time
}

fn push(line: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    line.write_fmt(more).unwrap_or_default();
}
