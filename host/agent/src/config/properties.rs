//! Flume's files: the syntax of `java.util.Properties`, with the place of every key and value.
//!
//! Law: this reads what Java reads, and a place is always a range of the original text, even if a
//! value has escapes and continuation lines. No library is used because the existing ones do not
//! keep places. One of them is the oracle in the tests.
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

/// Help: how to write a character that cannot be written literally.
const ESCAPES: &str = "write `\\uXXXX` with four hexadecimal digits, or the character itself";

/// A character and the bytes that it came from; for an escape, those of the whole escape.
#[derive(Debug, Clone, Copy)]
struct PlacedChar {
    char: char,
    span: Span,
}

/// Reads a file: its properties in order, including duplicates, and its syntax errors.
pub(crate) fn parse(text: &str) -> (Vec<Property>, Vec<Diagnostic>) {
    let mut properties = Vec::new();
    let mut diagnostics = Vec::new();
    // A byte order mark is not part of the first key.
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
pub(crate) fn write<'p>(properties: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
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
/// comment or a blank line. Also returns where the next line starts.
fn logical_line(rest: &str, base: usize) -> (Vec<PlacedChar>, usize) {
    let mut line: Vec<PlacedChar> = Vec::new();
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
        // If only blanks precede a continuation, the next line may still be a comment: like Java,
        // this looks for the comment mark only at the start of a logical line.
        comment |= blank && line.is_empty() && matches!(char, '#' | '!') && !continued(rest, at);
        blank = false;
        backslash = char == '\\' && !backslash && !comment;
        if !comment {
            let start = base + at;
            let end = start + char.len_utf8();
            let span = Span { start, end };
            line.push(PlacedChar { char, span });
        }
    }
    if backslash {
        line.pop();
    }
    (line, base + rest.len())
}

/// Whether a logical line has something other than blanks before this place.
fn continued(rest: &str, at: usize) -> bool {
    rest.get(..at)
        .is_some_and(|before| !before.chars().all(is_blank))
}

/// Java's blanks, which are fewer than Unicode's.
fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\u{c}')
}

/// Splits at the first separator that is not escaped: blanks, and at most one `=` or `:`.
fn split(line: &[PlacedChar]) -> (&[PlacedChar], &[PlacedChar]) {
    let mut escaped = false;
    let ends = |place: &PlacedChar| {
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

fn skip_blanks(line: &[PlacedChar]) -> &[PlacedChar] {
    let blanks = line.iter().take_while(|place| is_blank(place.char)).count();
    line.get(blanks..).unwrap_or_default()
}

/// Decodes escapes. One that cannot be decoded leaves a diagnostic and no character.
fn unescape(line: &[PlacedChar], diagnostics: &mut Vec<Diagnostic>) -> Vec<PlacedChar> {
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
                        out.push(PlacedChar { span, ..place });
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
        out.push(PlacedChar { char, span });
        rest = tail;
    }
    out
}

/// Decodes what follows a backslash: `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair. Also returns
/// how many characters that took.
fn unicode(line: &[PlacedChar]) -> Result<(PlacedChar, usize), &'static str> {
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
        PlacedChar {
            char,
            span: last.span,
        },
        used,
    ))
}

/// The number in `uXXXX`.
fn unit(line: &[PlacedChar]) -> Option<u32> {
    let (u, digits) = line.split_first()?;
    let digits = digits.get(..4)?;
    let digit = |value: u32, place: &PlacedChar| Some(value * 16 + place.char.to_digit(16)?);
    (u.char == 'u').then_some(())?;
    digits.iter().try_fold(0, digit)
}

/// Trims what Java's `trim` removes.
fn trimmed(mut text: Vec<PlacedChar>) -> Vec<PlacedChar> {
    let inner = |place: &PlacedChar| place.char > ' ';
    let end = text.iter().rposition(inner).map_or(0, |last| last + 1);
    text.truncate(end);
    let start = text.iter().position(inner).unwrap_or(0);
    text.split_off(start)
}

fn text_of(text: &[PlacedChar]) -> String {
    text.iter().map(|place| place.char).collect()
}

/// The range from the first character to the last; if there are none, the end of the line.
fn span_of(text: &[PlacedChar], end: usize) -> Span {
    match (text.first(), text.last()) {
        (Some(first), Some(last)) => Span {
            start: first.span.start,
            end: last.span.end,
        },
        _ => Span { start: end, end },
    }
}

fn words(text: &[PlacedChar]) -> Vec<Word> {
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
