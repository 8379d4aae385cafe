//! Frames: how a message is cut into buffers on a stream.
//!
//! ```text
//! serial: i32   count: i32   count x (length: i32, data)        all big-endian
//! ```
//!
//! The message is the concatenation of the buffers; their boundaries have no meaning. Java cuts at
//! 8192 bytes and starts a new buffer between the parts of a call; a length may be 0.
//!
//! The laws: bytes may arrive in any pieces. Each length field is read once, no matter how often an
//! unfinished frame is offered. The memory used is that of the bytes received. To join the buffers,
//! bytes are moved inside the received allocation, except those of the last buffer. So a frame of
//! one buffer (or of a short prefix and one large buffer, as [`crate::Client`] writes) is passed on
//! without a copy.
//!
//! Why not `tokio_util`'s length-delimited codec: only the buffers of a frame have a length, not
//! the frame, and Avro's specification (buffers terminated by an empty one) is not what Flume uses.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Size of the serial and the count.
const HEADER: usize = 8;
/// Size of a buffer's length field.
const LENGTH: usize = 4;

/// The longest buffer that a length field can express.
pub(crate) const MAX_LENGTH: usize = 0x7fff_ffff;

/// Default of [`FrameLimits::max_frame`]: 100 MiB.
pub const MAX_FRAME: usize = 100 * 1024 * 1024;

/// Default of [`FrameLimits::max_buffers`].
///
/// 32,768 buffers of Java's 8192 bytes are 256 MiB, more than [`MAX_FRAME`]. It is below 65,536 so
/// that a TLS greeting, read as a frame, fails at its eighth byte.
pub const MAX_BUFFERS: usize = 32_768;

/// How large a frame a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// The most bytes of data in one frame, over all its buffers. Default [`MAX_FRAME`].
    pub max_frame: usize,
    /// The most buffers in one frame. Default [`MAX_BUFFERS`].
    pub max_buffers: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            max_frame: MAX_FRAME,
            max_buffers: MAX_BUFFERS,
        }
    }
}

/// The stream does not follow the framing; nothing after this point can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame announces 0 buffers, or a negative number. (On 0, Java waits for ever.)
    #[error("frame of {0} buffers")]
    Count(i32),
    /// A frame announces more buffers than the limit.
    #[error("frame of {count} buffers, more than the limit of {limit}")]
    TooManyBuffers {
        /// What the frame announces.
        count: usize,
        /// [`FrameLimits::max_buffers`].
        limit: usize,
    },
    /// A buffer announces a negative length.
    #[error("buffer of {0} bytes")]
    Length(i32),
    /// The buffers announced so far exceed the limit.
    #[error("frame of {size} bytes or more, larger than the limit of {limit}")]
    TooLarge {
        /// Sum of the lengths announced so far.
        size: usize,
        /// [`FrameLimits::max_frame`].
        limit: usize,
    },
}

/// One complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Number of the request; its answer carries the same.
    pub serial: i32,
    /// The buffers, joined. It shares (and so keeps alive) the memory of the received bytes.
    pub body: Bytes,
}

/// Cuts frames off a stream.
///
/// After an error every further call returns the same error.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    limits: FrameLimits,
    /// The frame whose header has been read.
    open: Option<OpenFrame>,
    /// Lengths of the buffers of the open frame; kept between frames for its allocation.
    lengths: Vec<usize>,
    failed: Option<FrameError>,
}

