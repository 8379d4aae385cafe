//! A column of a line, and the value of a key, each found by its delimiters.

use crate::{LONGEST, Text};

/// What separates columns and pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// One byte; two in a row have an empty part between them.
    Byte(u8),
    /// Any number of blanks and tabs.
    Blank,
}

impl Delimiter {
    /// Reads one ASCII character, `tab` or `blank`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match (text, text.as_bytes()) {
            ("tab", _) => Some(Self::Byte(b'\t')),
            ("blank", _) => Some(Self::Blank),
            (_, [byte @ b'!'..=b'~']) if *byte != b'"' => Some(Self::Byte(*byte)),
            _ => None,
        }
    }

    fn parts(self, byte: u8) -> bool {
        match self {
            Self::Byte(delimiter) => byte == delimiter,
            Self::Blank => byte == b' ' || byte == b'\t',
        }
    }
}

/// A column of the first line, by the number of columns before it.
pub(crate) fn column<'a>(
    text: Text<'a>,
    before: usize,
    delimiter: Delimiter,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let mut rest = skip_blank(text.bytes, delimiter);
    for _ in 0..before {
        let part = part(rest, delimiter, b'"')?;
        if part.end != Some(End::Delimiter) {
            return None;
        }
        rest = skip_blank(part.rest, delimiter);
    }
    let part = part(rest, delimiter, b'"')?;
    // There is no column after the last blank of a line.
    let is_none = delimiter == Delimiter::Blank && part.raw.is_empty() && !part.is_quoted;
    let value = part.value(text, b'"', scratch)?;
    (!is_none).then_some(value)
}

/// The value of a key: `key=value key="a value"`.
pub(crate) fn pair<'a>(
    text: Text<'a>,
    key: &[u8],
    delimiter: Delimiter,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let ends = |byte: u8| delimiter.parts(byte) || byte == b'\n';
    let mut rest = text.bytes;
    loop {
        let start = rest.iter().position(|byte| !ends(*byte) && *byte != b' ')?;
        rest = &rest[start..];
        let end = rest.iter().position(|byte| ends(*byte) || *byte == b'=')?;
        let (name, behind) = rest.split_at(end);
        let Some(value) = behind.strip_prefix(b"=") else {
            rest = behind;
            continue;
        };
        let part = part(value, delimiter, b'\\')?;
        if name == key {
            return part.value(text, b'\\', scratch);
        }
        rest = part.rest;
    }
}

/// The text between two delimiters.
struct Part<'a> {
    raw: &'a [u8],
    is_quoted: bool,
    /// `None` at the end of the text.
    end: Option<End>,
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Delimiter,
    Line,
}

impl<'a> Part<'a> {
    /// The value without quotes and escapes.
    fn value(self, text: Text<'_>, escape: u8, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        if self.end.is_none() && text.is_cut {
            return None;
        }
        if !self.is_quoted {
            return Some(self.raw.strip_suffix(b"\r").unwrap_or(self.raw));
        }
        if !self.raw.contains(&escape) {
            return Some(self.raw);
        }
        scratch.clear();
        let mut bytes = self.raw.iter();
        while let Some(&byte) = bytes.next() {
            scratch.push(if byte == escape { *bytes.next()? } else { byte });
            if scratch.len() > LONGEST {
                return None;
            }
        }
        Some(scratch)
    }
}

/// The part at the beginning of a text. In quotes `escape` goes before a quote and before itself.
fn part(text: &[u8], delimiter: Delimiter, escape: u8) -> Option<Part<'_>> {
    let (raw, is_quoted, behind) = match text.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = closing(quoted, escape)?;
            (&quoted[..end], true, &quoted[end + 1..])
        }
        None => {
            let ends = |byte: &u8| delimiter.parts(*byte) || *byte == b'\n';
            let end = text.iter().position(ends).unwrap_or(text.len());
            (&text[..end], false, &text[end..])
        }
    };
    // After a quoted column, only the end of the line may be left.
    let behind = match is_quoted {
        true => behind.strip_prefix(b"\r").unwrap_or(behind),
        false => behind,
    };
    let (end, rest) = match behind.split_first() {
        None => (None, behind),
        Some((b'\n', rest)) => (Some(End::Line), rest),
        Some((byte, rest)) if delimiter.parts(*byte) => (Some(End::Delimiter), rest),
        Some(_) => return None,
    };
    Some(Part {
        raw,
        is_quoted,
        end,
        rest,
    })
}

/// Where the closing quote is.
fn closing(text: &[u8], escape: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let found = rest
            .iter()
            .position(|byte| *byte == b'"' || *byte == escape)?;
        at += found;
        let is_escaped = match escape {
            b'"' => text.get(at + 1) == Some(&b'"'),
            _ => text[at] == escape,
        };
        if !is_escaped {
            return Some(at);
        }
        at += 2;
    }
}

fn skip_blank(text: &[u8], delimiter: Delimiter) -> &[u8] {
    match delimiter {
        Delimiter::Byte(_) => text,
        Delimiter::Blank => {
            let blank = text.iter().take_while(|byte| delimiter.parts(**byte));
            &text[blank.count()..]
        }
    }
}
