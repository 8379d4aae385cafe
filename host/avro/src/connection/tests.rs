//! Recorded exchanges in both directions, and two ends connected in memory.

use bytestring::ByteString;

use super::*;
use crate::error::{DecodeError, SendError};
use crate::frame::FrameError;
use crate::handshake::KnownClients;
use crate::message::{ReplyStatus, Response, WireEvent};
use crate::schema::{FLUME_HASH, PLAIN_TEXT, Protocol};
use crate::testing::wire;

mod golden;
mod hostile;
mod pair;

const OK: Response = Response::Status(ReplyStatus::Ok);
const NO_HEADERS: [(&str, &str); 0] = [];

fn server() -> Server {
    Server::new(RpcLimits::default(), KnownClients::default())
}

fn client() -> Client {
    Client::new(RpcLimits::default(), Protocol::flume())
}

/// A server and a client that have shaken hands with a recorded first call.
fn connected() -> (Server, Client) {
    let (mut server, mut client) = (server(), client());
    client
        .append(NO_HEADERS, b"hello", &mut BytesMut::new())
        .unwrap();
    let mut answer = wire("answer-ok-first");
    client
        .poll(&mut answer, &mut BytesMut::new())
        .unwrap()
        .unwrap();
    let call = call(&mut server, &mut wire("request-append-first"));
    server.respond(call.serial, &OK, &mut BytesMut::new());
    (server, client)
}

/// The call in `input`, which the machine must not answer itself.
#[track_caller]
fn call(server: &mut Server, input: &mut BytesMut) -> RpcCall {
    let mut output = BytesMut::new();
    let step = server.poll(input, &mut output).unwrap();
    assert!(input.is_empty() && output.is_empty(), "{step:?} {output:?}");
    let ServerStep::Call(call) = step else {
        panic!("{step:?}")
    };
    call
}

/// The machine's own answer to `input`.
#[track_caller]
fn answered(server: &mut Server, input: &mut BytesMut) -> BytesMut {
    let mut output = BytesMut::new();
    let step = server.poll(input, &mut output).unwrap();
    assert!(matches!(step, ServerStep::Answered), "{step:?}");
    output
}

fn read(call: RpcCall) -> Vec<(Vec<(String, String)>, String)> {
    let text = |event: WireEvent| {
        let headers = event
            .headers
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        (headers, String::from_utf8(event.body.to_vec()).unwrap())
    };
    call.events.map(|event| text(event.unwrap())).collect()
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}