/// A frame whose end has not arrived.
#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    serial: i32,
    buffers: usize,
    /// Where the next length field begins.
    scanned: usize,
    /// Sum of the lengths read so far.
    size: usize,
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Whether a frame has begun and not ended: a stream that ends here was cut off. (Up to seven
    /// bytes may be in the input without counting as a begun frame.)
    pub fn is_inside(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next frame off the front of `input`, or returns `None` until it is complete.
    ///
    /// Between two calls the caller may only append to `input`.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let open = match self.scan(input) {
            Ok(Some(open)) => open,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.failed = Some(error);
                return Err(error);
            }
        };
        self.open = None;
        let frame = input.split_to(open.scanned.min(input.len()));
        Ok(Some(Frame {
            serial: open.serial,
            body: join(frame, &self.lengths, open.size),
        }))
    }

    /// Reads the length fields that have arrived; `Some` once the last buffer is complete.
    fn scan(&mut self, input: &[u8]) -> Result<Option<OpenFrame>, FrameError> {
        let mut open = match self.open {
            Some(open) => open,
            None => {
                let (Some(serial), Some(count)) = (int_at(input, 0), int_at(input, LENGTH)) else {
                    return Ok(None);
                };
                self.lengths.clear();
                let buffers = self.buffers(count)?;
                OpenFrame {
                    serial,
                    buffers,
                    scanned: HEADER,
                    size: 0,
                }
            }
        };
        while self.lengths.len() < open.buffers {
            let Some(length) = int_at(input, open.scanned) else {
                break;
            };
            let length = usize::try_from(length).map_err(|_| FrameError::Length(length))?;
            open.size = open.size.saturating_add(length);
            if open.size > self.limits.max_frame {
                return Err(FrameError::TooLarge {
                    size: open.size,
                    limit: self.limits.max_frame,
                });
            }
            open.scanned = open.scanned.saturating_add(LENGTH + length);
            self.lengths.push(length);
        }
        self.open = Some(open);
        let complete = self.lengths.len() == open.buffers && open.scanned <= input.len();
        Ok(complete.then_some(open))
    }

    fn buffers(&self, count: i32) -> Result<usize, FrameError> {
        let limit = self.limits.max_buffers;
        match usize::try_from(count) {
            Ok(0) | Err(_) => Err(FrameError::Count(count)),
            Ok(count) if count > limit => Err(FrameError::TooManyBuffers { count, limit }),
            Ok(count) => Ok(count),
        }
    }
}

fn int_at(input: &[u8], at: usize) -> Option<i32> {
    input
        .get(at..)?
        .first_chunk::<LENGTH>()
        .map(|bytes| i32::from_be_bytes(*bytes))
}

/// Moves the buffers of a complete frame together, towards the end of the frame: the last
/// buffer, often the largest, stays where it is.
fn join(mut frame: BytesMut, lengths: &[usize], size: usize) -> Bytes {
    let mut source = frame.len();
    let mut target = frame.len();
    for &length in lengths.iter().rev() {
        let (from, to) = (source.saturating_sub(length), target.saturating_sub(length));
        if from != to {
            frame.copy_within(from..source, to);
        }
        target = to;
        source = from.saturating_sub(LENGTH);
    }
    frame.advance(frame.len().saturating_sub(size));
    frame.freeze()
}

/// Writes the serial and the count of a frame.
pub(crate) fn put_header(out: &mut BytesMut, serial: i32, buffers: usize) {
    out.put_i32(serial);
    put_int(out, buffers);
}

/// Leaves room for a buffer's length; [`close_buffer`] fills it in.
pub(crate) fn open_buffer(out: &mut BytesMut) -> usize {
    out.put_i32(0);
    out.len()
}

/// Writes the length of the buffer that began at `start`, the value of [`open_buffer`].
pub(crate) fn close_buffer(out: &mut BytesMut, start: usize) {
    let length = to_i32(out.len().saturating_sub(start)).to_be_bytes();
    if let Some(field) = out.get_mut(start.saturating_sub(LENGTH)..start) {
        field.copy_from_slice(&length);
    }
}

/// Writes a buffer whose contents are ready.
pub(crate) fn put_buffer(out: &mut BytesMut, data: &[u8]) {
    put_int(out, data.len());
    out.put_slice(data);
}

fn put_int(out: &mut BytesMut, value: usize) {
    out.put_i32(to_i32(value));
}

/// Callers keep their values below [`MAX_LENGTH`]. A larger one must not turn negative.
fn to_i32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
