//! Flume's Avro RPC protocol, both ends, without I/O: bytes in, messages out.
//!
//! | to learn | see |
//! |---|---|
//! | how bytes are cut into messages | [`FrameDecoder`] |
//! | what the first exchange decides | [`KnownClients`], [`Protocol`] |
//! | what a call holds | [`RpcCall`], [`Events`], [`Response`] |
//! | what to do about an error | [`ConnectionError`], [`DecodeError`], [`SendError`] |
//! | what is limited, and by how much | [`RpcLimits`] |
//!
//! This crate has no socket, no clock and no task: the caller reads from its stream into one
//! `BytesMut` and writes another one out, which works for plain, compressed and encrypted streams.
//! Nor does it use the agent's event type, so wire types and domain types can change independently.
//!
//! Received strings and bodies are slices of the received bytes and keep them in memory as long as
//! they live. To keep one small event of a large batch for long, copy it.
//!
//! # Example
//!
//! ```
//! use bytes::BytesMut;
//! use flume_avro::{Client, KnownClients, Protocol, ReplyStatus, Response, RpcLimits};
//! use flume_avro::{Server, ServerStep};
//!
//! let mut client = Client::new(RpcLimits::default(), Protocol::flume());
//! let mut server = Server::new(RpcLimits::default(), KnownClients::default());
//! // In place of sockets, one buffer per direction.
//! let (mut there, mut back) = (BytesMut::new(), BytesMut::new());
//!
//! let events = [([("host", "web1")], &b"hello"[..]), ([("host", "web2")], &b"hi"[..])];
//! let sent = client.append_batch(events, &mut there)?;
//!
//! let ServerStep::Call(call) = server.poll(&mut there, &mut back)? else { panic!("no call") };
//! let received = call.events.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(received.len(), 2);
//! assert_eq!(received[0].headers[0].1, "web1");
//! assert_eq!(received[1].body, "hi");
//! server.respond(call.serial, &Response::Status(ReplyStatus::Ok), &mut back);
//!
//! let answer = client.poll(&mut back, &mut there)?.expect("an answer");
//! assert_eq!(answer.serial, sent);
//! assert_eq!(answer.response, Response::Status(ReplyStatus::Ok));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
pub mod datum;
mod error;
mod frame;
mod handshake;
mod message;
mod primitive;
mod schema;
mod sniff;
#[cfg(test)]
mod testing;

pub use connection::{
    Answer, Client, MAX_ENTRIES, MAX_IN_FLIGHT, Method, RpcCall, RpcLimits, Server, ServerStep,
};
pub use error::{ConnectionError, DecodeError, SendError};
pub use frame::{Frame, FrameDecoder, FrameError, FrameLimits, MAX_BUFFERS, MAX_FRAME};
pub use handshake::{KnownClients, MAX_KNOWN_CLIENTS};
pub use message::{Events, MAX_ERROR_TEXT, ReplyStatus, Response, WireEvent};
pub use schema::{
    FLUME_HASH, FLUME_TEXT, Hash, MAX_PROTOCOL_TEXT, PLAIN_HASH, PLAIN_TEXT, Protocol,
};
pub use sniff::Foreign;
