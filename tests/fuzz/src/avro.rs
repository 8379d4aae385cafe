//! Both ends of Flume's RPC: no input panics, and it does not matter in which pieces it comes.

use bytes::BytesMut;
use flume_avro::{Client, KnownClients, Protocol, ReplyStatus, Response, RpcLimits};
use flume_avro::{Server, ServerStep};

use crate::files;
use crate::input::Input;

/// The first byte says how large the pieces are, the rest is sent.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let piece = 1 + input.up_to(63);
    let sent = input.0;
    assert_eq!(served(sent, piece), served(sent, sent.len().max(1)));
    assert_eq!(answered(sent, piece), answered(sent, sent.len().max(1)));
}

/// Calls with their events, as text, the output, and whether it came to an end.
type Told = (Vec<String>, Vec<u8>, bool);

fn served(sent: &[u8], piece: usize) -> Told {
    let mut server = Server::new(RpcLimits::default(), KnownClients::default());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut calls = Vec::new();
    for piece in sent.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match server.poll(&mut input, &mut output) {
                Ok(ServerStep::Wait) => break,
                Ok(ServerStep::Answered) => {}
                Ok(ServerStep::Call(call)) => {
                    let bytes = call.events.remaining_bytes();
                    let mut entries = 0;
                    let mut kept = Vec::new();
                    let mut answer = Response::Status(ReplyStatus::Ok);
                    for event in call.events {
                        match event {
                            Ok(event) => {
                                entries += 1 + event.headers.len();
                                kept.push(format!("{:?} {:?}", event.headers, event.body));
                            }
                            Err(error) => answer = Response::SystemError(error.to_string()),
                        }
                    }
                    // An event and a header take two bytes at least.
                    assert!(
                        entries * 2 <= bytes.max(2),
                        "{entries} entries of {bytes} bytes"
                    );
                    calls.push(format!(
                        "{} {:?} {kept:?} {answer:?}",
                        call.serial, call.method
                    ));
                    server.respond(call.serial, &answer, &mut output);
                }
                // What it says depends on how much was there.
                Err(_) => return (calls, output.to_vec(), true),
            }
        }
    }
    (calls, output.to_vec(), false)
}

/// The same of a client that makes a call, and, when it is answered, others.
fn answered(sent: &[u8], piece: usize) -> Told {
    let mut client = Client::new(RpcLimits::default(), Protocol::flume());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    call(&mut client, &mut output);
    let mut answers = Vec::new();
    for piece in sent.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match client.poll(&mut input, &mut output) {
                Ok(None) => break,
                Ok(Some(answer)) => {
                    answers.push(format!("{answer:?}"));
                    call(&mut client, &mut output);
                }
                Err(_) => return (answers, output.to_vec(), true),
            }
        }
    }
    (answers, output.to_vec(), false)
}

/// A call, and, once the server is known, two more, unless many wait for their answer.
fn call(client: &mut Client, output: &mut BytesMut) {
    if client.in_flight() > 20 {
        return;
    }
    let headers = || [("host", "web1")];
    client
        .append(headers(), b"hello", output)
        .expect("room for a call");
    if client.ready().is_ok() {
        let events = [(headers(), &b"hello"[..])];
        client
            .append_batch(events, output)
            .expect("room for a call");
        client.ping(output).expect("room for a ping");
    }
}

/// Recorded frames, and all requests of a connection in sequence.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut seeds = Vec::new();
    for text in files("tests/wire", &["hex"], None) {
        let frame = unhexed(&text);
        seeds.push([&[63], &frame[..]].concat());
        seeds.push([&[2], &frame[..]].concat());
        frames.extend(frame);
    }
    seeds.push([&[20], &frames[..]].concat());
    seeds
}

fn unhexed(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).expect("a text");
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let digits: Vec<u8> = lines
        .flat_map(|line| line.chars().filter_map(|digit| digit.to_digit(16)))
        .map(|digit| u8::try_from(digit).expect("a digit"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0))
        .collect()
}
