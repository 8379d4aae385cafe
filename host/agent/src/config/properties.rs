//! Flume's files: the syntax of `java.util.Properties`, with the place of every key and value.
//!
//! Law: what Java reads, this reads, and a place is always a range of the original text, also
//! where a value is put together from escapes and continuation lines. That is why no library is
//! used here: those that exist forget where a value stood. One of them is the oracle in the tests.
//!
//! | step | takes | gives |
//! |---|---|---|
//! | `logical_line` | text | characters with their places, lines joined, no comments |
//! | `split` | one line | key and value, still escaped |
//! | `unescape` | key or value | decoded characters with their places |

use std::fmt::Write as _;

use flume_core::context::{Value, Word};
use flume_core::{Code, Diagnostic, Span};

use super::Property;

/// How a character is written if it is not written as it is.
const ESCAPES: &str = "write `\\uXXXX` with four hexadecimal digits, or the character itself";

/// A character and the bytes that it came from: more than its own if it was an escape.
#[derive(Debug, Clone, Copy)]
struct Place {
    char: char,
    span: Span,
}

/// Reads a file: its properties in order, doubled ones included, and what is wrong with it.
pub fn parse(text: &str) -> (Vec<Property>, Vec<Diagnostic>) {
    let mut properties = Vec::new();
    let mut diagnostics = Vec::new();
    // A byte order mark is no part of the first key.
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (line, next) = logical_line(rest, at);
        at = next;
        let Some(last) = line.last() else { continue };
        let end = last.span.end;
        let (key, value) = split(&line);
        let key = trimmed(unescape(key, &mut diagnostics));
        let value = trimmed(unescape(value, &mut diagnostics));
        let key_span = span_of(&key, end);
        let value = Value {
            words: words(&value),
            ..Value::new(text_of(&value), key_span, span_of(&value, end))
        };
        let key = text_of(&key);
        properties.push(Property { key, value });
    }
    (properties, diagnostics)
}

/// Writes properties so that reading them gives the same keys and values.
pub fn write<'p>(properties: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let mut text = String::new();
    for (key, value) in properties {
        for char in key.chars() {
            if matches!(char, ' ' | '=' | ':' | '#' | '!') {
                text.push('\\');
            }
            push_escaped(&mut text, char);
        }
        text.push_str(" = ");
        value.chars().for_each(|char| push_escaped(&mut text, char));
        let end = text.trim_end_matches(' ').len();
        text.truncate(end);
        text.push('\n');
    }
    text
}

fn push_escaped(text: &mut String, char: char) {
    match char {
        '\\' => text.push_str("\\\\"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\u{c}' => text.push_str("\\f"),
        char if char.is_control() => {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let written = write!(text, "\\u{unit:04X}");
                debug_assert!(written.is_ok());
            }
        }
        char => text.push(char),
    }
}

/// The first line of `rest` (which starts at `base`) with its continuation lines; empty for a
/// comment or a blank line. Also where the next one starts.
fn logical_line(rest: &str, base: usize) -> (Vec<Place>, usize) {
    let mut line: Vec<Place> = Vec::new();
    let mut chars = rest.char_indices().peekable();
    let mut blank = true;
    let mut comment = false;
    let mut backslash = false;
    while let Some((at, char)) = chars.next() {
        if matches!(char, '\n' | '\r') {
            let feed = char == '\r' && chars.next_if(|(_, next)| *next == '\n').is_some();
            if !backslash {
                return (line, base + at + if feed { 2 } else { 1 });
            }
            line.pop();
            backslash = false;
            blank = true;
            continue;
        }
        if blank && is_blank(char) {
            continue;
        }
        // A line that consists of a continued nothing may still turn out to be a comment: Java
        // looks for the mark at the start of a logical line only, and so does this.
        comment |= blank && line.is_empty() && matches!(char, '#' | '!') && !continued(rest, at);
        blank = false;
        backslash = char == '\\' && !backslash && !comment;
        if !comment {
            let start = base + at;
            let end = start + char.len_utf8();
            let span = Span { start, end };
            line.push(Place { char, span });
        }
    }
    if backslash {
        line.pop();
    }
    (line, base + rest.len())
}

/// Whether something other than blanks stands before this place of a logical line.
fn continued(rest: &str, at: usize) -> bool {
    rest.get(..at)
        .is_some_and(|before| !before.chars().all(is_blank))
}

/// Blanks of a line, which are fewer than Unicode's.
fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\u{c}')
}

