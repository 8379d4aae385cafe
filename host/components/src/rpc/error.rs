//! Why a request was not delivered.
//!
//! The reaction is always the same: close the connection, count everything unanswered as not
//! delivered. The variants exist for those who read the log.

use std::io;
use std::time::Duration;

use flume_avro::{ConnectionError, Foreign, SendError};
use flume_core::printable;

use crate::net::tls::TlsError;

/// A failure of the connection. Words of the peer are made fit for a line.
pub(super) fn of_peer(error: ConnectionError) -> RpcError {
    RpcError::Protocol(match error {
        ConnectionError::Refused(words) => ConnectionError::Refused(printable(&words).into_owned()),
        other => other,
    })
}

/// What went wrong between this agent and a collector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The host has no address.
    #[error("cannot resolve {host}: {error}")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        error: io::Error,
    },
    /// Whom to trust cannot be found out.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] TlsError),
    /// No address of the host could be connected to; this is the last one's error.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// The last address.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// TCP and TLS took too long.
    #[error("cannot connect to {address} within connect-timeout ({limit:?})")]
    ConnectTimeout {
        /// The host and its port.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// The first request, which carries the handshake, was not answered in the time that TCP and
    /// TLS had left.
    #[error("no answer to the handshake within connect-timeout")]
    HandshakeTimeout,
    /// A request was not answered in time. The peer may have stored the events all the same.
    #[error("no answer within request-timeout ({limit:?})")]
    RequestTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The connection broke.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// The peer hung up.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer hung up and had never answered.
    #[error(
        "the peer closed the connection without an answer: \
         ssl and compression-type must be the same on both ends"
    )]
    ClosedUnanswered,
    /// The peer hung up after bytes of another protocol.
    #[error("{0}")]
    Foreign(Foreign),
    /// What the peer sent cannot be understood.
    #[error("{0}")]
    Protocol(#[from] ConnectionError),
    /// The peer did not store the events and may do so later.
    #[error("the peer answered FAILED")]
    Failed,
    /// The peer does not know whether it stored the events.
    #[error("the peer answered UNKNOWN")]
    Unknown,
    /// The peer could not carry out the call.
    #[error("exception thrown from remote handler: {0}")]
    Remote(String),
    /// Events of the batch are larger than `max-frame-size`, each of them alone. Nothing was sent.
    #[error("an event of {size} bytes is larger than max-frame-size ({limit})")]
    TooLarge {
        /// Their places in the batch.
        places: Vec<usize>,
        /// The size of the first of them, without its frame.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The request cannot be written: one event alone is larger than `max-frame-size`.
    #[error("{0} (max-frame-size)")]
    Unwritable(#[from] SendError),
}
