//! The sending end: requests, handshake, answers.
//!
//! | state | what happens | next state |
//! |---|---|---|
//! | new | the first request goes out with a handshake, which holds hashes only | greeting |
//! | greeting | `Both` or `Client`: the answer follows | connected |
//! | greeting | `None`: the request goes out again, with our text and the server's hash | greeting, last |
//! | greeting, last | `None` | error, close |
//! | connected | requests go out as they come, up to the limit | connected |
//!
//! The laws: until the handshake is answered, only one request is in flight, because how the server
//! reads a second one depends on its answer to the first. The caller sees one serial per request,
//! even if the request was sent twice. An answer to no request is an error.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{Inbound, RpcLimits};
use crate::error::{ConnectionError, SendError};
use crate::frame::{MAX_LENGTH, close_buffer, open_buffer, put_buffer, put_header};
use crate::handshake::{HandshakeRequest, HandshakeResponse, Match};
use crate::message::{APPEND, APPEND_BATCH, Response, put_call, put_event, put_events};
use crate::primitive::Reader;
use crate::schema::{FLUME_HASH, Hash, Protocol};
use crate::sniff::Foreign;

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The serial that was returned when the request was sent.
    pub serial: i32,
    /// The answer itself.
    pub response: Response,
}

/// The client's end of one connection.
#[derive(Debug)]
pub struct Client {
    inbound: Inbound,
    limits: RpcLimits,
    protocol: Protocol,
    next_serial: i32,
    state: ClientState,
    /// Requests without an answer, oldest first.
    open: VecDeque<SentRequest>,
}

#[derive(Debug)]
enum ClientState {
    New,
    Greeting(First),
    Connected,
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct SentRequest {
    /// Its number on the wire.
    sent_as: i32,
    /// The number that the caller has.
    serial: i32,
    ping: bool,
}

/// The first request, kept in case it has to be sent again.
#[derive(Debug)]
struct First {
    name: &'static str,
    parameters: Bytes,
    /// The server already has our protocol text.
    told: bool,
}

impl Client {
    /// A new connection that introduces itself with `protocol`.
    pub fn new(limits: RpcLimits, protocol: Protocol) -> Self {
        Self {
            inbound: Inbound::new(limits.frame),
            limits,
            protocol,
            next_serial: 1,
            state: ClientState::New,
            open: VecDeque::new(),
        }
    }

    /// Writes a call of `append` with one event. Returns the request's serial.
    pub fn append<'a, H>(
        &mut self,
        headers: H,
        body: &[u8],
        output: &mut BytesMut,
    ) -> Result<i32, SendError>
    where
        H: IntoIterator<Item = (&'a str, &'a str)>,
        H::IntoIter: ExactSizeIterator,
    {
        self.send(APPEND, output, |out, _| put_event(out, headers, body))
    }