/// Splits at the first separator that is not escaped: blanks, and at most one `=` or `:`.
fn split(line: &[Place]) -> (&[Place], &[Place]) {
    let mut escaped = false;
    let ends = |place: &Place| {
        let end = !escaped && (is_blank(place.char) || matches!(place.char, '=' | ':'));
        escaped = place.char == '\\' && !escaped;
        end
    };
    let end = line.iter().position(ends).unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let rest = skip_blanks(rest);
    let rest = match rest.split_first() {
        Some((first, rest)) if matches!(first.char, '=' | ':') => rest,
        _ => rest,
    };
    (key, skip_blanks(rest))
}

fn skip_blanks(line: &[Place]) -> &[Place] {
    let blanks = line.iter().take_while(|place| is_blank(place.char)).count();
    line.get(blanks..).unwrap_or_default()
}

/// Decodes escapes. What cannot be decoded leaves a diagnostic and nothing else.
fn unescape(line: &[Place], diagnostics: &mut Vec<Diagnostic>) -> Vec<Place> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let (true, Some((second, tail))) = (first.char == '\\', tail.split_first()) else {
            out.push(*first);
            continue;
        };
        let char = match second.char {
            'u' => {
                match unicode(rest) {
                    Ok((place, used)) => {
                        let start = first.span.start;
                        let span = Span {
                            start,
                            ..place.span
                        };
                        out.push(Place { span, ..place });
                        rest = rest.get(used..).unwrap_or_default();
                    }
                    Err(problem) => {
                        let start = first.span.start;
                        let end = rest
                            .get(..5.min(rest.len()))
                            .and_then(<[_]>::last)
                            .map_or(start, |p| p.span.end);
                        let span = Span { start, end };
                        diagnostics.push(
                            Diagnostic::new(Code::Syntax, problem)
                                .at(&span, "this escape")
                                .help(ESCAPES),
                        );
                        rest = tail;
                    }
                }
                continue;
            }
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            other => other,
        };
        let span = Span {
            start: first.span.start,
            end: second.span.end,
        };
        out.push(Place { char, span });
        rest = tail;
    }
    out
}

/// Decodes what follows a backslash: `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair. Also how many
/// places that took.
fn unicode(line: &[Place]) -> Result<(Place, usize), &'static str> {
    let half = "`\\u` escape is half of a surrogate pair";
    let high = unit(line).ok_or("malformed `\\u` escape")?;
    let used = if char::from_u32(high).is_some() {
        5
    } else {
        11
    };
    let code = if used == 5 {
        high
    } else {
        let second = line.get(5..).unwrap_or_default();
        let low = match second.split_first() {
            Some((backslash, rest)) if backslash.char == '\\' => unit(rest),
            _ => None,
        };
        let low = low
            .filter(|low| (0xDC00..0xE000).contains(low))
            .ok_or(half)?;
        if high >= 0xDC00 {
            return Err(half);
        }
        0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
    };
    let char = char::from_u32(code).ok_or(half)?;
    let last = line.get(used - 1).ok_or(half)?;
    Ok((
        Place {
            char,
            span: last.span,
        },
        used,
    ))
}

/// The number in `uXXXX`.
fn unit(line: &[Place]) -> Option<u32> {
    let (u, digits) = line.split_first()?;
    let digits = digits.get(..4)?;
    let digit = |value: u32, place: &Place| Some(value * 16 + place.char.to_digit(16)?);
    (u.char == 'u').then_some(())?;
    digits.iter().try_fold(0, digit)
}

/// Without what Java's `trim` takes away.
fn trimmed(mut text: Vec<Place>) -> Vec<Place> {
    let inner = |place: &Place| place.char > ' ';
    let end = text.iter().rposition(inner).map_or(0, |last| last + 1);
    text.truncate(end);
    let start = text.iter().position(inner).unwrap_or(0);
    text.split_off(start)
}

fn text_of(text: &[Place]) -> String {
    text.iter().map(|place| place.char).collect()
}

/// From the first character to the last; of nothing the end of the line.
fn span_of(text: &[Place], end: usize) -> Span {
    match (text.first(), text.last()) {
        (Some(first), Some(last)) => Span {
            start: first.span.start,
            end: last.span.end,
        },
        _ => Span { start: end, end },
    }
}

fn words(text: &[Place]) -> Vec<Word> {
    text.split(|place| place.char.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| Word {
            text: text_of(word),
            span: span_of(word, 0),
        })
        .collect()
}

#[cfg(test)]
mod tests;
