//! The errors, grouped by how a caller has to react.
//!
//! The law: a caller learns what to do from the *type*, never from the text.
//!
//! | type | who sees it | reaction |
//! |---|---|---|
//! | [`DecodeError`] | the reader of a call's events | roll back, answer a system error |
//! | [`ConnectionError`] | both ends, from `poll` | close the connection |
//! | [`SendError`] | a client, from `append_batch` and similar methods | see [`SendError::is_busy`] |
//!
//! A single error enum would be the usual choice. There are three because otherwise every caller
//! would have to match variants that it can never see.

use crate::frame::FrameError;
use crate::sniff::Foreign;

/// The bytes inside a frame are not the expected Avro data.
///
/// The frame itself was valid, so the connection is still in sync: a server answers with a system
/// error and continues. (A client turns it into a [`ConnectionError`], because it has no way to
/// answer.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The data ends inside a value, or a length is larger than the rest of the data.
    #[error("data ends inside a value")]
    Truncated,
    /// Bytes are left over after the last value: the peer writes with a different schema.
    #[error("{0} bytes left after the last value")]
    Trailing(usize),
    /// A number needs more than 64 bits (or more than 32, where an int was expected).
    #[error("number does not fit its type")]
    NumberTooLong,
    /// A length is below zero.
    #[error("negative length {0}")]
    NegativeLength(i64),
    /// A boolean is neither 0 nor 1.
    #[error("boolean of value {0}")]
    Boolean(u8),
    /// An enum or union index is outside its type.
    #[error("index {index} is outside {of}")]
    Index {
        /// The Avro type that was read.
        of: &'static str,
        /// The index that was found.
        index: i64,
    },
    /// One message holds more events and headers than
    /// [`RpcLimits::max_entries`](crate::RpcLimits::max_entries).
    #[error("more than {0} events and headers in one message")]
    TooManyEntries(usize),
    /// A peer sent a protocol text that is not JSON, or one whose messages differ from Flume's.
    #[error("protocol of the peer: {0}")]
    Protocol(String),
}

/// The connection is beyond repair: close it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The framing is broken.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The very first bytes show that the peer speaks something else.
    #[error("{0}")]
    Foreign(Foreign),
    /// An answer could not be read (client only).
    #[error("unreadable answer: {0}")]
    Answer(#[from] DecodeError),
    /// An answer carries the serial of no open request (client only).
    #[error("answer to unknown request {0}")]
    UnknownSerial(i32),
    /// The server still does not accept our protocol after it received the text (client only).
    #[error("server refused our protocol twice")]
    HandshakeRejected,
    /// The server could not read our handshake, and says why (client only).
    #[error("server refused the handshake: {0}")]
    Refused(String),
}

/// A request was not written. Nothing was added to the output and no serial was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The first request of a connection must be answered before a second one may follow.
    #[error("handshake is not answered yet")]
    HandshakePending,
    /// [`RpcLimits::max_in_flight`](crate::RpcLimits::max_in_flight) requests wait for an answer.
    #[error("{0} requests are in flight already")]
    TooManyInFlight(usize),
    /// The encoded request is larger than the frame limit.
    #[error("request of {size} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Size of the request in bytes.
        size: usize,
        /// [`FrameLimits::max_frame`](crate::FrameLimits::max_frame).
        limit: usize,
    },
    /// An iterator did not have the length that it announced.
    #[error("iterator announced {announced} items and had {found}")]
    Count {
        /// What `ExactSizeIterator::len` said.
        announced: usize,
        /// How many items came (counting stops one above `announced`).
        found: usize,
    },
}

impl SendError {
    /// True if the same request may be tried again after the next answer.
    ///
    /// ```
    /// use flume_avro::SendError;
    /// assert!(SendError::HandshakePending.is_busy());
    /// assert!(!SendError::TooLarge { size: 2, limit: 1 }.is_busy());
    /// ```
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::HandshakePending | Self::TooManyInFlight(_))
    }
}
