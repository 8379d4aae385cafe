//! Protocol buffers, as far as Flume's file channel needs them: a cursor over bytes.
//!
//! A read that does not fit gives `None`, and nothing is allocated.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Cursor<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Goes on behind these bytes if they are next.
    pub(crate) fn expect(&mut self, bytes: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(bytes)?;
        Some(())
    }

    pub(crate) fn fixed32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn fixed64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Java's numbers outside of messages.
    pub(crate) fn big32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn big64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Bytes behind their length.
    pub(crate) fn delimited(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    /// The next field: its number, and its value.
    pub(crate) fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(self.fixed64()?),
            2 => Value::Bytes(self.delimited()?),
            5 => Value::Number(self.fixed32()?.into()),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

/// All fields of a message; none if a byte of it does not fit.
pub(crate) fn fields(message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut cursor = Cursor(message);
    let mut found = Vec::new();
    while !cursor.is_empty() {
        found.push(cursor.field()?);
    }
    Some(found)
}

/// The number of the field with this number, if there is one.
pub(crate) fn number(fields: &[(u64, Value<'_>)], wanted: u64) -> Option<u64> {
    fields.iter().find_map(|(at, value)| match value {
        Value::Number(number) if *at == wanted => Some(*number),
        _ => None,
    })
}

/// The text of the field with this number, if there is one.
pub(crate) fn text(fields: &[(u64, Value<'_>)], wanted: u64) -> Option<String> {
    fields.iter().find_map(|(at, value)| match value {
        Value::Bytes(bytes) if *at == wanted => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_are_read_in_both_orders() {
        let mut cursor = Cursor(&[0xAC, 0x02, 1, 0, 0, 0, 0, 0, 0, 2, 2, 7, 8, 9]);
        assert_eq!(cursor.varint(), Some(300));
        assert_eq!(cursor.fixed32(), Some(1));
        assert_eq!(cursor.big32(), Some(2));
        assert_eq!(cursor.delimited(), Some(&[7, 8][..]));
        assert_eq!(cursor.byte(), Some(9));
        assert_eq!(cursor.byte(), None);
    }

    #[test]
    fn a_number_that_never_ends_is_none() {
        assert_eq!(Cursor(&[0x80; 20]).varint(), None);
        assert_eq!(Cursor(&[0xFF; 9]).delimited(), None);
    }

    #[test]
    fn fields_are_found_by_number() {
        let message = [0x0D, 3, 0, 0, 0, 0x2A, 2, b'h', b'i'];
        let found = fields(&message).unwrap();
        assert_eq!(number(&found, 1), Some(3));
        assert_eq!(text(&found, 5).as_deref(), Some("hi"));
        assert_eq!(number(&found, 2), None);
        assert_eq!(fields(&message[..7]), None);
    }
}
