//! From bytes to lines: splitting, decoding and the limits of netcat, without a socket.
//!
//! Law: memory is bounded by one read and one line, whatever a client sends, and a line costs no
//! allocation of its own: bodies are slices of what was read. The usual line codecs give one line
//! at a time and copy it, which costs more than everything else on this path.
//!
//! A slice keeps its whole buffer alive. So that a few short lines in a channel do not hold 64 KiB
//! each, lines that use less than an eighth of a buffer are first copied together into one of
//! their size; an event holds at most eight times the bytes that came with it.
//!
//! Lengths are in UTF-16 units, as in Java. One byte is never more than one unit, so lines that
//! are short enough in bytes are not counted.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use encoding_rs::Encoding;
use flume_core::Event;
use memchr::{memchr, memchr_iter, memrchr};

use self::charset::{Charset, TextDecoder};

pub mod charset;

/// The most bytes of one read.
pub const READ_BYTES: usize = 64 * 1024;

/// Lines that came together and are shorter than this are copied out of their buffer.
const COPY_BELOW: usize = READ_BYTES / 8;

/// How lines are read.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSettings {
    /// The most characters of a line, its end included.
    pub max_length: usize,
    /// The character set of the input; bodies are UTF-8.
    pub charset: Charset,
    /// Whether input goes on after a line that is too long, or ends there.
    pub skip_long: bool,
    /// Whether malformed input becomes U+FFFD, or ends the input.
    pub replace_malformed: bool,
    /// Whether what follows the last line end is a line, too.
    pub deliver_partial: bool,
}

/// Lines that can be handled together.
#[derive(Debug, Default)]
pub struct LineBatch {
    /// An event a line.
    pub events: Vec<Event>,
    /// The lines that are too long: each as the number of events in front of it, in order.
    pub too_long: Vec<usize>,
    /// Why no more input is read, if that is so.
    pub end: Option<StopReason>,
}

impl LineBatch {
    /// Whether all that can be done is to read on.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.too_long.is_empty() && self.end.is_none()
    }
}

/// Why input is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A line was too long.
    TooLong,
    /// The input was not text in its character set.
    Malformed,
}

/// Splits one stream of input.
#[derive(Debug)]
pub struct Lines {
    settings: LineSettings,
    decoder: Option<TextDecoder>,
    /// Input to be decoded; not used for UTF-8.
    coded: BytesMut,
    /// Text after the last line end.
    tail: BytesMut,
    /// How much of the tail is counted, and holds no line end.
    counted: usize,
    /// The length of that in UTF-16 units.
    units: usize,
    /// Whole lines of valid text that are not handed out yet.
    block: Bytes,
    /// What was read after the block is malformed.
    malformed: bool,
    /// The tail belongs to a line that is too long.
    skipping: bool,
}

impl Lines {
    /// A splitter at the start of a stream.
    pub fn new(settings: LineSettings) -> Self {
        Self {
            decoder: settings.charset.decoder(),
            settings,
            coded: BytesMut::new(),
            tail: BytesMut::new(),
            counted: 0,
            units: 0,
            block: Bytes::new(),
            malformed: false,
            skipping: false,
        }
    }

    /// Where to read to, with room for a good part of [`READ_BYTES`]. [`Self::take_in`] must
    /// follow before the next [`Self::next_batch`].
    pub fn space(&mut self) -> &mut BytesMut {
        let space = match self.decoder {
            Some(_) => &mut self.coded,
            None => &mut self.tail,
        };
        if space.capacity() - space.len() < READ_BYTES / 2 {
            space.reserve(READ_BYTES);
        }
        space
    }

    /// Frees unused room: nothing may come for a long time.
    pub fn rest(&mut self) {
        if self.coded.is_empty() {
            self.coded = BytesMut::new();
        }
        if self.tail.capacity() > 2 * self.tail.len() {
            self.tail = BytesMut::from(self.tail.as_ref());
        }
    }

    /// Takes in what was read to [`Self::space`].
    pub fn take_in(&mut self) {
        if let Some(decoder) = &mut self.decoder {
            let replace = self.settings.replace_malformed;
            let decoded = decoder.decode(&self.coded, false, replace, &mut self.tail);
            self.malformed |= decoded.is_err();
            self.coded.clear();
        }
        if self.skipping {
            match memchr(b'\n', &self.tail) {
                None => self.tail.clear(),
                Some(end) => {
                    self.tail.advance(end + 1);
                    self.skipping = false;
                }
            }
        }
        let fresh = self.tail.get(self.counted..).unwrap_or_default();
        if let Some(last) = memrchr(b'\n', fresh) {
            self.block = self.split_block(self.counted + last + 1);
            self.counted = 0;
            self.units = 0;
        }
        if !self.skipping {
            let (units, len) = measured(self.tail.get(self.counted..).unwrap_or_default());
            self.units += units;
            self.counted += len;
        }
    }