    /// Writes a call of `appendBatch`. Returns the request's serial.
    ///
    /// An event is a pair of its headers and its body. Both iterators must know their length,
    /// because it precedes the items on the wire.
    pub fn append_batch<'a, E, H>(
        &mut self,
        events: E,
        output: &mut BytesMut,
    ) -> Result<i32, SendError>
    where
        E: IntoIterator<Item = (H, &'a [u8])>,
        E::IntoIter: ExactSizeIterator,
        H: IntoIterator<Item = (&'a str, &'a str)>,
        H::IntoIter: ExactSizeIterator,
    {
        self.send(APPEND_BATCH, output, |out, limit| {
            put_events(out, events, limit)
        })
    }

    /// Writes a ping, which does nothing but connect. Returns the request's serial.
    pub fn ping(&mut self, output: &mut BytesMut) -> Result<i32, SendError> {
        self.send("", output, |_, _| Ok(()))
    }

    /// Whether a request may be sent now; the error says why not.
    pub fn ready(&self) -> Result<(), SendError> {
        if matches!(self.state, ClientState::Greeting(_)) {
            return Err(SendError::HandshakePending);
        }
        if self.open.len() >= self.limits.max_in_flight {
            return Err(SendError::TooManyInFlight(self.limits.max_in_flight));
        }
        Ok(())
    }

    /// Number of requests that wait for an answer.
    pub fn in_flight(&self) -> usize {
        self.open.len()
    }

    /// Takes the next answer off `input`, or returns `None` if there is no complete one. Between
    /// two calls the caller may only append to `input`.
    ///
    /// This may write to `output` (the first request again, to a server that does not know us), so
    /// send that after each call. After an error the connection must be closed; the requests in
    /// flight may or may not have been carried out.
    pub fn poll(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<Option<Answer>, ConnectionError> {
        while let Some(frame) = self.inbound.next(input)? {
            let open = self.take(frame.serial)?;
            let mut reader = Reader::new(frame.body);
            if let ClientState::Greeting(first) = &mut self.state {
                match greeted(&mut reader)? {
                    Greeted::Connected => self.state = ClientState::Connected,
                    Greeted::Unknown(_) if first.told => {
                        return Err(ConnectionError::HandshakeRejected);
                    }
                    Greeted::Unknown(server_hash) => {
                        first.told = true;
                        let (name, parameters) = (first.name, first.parameters.clone());
                        self.send_again(open, server_hash, name, &parameters, output);
                        continue;
                    }
                }
            }
            let response = Response::decode(reader, open.ping)?;
            return Ok(Some(Answer {
                serial: open.serial,
                response,
            }));
        }
        Ok(None)
    }

    /// The protocol of a peer whose stream ended before its first answer was complete, if
    /// recognised.
    pub fn foreign(&self, input: &[u8]) -> Option<Foreign> {
        self.inbound.foreign(input)
    }

    /// Writes one request. `put` writes its parameters; its argument is the most bytes that the
    /// output may have. On an error the output is unchanged.
    fn send(
        &mut self,
        name: &'static str,
        output: &mut BytesMut,
        put: impl FnOnce(&mut BytesMut, usize) -> Result<(), SendError>,
    ) -> Result<i32, SendError> {
        self.ready()?;
        let serial = self.next_serial;
        let handshake = matches!(self.state, ClientState::New)
            .then(|| self.handshake(FLUME_HASH, false, name.is_empty()));
        let start = output.len();
        let limit = self.limits.frame.max_frame.min(MAX_LENGTH);
        let put = |out: &mut BytesMut| put(out, limit);
        let written = put_request(output, serial, handshake.as_ref(), name, put);
        // The size includes the framing, so that no peer with the same limit refuses it.
        let size = output.len().saturating_sub(start);
        let parameters = match written {
            Ok(parameters) if size <= limit => parameters,
            failed => {
                output.truncate(start);
                return Err(failed.err().unwrap_or(SendError::TooLarge { size, limit }));
            }
        };
        if handshake.is_some() {
            let parameters = output.get(parameters..).unwrap_or_default();
            let parameters = Bytes::copy_from_slice(parameters);
            self.state = ClientState::Greeting(First {
                name,
                parameters,
                told: false,
            });
        }
        self.open.push_back(SentRequest {
            sent_as: serial,
            serial,
            ping: name.is_empty(),
        });
        self.next_serial = serial.wrapping_add(1);
        Ok(serial)
    }

    /// Repeats the first request under a new number, now with our text and the server's hash.
    fn send_again(
        &mut self,
        open: SentRequest,
        server_hash: Hash,
        name: &'static str,
        parameters: &[u8],
        output: &mut BytesMut,
    ) {
        let sent_as = self.next_serial;
        self.next_serial = sent_as.wrapping_add(1);
        let handshake = self.handshake(server_hash, true, open.ping);
        put_head(output, sent_as, Some(&handshake), name);
        if !open.ping {
            put_buffer(output, parameters);
        }
        self.open.push_back(SentRequest { sent_as, ..open });
    }

    fn handshake(&self, server_hash: Hash, text: bool, ping: bool) -> HandshakeRequest {
        HandshakeRequest {
            client_hash: self.protocol.hash(),
            client_text: text.then(|| self.protocol.text().clone()),
            server_hash,
            // Java sends an empty map with its calls. It has no pings; for those we use the
            // shortest form.
            meta: !ping,
        }
    }

    /// Finds the request that an answer is for. Answers usually come in order.
    fn take(&mut self, sent_as: i32) -> Result<SentRequest, ConnectionError> {
        let at = self.open.iter().position(|open| open.sent_as == sent_as);
        at.and_then(|at| self.open.remove(at))
            .ok_or(ConnectionError::UnknownSerial(sent_as))
    }
}

/// The meaning of a server's handshake.
enum Greeted {
    /// The answer to the call follows.
    Connected,
    /// The call was not executed; this is the server's hash.
    Unknown(Hash),
}

/// Reads the server's handshake.
fn greeted(reader: &mut Reader) -> Result<Greeted, ConnectionError> {
    let whole = reader.clone();
    let answer = match HandshakeResponse::decode(reader) {
        Ok(answer) => answer,
        // A server that could not read our handshake answers without a handshake.
        Err(error) => {
            return Err(match Response::decode(whole, false) {
                Ok(Response::SystemError(text)) => ConnectionError::Refused(text),
                _ => error.into(),
            });
        }
    };
    if let Some(text) = answer.server_text {
        Protocol::new(text)?;
    }
    Ok(match answer.matched {
        Match::Both | Match::Client => Greeted::Connected,
        Match::None => Greeted::Unknown(answer.server_hash.unwrap_or(FLUME_HASH)),
    })
}

/// Writes the serial, the count and the buffer of the handshake and the name. A ping is that
/// buffer alone; the parameters of a call are a second one.
fn put_head(out: &mut BytesMut, serial: i32, handshake: Option<&HandshakeRequest>, name: &str) {
    put_header(out, serial, if name.is_empty() { 1 } else { 2 });
    let start = open_buffer(out);
    if let Some(handshake) = handshake {
        handshake.encode(out);
    }
    put_call(out, name);
    close_buffer(out, start);
}

/// Writes a whole request and returns where its parameters begin.
fn put_request(
    out: &mut BytesMut,
    serial: i32,
    handshake: Option<&HandshakeRequest>,
    name: &str,
    put: impl FnOnce(&mut BytesMut) -> Result<(), SendError>,
) -> Result<usize, SendError> {
    put_head(out, serial, handshake, name);
    if name.is_empty() {
        return Ok(out.len());
    }
    let start = open_buffer(out);
    put(out)?;
    close_buffer(out, start);
    Ok(start)
}
