//! A member of a JSON document, found without parsing the document.
//!
//! Everything before the member is skipped: strings as strings, everything else by counting
//! brackets. So the member can be found even if the skipped part is malformed. The result is a
//! value from the body, or nothing.

use crate::{LONGEST, Text};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The name of a member.
    name: Vec<u8>,
    /// The place in a list, if the name is a number.
    index: Option<usize>,
}

/// Reads a JSON pointer (`/user/id`), or the name of a member of the document itself.
pub(crate) fn path(text: &str) -> Vec<Step> {
    let step = |name: String| {
        // As in a pointer: no sign and no leading zero.
        let is_index = name == "0" || !name.starts_with(['0', '+']);
        let index = name.parse().ok().filter(|_| is_index);
        Step {
            name: name.into_bytes(),
            index,
        }
    };
    match text.strip_prefix('/') {
        None => vec![step(text.to_owned())],
        Some(pointer) => pointer
            .split('/')
            .map(|part| step(part.replace("~1", "/").replace("~0", "~")))
            .collect(),
    }
}

/// The value at the end of a path: a string, a number or a boolean.
pub(crate) fn find<'a>(
    text: Text<'a>,
    path: &[Step],
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let mut cursor = Cursor {
        text: text.bytes,
        at: 0,
    };
    for step in path {
        match cursor.next()? {
            b'{' => cursor.seek_member(&step.name, scratch)?,
            b'[' => cursor.seek_element(step.index?)?,
            _ => return None,
        }
    }
    match cursor.next()? {
        b'"' => {
            let raw = cursor.string()?;
            if !raw.contains(&b'\\') {
                return Some(raw);
            }
            unescape(raw, scratch)?;
            Some(scratch)
        }
        b'{' | b'[' => None,
        first => {
            let start = cursor.at - 1;
            let ends =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
            let rest = text.bytes.get(start..)?;
            let value = match rest.iter().position(ends) {
                Some(end) => &rest[..end],
                // It may continue after the visible part.
                None if text.is_cut => return None,
                None => rest,
            };
            let is_number =
                |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
            let is_value = match first {
                b't' => value == b"true",
                b'f' => value == b"false",
                b'-' | b'0'..=b'9' => value.iter().all(is_number),
                _ => false,
            };
            is_value.then_some(value)
        }
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is not blank.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
        }
    }

    /// After `{`: goes to the value of a member.
    fn seek_member(&mut self, name: &[u8], scratch: &mut Vec<u8>) -> Option<()> {
        loop {
            if self.next()? != b'"' {
                return None;
            }
            let raw = self.string()?;
            let is_it = match raw.contains(&b'\\') {
                true => unescape(raw, scratch).is_some() && scratch == name,
                false => raw == name,
            };
            if self.next()? != b':' {
                return None;
            }
            if is_it {
                return Some(());
            }
            self.step_over()?;
        }
    }

    /// After `[`: goes to an element.
    fn seek_element(&mut self, index: usize) -> Option<()> {
        (0..index).try_for_each(|_| self.step_over())
    }

    /// Skips a value and the comma after it; `None` if there is no comma.
    fn step_over(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b',' if depth == 0 => return Some(()),
                _ => {}
            }
        }
    }

    /// After a quote: the text before the closing one.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            let rest = self.text.get(self.at..)?;
            let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            self.at += found + 1;
            if rest[found] == b'"' {
                return self.text.get(start..self.at - 1);
            }
            self.at += 1;
        }
    }
}

/// Decodes a string's escapes; `None` if they are not valid, or the string is too long to be used.
fn unescape(raw: &[u8], scratch: &mut Vec<u8>) -> Option<()> {
    scratch.clear();
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            scratch.push(byte);
        } else {
            let (&kind, after) = rest.split_first()?;
            rest = after;
            match kind {
                b'"' | b'\\' | b'/' => scratch.push(kind),
                b'b' => scratch.push(8),
                b'f' => scratch.push(12),
                b'n' => scratch.push(b'\n'),
                b'r' => scratch.push(b'\r'),
                b't' => scratch.push(b'\t'),
                b'u' => {
                    let (character, after) = unicode(rest)?;
                    rest = after;
                    scratch.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return None,
            }
        }
        if scratch.len() > LONGEST {
            return None;
        }
    }
    Some(())
}

/// After `\u`: a character of one or two units.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, rest));
    }
    let (second, rest) = unit(rest.strip_prefix(b"\\u")?)?;
    let pair = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]);
    let [Some(Ok(character)), None] = ({
        let mut pair = pair;
        [pair.next(), pair.next()]
    }) else {
        return None;
    };
    Some((character, rest))
}

/// Four hexadecimal digits.
fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let digit = |unit: u32, byte: &u8| Some(unit << 4 | char::from(*byte).to_digit(16)?);
    Some((digits.iter().try_fold(0, digit)?, rest))
}
