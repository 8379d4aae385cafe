//! One connection, seen from either end: bytes in, messages and bytes out.
//!
//! ```text
//! socket -> input: BytesMut -> poll -> calls / answers -> the application
//! socket <- output: BytesMut <- respond / append_batch <- the application
//! ```
//!
//! The laws: an end keeps no bytes; the caller owns both buffers and moves their contents from and
//! to its socket. An end has no clock. It answers only what no application could answer better
//! (handshakes, pings, unknown messages).
//!
//! Why not a codec for an async framework: the same machine must serve plain, compressed and
//! encrypted streams, and tests that step two ends against each other without a runtime.

mod client;
mod server;

pub use client::{Answer, Client};
pub use server::{Method, RpcCall, Server, ServerStep};

use bytes::BytesMut;

use crate::error::ConnectionError;
use crate::frame::{Frame, FrameDecoder, FrameLimits};
use crate::sniff::Foreign;

/// Default of [`RpcLimits::max_entries`].
pub const MAX_ENTRIES: usize = 1_000_000;

/// Default of [`RpcLimits::max_in_flight`].
pub const MAX_IN_FLIGHT: usize = 1024;

/// What a connection accepts from its peer, and how many requests a client sends ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RpcLimits {
    /// The size of a frame. A client does not send larger ones either.
    pub frame: FrameLimits,
    /// The most events plus headers in one message. Each may be as short as 2 bytes on the wire,
    /// and takes about 64 in memory. Default [`MAX_ENTRIES`].
    pub max_entries: usize,
    /// The most requests of a client that wait for an answer. Default [`MAX_IN_FLIGHT`].
    pub max_in_flight: usize,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            frame: FrameLimits::default(),
            max_entries: MAX_ENTRIES,
            max_in_flight: MAX_IN_FLIGHT,
        }
    }
}

/// The reading half that both ends share: frames, and an explanation if the bytes are not frames.
#[derive(Debug)]
struct Inbound {
    frames: FrameDecoder,
    /// A whole frame has been read, so the peer speaks the protocol.
    proven: bool,
}

impl Inbound {
    fn new(limits: FrameLimits) -> Self {
        Self {
            frames: FrameDecoder::new(limits),
            proven: false,
        }
    }

    fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, ConnectionError> {
        match self.frames.decode(input) {
            Ok(frame) => {
                self.proven |= frame.is_some();
                Ok(frame)
            }
            Err(error) => Err(match self.foreign(input) {
                Some(foreign) => ConnectionError::Foreign(foreign),
                None => ConnectionError::Frame(error),
            }),
        }
    }

    fn foreign(&self, input: &[u8]) -> Option<Foreign> {
        if self.proven {
            None
        } else {
            Foreign::sniff(input)
        }
    }
}

#[cfg(test)]
mod tests;