    /// The next lines, at most `most`. Empty if no line is complete yet.
    pub fn next_batch(&mut self, most: usize) -> LineBatch {
        let max = self.settings.max_length;
        let block = mem::take(&mut self.block);
        let mut batch = LineBatch::default();
        batch.events.reserve(most.min(block.len() / 32 + 1));
        let mut start = 0;
        for end in memchr_iter(b'\n', &block) {
            if batch.events.len() + batch.too_long.len() >= most {
                self.block = block.slice(start..);
                return batch;
            }
            let line = block.slice(start..end);
            start = end + 1;
            if line.len() >= max && units(&line) >= max {
                batch.too_long.push(batch.events.len());
                if !self.settings.skip_long {
                    batch.end = Some(StopReason::TooLong);
                    return batch;
                }
            } else {
                batch.events.push(Event::new(line));
            }
        }
        if self.malformed {
            batch.end = Some(StopReason::Malformed);
        } else if !self.skipping && self.units >= max {
            batch.too_long.push(batch.events.len());
            if self.settings.skip_long {
                self.skip_tail();
            } else {
                batch.end = Some(StopReason::TooLong);
            }
        }
        batch
    }

    /// The last line at the end of the stream, if it has no end of its own and is to be delivered.
    pub fn finish(&mut self) -> LineBatch {
        let mut batch = LineBatch::default();
        if !self.settings.deliver_partial || self.skipping {
            return batch;
        }
        let replace = self.settings.replace_malformed;
        if let Some(decoder) = &mut self.decoder {
            let decoded = decoder.decode(&[], true, replace, &mut self.tail);
            self.malformed |= decoded.is_err();
        }
        let tail = mem::take(&mut self.tail).freeze();
        if self.malformed || (!replace && Encoding::utf8_valid_up_to(&tail) < tail.len()) {
            batch.end = Some(StopReason::Malformed);
        } else if !tail.is_empty() {
            batch.events.push(Event::new(replaced(tail)));
        }
        batch
    }

    /// Splits whole lines off the tail, as valid text.
    fn split_block(&mut self, len: usize) -> Bytes {
        let block = if len < COPY_BELOW {
            let copy = Bytes::copy_from_slice(self.tail.get(..len).unwrap_or_default());
            self.tail.advance(len);
            copy
        } else {
            self.tail.split_to(len).freeze()
        };
        if self.decoder.is_some() {
            return block;
        }
        let valid = Encoding::utf8_valid_up_to(&block);
        if valid == block.len() {
            return block;
        }
        if self.settings.replace_malformed {
            return replaced(block);
        }
        self.malformed = true;
        let good = memrchr(b'\n', block.get(..valid).unwrap_or_default());
        block.slice(..good.map_or(0, |last| last + 1))
    }

    fn skip_tail(&mut self) {
        self.tail.clear();
        self.counted = 0;
        self.units = 0;
        self.skipping = true;
    }
}

/// Valid text: malformed parts become U+FFFD. Line ends are never a part of them.
fn replaced(text: Bytes) -> Bytes {
    match std::str::from_utf8(&text) {
        Ok(_) => text,
        Err(_) => Bytes::from(String::from_utf8_lossy(&text).into_owned()),
    }
}

/// The length in UTF-16 units that bytes have as valid text, and how many of the bytes that counts:
/// all but the start of a character whose rest has not come. A malformed part is one unit, as what
/// replaces it, so that neither a cut nor a stray byte makes a line shorter or longer.
fn measured(bytes: &[u8]) -> (usize, usize) {
    let (mut length, mut counted) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        length += units(chunk.valid().as_bytes());
        counted += chunk.valid().len();
        let invalid = chunk.invalid();
        let at_end = counted + invalid.len() == bytes.len();
        let begun = |error: std::str::Utf8Error| error.error_len().is_none();
        if at_end && std::str::from_utf8(invalid).is_err_and(begun) {
            break;
        }
        length += usize::from(!invalid.is_empty());
        counted += invalid.len();
    }
    (length, counted)
}

/// The length of UTF-8 text in UTF-16 units: two for a sequence of four bytes, one for others.
fn units(text: &[u8]) -> usize {
    let units = |byte: &u8| usize::from(byte & 0xC0 != 0x80) + usize::from(*byte >= 0xF0);
    text.iter().map(units).sum()
}

#[cfg(test)]
mod tests;
