//! How long an event keeps the frame that it came in.
//!
//! Bodies and headers are slices of their frame, and keep its memory. So that a few bytes in a channel
//! do not hold megabytes, events are copied out of a frame of which they are a small part: all events
//! of a call that are short together, and of a frame above [`WHOLE`] each event that is less than an
//! eighth of it. Copies lie together in buffers of at most [`WHOLE`], unless one event is larger.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use flume_avro::RpcCall;

/// A frame up to this size is not divided, and one buffer of copies is not larger.
const WHOLE: usize = 64 * 1024;

/// The part of a frame that its owner may be without being copied: an eighth.
const SHARE: usize = 8;

/// Copies events out of their frame.
pub(crate) struct Copies {
    /// Larger events stay where they are.
    below: usize,
    /// The most that is still to be copied.
    left: usize,
    buffer: BytesMut,
}

impl Copies {
    /// What is to be copied of a call; `None` if nothing is.
    pub(crate) fn of(call: &RpcCall) -> Option<Self> {
        let left = call.events.remaining_bytes();
        let below = match left < WHOLE / SHARE {
            true => WHOLE,
            false if call.frame_bytes <= WHOLE => return None,
            false => call.frame_bytes / SHARE,
        };
        let buffer = BytesMut::new();
        Some(Self {
            below,
            left,
            buffer,
        })
    }

    /// Copies an event if it is small.
    pub(crate) fn take(&mut self, pairs: &mut [(ByteString, ByteString)], body: &mut Bytes) {
        let headers = pairs.iter().map(|(name, value)| name.len() + value.len());
        let size = headers.sum::<usize>() + body.len();
        if size < self.below {
            if self.buffer.capacity() < size {
                let room = self.left.min(WHOLE).max(size);
                self.buffer = BytesMut::with_capacity(room);
            }
            for (name, value) in pairs {
                self.text(name);
                self.text(value);
            }
            *body = self.bytes(body);
        }
        self.left = self.left.saturating_sub(size);
    }

    fn text(&mut self, text: &mut ByteString) {
        // A copy of text is text.
        if let Ok(copy) = ByteString::try_from(self.bytes(text.as_bytes())) {
            *text = copy;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() {
            return Bytes::new();
        }
        self.buffer.extend_from_slice(bytes);
        self.buffer.split().freeze()
    }
}

#[cfg(test)]
mod tests;
