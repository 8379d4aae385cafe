//! Flume's Avro frames, read in place: no event is built, nothing is copied.
//!
//! Written separately from the host's own code, so that the measuring code does not change with
//! what it measures, and does not share its bugs.
//!
//! ```text
//! serial: i32   count: i32   count x (length: i32, data)        all big-endian
//! data    [handshake]  meta: map<bytes>  name: string  blocks of events
//! ```

use flume_avro::FLUME_HASH;

use super::arrivals::Arrivals;
use super::lines::{DIGITS, read_number};

/// The most buffers in a frame: enough for a 64 MiB message in Java's buffers of 8 KiB.
const MOST_BUFFERS: i32 = 1 << 16;

/// A whole frame at the start of some bytes.
pub struct Frame {
    /// The number of the request.
    pub serial: i32,
    /// The buffers, as ranges in the bytes.
    buffers: Vec<(usize, usize)>,
    /// How many bytes it takes.
    pub length: usize,
}

/// Bytes that are not a frame, or not a request of Flume's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl Frame {
    /// The frame at the start of `bytes`, or how many bytes it needs at least.
    ///
    /// # Errors
    /// The bytes are not a frame.
    pub fn read(bytes: &[u8]) -> Result<Result<Self, usize>, Broken> {
        let (Some(serial), Some(count)) = (int(bytes, 0), int(bytes, 4)) else {
            return Ok(Err(8));
        };
        if !(1..=MOST_BUFFERS).contains(&count) {
            return Err(Broken("a frame without buffers, or with too many"));
        }
        let mut buffers = Vec::with_capacity(count as usize);
        let mut at = 8;
        for _ in 0..count {
            let Some(length) = int(bytes, at) else {
                return Ok(Err(at + 4));
            };
            let length = usize::try_from(length).map_err(|_| Broken("a buffer below zero"))?;
            buffers.push((at + 4, at + 4 + length));
            at += 4 + length;
        }
        if at > bytes.len() {
            return Ok(Err(at));
        }
        Ok(Ok(Self {
            serial,
            buffers,
            length: at,
        }))
    }

    /// Whether the message, wherever it is cut into buffers, ends with `tail`.
    #[must_use]
    pub fn ends_with(&self, bytes: &[u8], tail: &[u8]) -> bool {
        let buffers = self.buffers.iter().rev();
        let backwards = buffers.flat_map(|&(begin, end)| bytes[begin..end].iter().rev());
        backwards.take(tail.len()).eq(tail.iter().rev())
    }

    /// A cursor at the start of the message.
    #[must_use]
    pub fn cursor<'a>(&'a self, bytes: &'a [u8]) -> Cursor<'a> {
        Cursor {
            bytes,
            buffers: &self.buffers,
            at: 0,
            end: 0,
        }
    }
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(i32::from_be_bytes(*four))
}

/// A place in a message, whose bytes may be in several buffers.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    buffers: &'a [(usize, usize)],
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    /// Goes to the next buffer that has bytes.
    fn next_buffer(&mut self) -> Result<(), Broken> {
        while self.at == self.end {
            let (&(at, end), rest) = self.buffers.split_first().ok_or(Broken("it ends early"))?;
            (self.at, self.end, self.buffers) = (at, end, rest);
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        if self.at == self.end {
            self.next_buffer()?;
        }
        self.at += 1;
        Ok(self.bytes[self.at - 1])
    }

    /// A `long`: seven bits a byte, the sign in the lowest bit.
    pub fn long(&mut self) -> Result<i64, Broken> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
            if shift > 63 {
                return Err(Broken("a number without end"));
            }
        }
    }

    fn length(&mut self) -> Result<usize, Broken> {
        usize::try_from(self.long()?).map_err(|_| Broken("a length below zero"))
    }

    /// Skips `count` bytes.
    fn skip(&mut self, mut count: usize) -> Result<(), Broken> {
        loop {
            let step = count.min(self.end - self.at);
            self.at += step;
            count -= step;
            if count == 0 {
                return Ok(());
            }
            self.next_buffer()?;
        }
    }

    fn copy(&mut self, into: &mut [u8]) -> Result<(), Broken> {
        if let Some(all) = self.bytes[self.at..self.end].get(..into.len()) {
            into.copy_from_slice(all);
            self.at += into.len();
            return Ok(());
        }
        for byte in into {
            *byte = self.byte()?;
        }
        Ok(())
    }

    /// The number of items in a block of an array or a map; 0 at its end.
    fn block(&mut self) -> Result<u64, Broken> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    /// Skips a map of strings or bytes.
    fn skip_map(&mut self) -> Result<(), Broken> {
        loop {
            let entries = self.block()?;
            if entries == 0 {
                return Ok(());
            }
            for _ in 0..entries * 2 {
                let length = self.length()?;
                self.skip(length)?;
            }
        }
    }

    /// Skips a client's handshake; returns whether the client knows the server's hash.
    pub fn handshake(&mut self) -> Result<bool, Broken> {
        self.skip(FLUME_HASH.len())?;
        if self.long()? == 1 {
            let length = self.length()?;
            self.skip(length)?;
        }
        let mut hash = [0; FLUME_HASH.len()];
        self.copy(&mut hash)?;
        if self.long()? == 1 {
            self.skip_map()?;
        }
        Ok(hash == FLUME_HASH)
    }

    /// Reads a call and counts its events; `None` for a ping.
    pub fn count(&mut self, arrivals: &Arrivals, now: u64) -> Result<Option<u64>, Broken> {
        self.skip_map()?;
        let mut name = [0; 11];
        let length = self.length()?;
        let name = name.get_mut(..length).ok_or(Broken("an unknown message"))?;
        self.copy(name)?;
        match &*name {
            b"" => Ok(None),
            b"append" => {
                self.event(arrivals, now)?;
                Ok(Some(1))
            }
            b"appendBatch" => {
                let mut events = 0;
                loop {
                    let block = self.block()?;
                    if block == 0 {
                        return Ok(Some(events));
                    }
                    for _ in 0..block {
                        self.event(arrivals, now)?;
                    }
                    events += block;
                }
            }
            _ => Err(Broken("an unknown message")),
        }
    }

    fn event(&mut self, arrivals: &Arrivals, now: u64) -> Result<(), Broken> {
        self.skip_map()?;
        let length = self.length()?;
        let mut digits = [0; DIGITS];
        if length < DIGITS {
            arrivals.add(None, now);
            return self.skip(length);
        }
        self.copy(&mut digits)?;
        arrivals.add(read_number(&digits), now);
        self.skip(length - DIGITS)
    }
}

/// Appends a `long`.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a frame of these buffers.
pub fn put_frame(out: &mut Vec<u8>, serial: i32, buffers: &[&[u8]]) {
    out.extend_from_slice(&serial.to_be_bytes());
    out.extend_from_slice(&(buffers.len() as i32).to_be_bytes());
    for buffer in buffers {
        out.extend_from_slice(&(buffer.len() as i32).to_be_bytes());
        out.extend_from_slice(buffer);
    }
}

#[cfg(test)]
mod tests;
