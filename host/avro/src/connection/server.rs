//! The receiving end: handshakes, calls, answers.
//!
//! | state | what arrives | what happens |
//! |---|---|---|
//! | new | handshake of an unknown client | `None` with our text; still new |
//! | new | unreadable handshake | system error without a handshake; still new |
//! | new | good handshake and a call | connected; the call's answer is preceded by ours |
//! | connected | a call | the call |
//! | any | broken framing | error, close |
//!
//! The law: each request gets exactly one answer, by the machine or by the application.
//! Answers may come in any order; Flume's own source answers in the order of the calls.

use bytes::{BufMut, BytesMut};

use super::{Inbound, RpcLimits};
use crate::error::{ConnectionError, DecodeError};
use crate::frame::{Frame, close_buffer, open_buffer, put_header};
use crate::handshake::{HandshakeRequest, HandshakeResponse, KnownClients, Match};
use crate::message::{Events, Request, Response};
use crate::primitive::Reader;
use crate::schema::Protocol;
use crate::sniff::Foreign;

/// What Java answers to a call of a message that does not exist, before its name.
const NO_SUCH_MESSAGE: &str = "org.apache.avro.AvroRuntimeException: No such remote message: ";

/// A call for the application, which answers it with [`Server::respond`].
#[derive(Debug, Clone)]
pub struct RpcCall {
    /// Number of the request.
    pub serial: i32,
    /// Which message was called.
    pub method: Method,
    /// Bytes of the frame, whose memory all parts of the events share.
    pub frame_bytes: usize,
    /// The events, still to be read. If that fails, answer with a system error.
    pub events: Events,
}

/// The messages of Flume's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One event.
    Append,
    /// Any number of events, which are stored together or not at all.
    AppendBatch,
}

/// What [`Server::poll`] did.
#[derive(Debug, Clone)]
pub enum ServerStep {
    /// A call waits for the application.
    Call(RpcCall),
    /// A request was answered by the machine: send the output, then poll again.
    ///
    /// This is a separate step so that a peer that writes and never reads cannot fill the output.
    Answered,
    /// The input has no complete request: append to it, then poll again.
    Wait,
}

/// The server's end of one connection.
#[derive(Debug)]
pub struct Server {
    inbound: Inbound,
    max_entries: usize,
    protocol: Protocol,
    known: KnownClients,
    connected: bool,
    /// The request whose answer must carry our handshake.
    greeting: Option<(i32, Match)>,
}

impl Server {
    /// A new connection. `known` is shared by all connections of the process.
    pub fn new(limits: RpcLimits, known: KnownClients) -> Self {
        Self {
            inbound: Inbound::new(limits.frame),
            max_entries: limits.max_entries,
            protocol: Protocol::flume(),
            known,
            connected: false,
            greeting: None,
        }
    }

    /// Takes the next request off `input`. Between two calls the caller may only append to `input`.
    ///
    /// After an error, send `output` and close the connection.
    pub fn poll(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<ServerStep, ConnectionError> {
        Ok(match self.inbound.next(input)? {
            Some(frame) => self.read(frame, output),
            None => ServerStep::Wait,
        })
    }

    /// Answers the request `serial`: to be called once for each [`RpcCall`].
    pub fn respond(&mut self, serial: i32, response: &Response, output: &mut BytesMut) {
        if *response == Response::Pong {
            return self.pong(serial, output);
        }
        put_header(output, serial, 3);
        let start = open_buffer(output);
        self.greet(serial, output);
        close_buffer(output, start);
        let start = open_buffer(output);
        output.put_u8(0);
        close_buffer(output, start);
        let start = open_buffer(output);
        response.encode(output);
        close_buffer(output, start);
    }

    /// The protocol of a peer whose stream ended before its first request was complete, if
    /// recognised.
    pub fn foreign(&self, input: &[u8]) -> Option<Foreign> {
        self.inbound.foreign(input)
    }

    fn read(&mut self, frame: Frame, output: &mut BytesMut) -> ServerStep {
        let (serial, frame_bytes) = (frame.serial, frame.body.len());
        match self.request(frame, output) {
            Ok(Some(Request::Append(events))) => ServerStep::Call(RpcCall {
                serial,
                method: Method::Append,
                frame_bytes,
                events,
            }),
            Ok(Some(Request::AppendBatch(events))) => ServerStep::Call(RpcCall {
                serial,
                method: Method::AppendBatch,
                frame_bytes,
                events,
            }),
            Ok(Some(Request::Ping)) => {
                self.pong(serial, output);
                ServerStep::Answered
            }
            Ok(Some(Request::Unknown(name))) => {
                let text = format!("{NO_SUCH_MESSAGE}{name}");
                self.respond(serial, &Response::SystemError(text), output);
                ServerStep::Answered
            }
            Ok(None) => ServerStep::Answered,
            Err(error) => {
                self.respond(serial, &Response::SystemError(error.to_string()), output);
                ServerStep::Answered
            }
        }
    }

    /// Reads a request and, on a new connection, the handshake before it. `None` if only the
    /// handshake was answered, and the client has to send the request again.
    fn request(
        &mut self,
        frame: Frame,
        output: &mut BytesMut,
    ) -> Result<Option<Request>, DecodeError> {
        let mut reader = Reader::new(frame.body);
        if !self.connected {
            let handshake = HandshakeRequest::decode(&mut reader)?;
            let matched = self.known.accept(&handshake, &self.protocol)?;
            self.greeting = Some((frame.serial, matched));
            if matched == Match::None {
                self.pong(frame.serial, output);
                return Ok(None);
            }
            self.connected = true;
        }
        Request::decode(reader, self.max_entries).map(Some)
    }

    /// Answers with one buffer: the handshake if it is due, else nothing.
    fn pong(&mut self, serial: i32, output: &mut BytesMut) {
        put_header(output, serial, 1);
        let start = open_buffer(output);
        self.greet(serial, output);
        close_buffer(output, start);
    }

    /// Writes our handshake if this is the answer that must carry it.
    fn greet(&mut self, serial: i32, output: &mut BytesMut) {
        if let Some((_, matched)) = self.greeting.take_if(|(first, _)| *first == serial) {
            HandshakeResponse::new(matched, &self.protocol).encode(output);
        }
    }
}
