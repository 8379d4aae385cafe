//! The part of Avro's binary encoding that Flume's protocol uses.
//!
//! The law: a length read from the wire is not trusted before its bytes have arrived, and never
//! decides an allocation. Strings and bytes are slices of their frame.
//!
//! Why not a general Avro crate: those read a datum into a tree of values (one allocation per
//! field) or through `std::io::Read` (one copy per field); here an event of 500 bytes costs
//! two slices.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use crate::error::DecodeError;

/// The longest encoding of a 64-bit number.
const MAX_VARINT: usize = 10;

/// A cursor over the bytes of one message.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Fails unless everything was read.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.rest.first().ok_or(DecodeError::Truncated)?;
        self.rest.advance(1);
        Ok(byte)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Boolean(other)),
        }
    }

    /// A zig-zag number of up to 64 bits. Encodings longer than needed are accepted, as in Java.
    pub(crate) fn long(&mut self) -> Result<i64, DecodeError> {
        let mut raw = 0u64;
        let mut shift = 0u32;
        for (at, &byte) in self.rest.iter().take(MAX_VARINT).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::NumberTooLong);
            }
            raw |= bits << shift;
            if byte & 0x80 == 0 {
                self.rest.advance(at + 1);
                return Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
            }
            shift += 7;
        }
        if self.remaining() < MAX_VARINT {
            Err(DecodeError::Truncated)
        } else {
            Err(DecodeError::NumberTooLong)
        }
    }

    /// A number from 0 to the number of bytes left.
    fn length(&mut self) -> Result<usize, DecodeError> {
        let length = self.long()?;
        if length < 0 {
            return Err(DecodeError::NegativeLength(length));
        }
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => Ok(length),
            _ => Err(DecodeError::Truncated),
        }
    }

    /// The index of an enum symbol or union branch, below `count`.
    pub(crate) fn index(&mut self, of: &'static str, count: u8) -> Result<u8, DecodeError> {
        let index = self.long()?;
        u8::try_from(index)
            .ok()
            .filter(|small| *small < count)
            .ok_or(DecodeError::Index { of, index })
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.length()?;
        Ok(self.rest.split_to(length))
    }

    /// A string. Bytes that are not UTF-8 become U+FFFD, as in Java: otherwise a sender of such
    /// bytes would repeat the same batch for ever.
    pub(crate) fn string(&mut self) -> Result<ByteString, DecodeError> {
        let bytes = self.bytes()?;
        // Replacing looks at each character; checking looks at eight bytes at once.
        if str::from_utf8(&bytes).is_err() {
            return Ok(String::from_utf8_lossy(&bytes).into_owned().into());
        }
        // Known to be UTF-8 here. Checking a short string again is cheaper than keeping a second
        // handle on its memory in case of an error.
        Ok(ByteString::try_from(bytes).unwrap_or_default())
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let fixed = *self.rest.first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest.advance(N);
        Ok(fixed)
    }

    /// The start of the next block of a map or array: its number of items, 0 at the end.
    ///
    /// A negative count is followed by the block's size in bytes, which is only useful for
    /// skipping. `item` is the least number of bytes of an item; a count that cannot fit into the
    /// rest is an error at once.
    pub(crate) fn block(&mut self, item: usize) -> Result<usize, DecodeError> {
        let count = self.long()?;
        if count < 0 {
            self.length()?;
        }
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| DecodeError::Truncated)?;
        match count.checked_mul(item) {
            Some(least) if least <= self.remaining() => Ok(count),
            _ => Err(DecodeError::Truncated),
        }
    }

    /// Skips a `map<bytes>`: call metadata, which Flume leaves empty and does not use.
    pub(crate) fn skip_meta(&mut self) -> Result<(), DecodeError> {
        loop {
            let items = self.block(2)?;
            if items == 0 {
                return Ok(());
            }
            for _ in 0..items {
                for _ in 0..2 {
                    let length = self.length()?;
                    self.rest.advance(length);
                }
            }
        }
    }
}

/// Writes a zig-zag number.
// Inlined, as all that writes: whether the compiler does so by itself depends on what else there is, and it
// is a quarter of the instructions of a batch.
#[inline]
pub(crate) fn put_long(out: &mut BytesMut, value: i64) {
    let mut raw = (value << 1 ^ value >> 63).cast_unsigned();
    while raw > 0x7f {
        let [low, ..] = raw.to_le_bytes();
        out.put_u8(low | 0x80);
        raw >>= 7;
    }
    let [low, ..] = raw.to_le_bytes();
    out.put_u8(low);
}

/// Writes a length or an item count. (A slice is never longer than `i64::MAX` bytes.)
#[inline]
pub(crate) fn put_length(out: &mut BytesMut, length: usize) {
    put_long(out, i64::try_from(length).unwrap_or(i64::MAX));
}

/// Writes a string or bytes: both are a length and the data.
#[inline]
pub(crate) fn put_bytes(out: &mut BytesMut, data: &[u8]) {
    put_length(out, data.len());
    out.put_slice(data);
}

#[cfg(test)]
mod tests;
