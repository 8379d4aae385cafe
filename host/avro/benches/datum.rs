//! Why this crate has its own encoder and decoder for the one record it needs: the same batch
//! through it and through `apache-avro`, in one run.
//!
//! ```text
//! cargo bench -p flume-avro
//! ```
//!
//! Prints nanoseconds per event, the median of 15 rounds after a warm-up, and the ratio. Ours
//! includes the frame and the handshake; theirs is the bare datum, with its values already built.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, measures real time, and panics on the unexpected"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use apache_avro::types::Value;
use apache_avro::{Schema, from_avro_datum, to_avro_datum};
use bytes::BytesMut;
use flume_avro::{
    Client, KnownClients, PLAIN_TEXT, Protocol, ReplyStatus, Response, RpcLimits, Server,
    ServerStep,
};

const EVENTS: usize = 100;
const BODY: usize = 500;
const ROUNDS: usize = 15;
const BATCHES_A_ROUND: usize = 200;

fn main() {
    for headers in [0, 2] {
        let names: Vec<String> = (0..headers).map(|n| format!("header{n}")).collect();
        let (ours_out, ours_in) = ours(&names);
        let (theirs_out, theirs_in) = theirs(&names);
        println!("{EVENTS} events of {BODY} bytes, {headers} headers, ns per event:");
        println!(
            "  encode  ours {ours_out:6.0}  apache-avro {theirs_out:6.0}  ratio {:5.1}",
            theirs_out / ours_out
        );
        println!(
            "  decode  ours {ours_in:6.0}  apache-avro {theirs_in:6.0}  ratio {:5.1}",
            theirs_in / ours_in
        );
    }
}

/// Requests from a client to a server on one connection.
fn ours(names: &[String]) -> (f64, f64) {
    let body = vec![b'x'; BODY];
    let mut client = Client::new(RpcLimits::default(), Protocol::flume());
    let mut server = Server::new(RpcLimits::default(), KnownClients::default());
    let (mut there, mut back) = (BytesMut::new(), BytesMut::new());
    let (mut encoding, mut decoding) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let (mut out, mut taken) = (0.0, 0.0);
        for _ in 0..BATCHES_A_ROUND {
            let headers = || names.iter().map(|name| (name.as_str(), "value"));
            let events = (0..EVENTS).map(|_| (headers(), body.as_slice()));
            let began = Instant::now();
            client.append_batch(events, &mut there).unwrap();
            out += began.elapsed().as_secs_f64();

            let began = Instant::now();
            let ServerStep::Call(call) = server.poll(&mut there, &mut back).unwrap() else {
                panic!("the request is whole")
            };
            let mut count = 0;
            for event in call.events {
                black_box(event.unwrap());
                count += 1;
            }
            taken += began.elapsed().as_secs_f64();
            assert_eq!(count, EVENTS);
            server.respond(call.serial, &Response::Status(ReplyStatus::Ok), &mut back);
            client.poll(&mut back, &mut there).unwrap().unwrap();
        }
        encoding.push(out);
        decoding.push(taken);
    }
    (per_event(encoding), per_event(decoding))
}

/// The same batch as a datum of the protocol's schema.
fn theirs(names: &[String]) -> (f64, f64) {
    let protocol: serde_json::Value = serde_json::from_str(PLAIN_TEXT).unwrap();
    let event = protocol.pointer("/types/1").unwrap();
    let schema = Schema::parse_str(&format!(r#"{{"type":"array","items":{event}}}"#)).unwrap();
    let headers: HashMap<String, Value> = names
        .iter()
        .map(|name| (name.clone(), Value::String("value".to_owned())))
        .collect();
    let event = Value::Record(vec![
        ("headers".to_owned(), Value::Map(headers)),
        ("body".to_owned(), Value::Bytes(vec![b'x'; BODY])),
    ]);
    let (mut encoding, mut decoding) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let (mut out, mut taken) = (0.0, 0.0);
        for _ in 0..BATCHES_A_ROUND {
            let batch = Value::Array(vec![event.clone(); EVENTS]);
            let began = Instant::now();
            let datum = to_avro_datum(&schema, batch).unwrap();
            out += began.elapsed().as_secs_f64();
            let began = Instant::now();
            black_box(from_avro_datum(&schema, &mut datum.as_slice(), None).unwrap());
            taken += began.elapsed().as_secs_f64();
        }
        encoding.push(out);
        decoding.push(taken);
    }
    (per_event(encoding), per_event(decoding))
}

/// The median of the rounds, the first of which was the warm-up, in nanoseconds per event.
fn per_event(rounds: Vec<f64>) -> f64 {
    let mut counted: Vec<f64> = rounds.into_iter().skip(1).collect();
    counted.sort_by(f64::total_cmp);
    let median = counted.get(ROUNDS / 2).copied().unwrap_or_default();
    median * 1e9 / f64::from(u32::try_from(EVENTS * BATCHES_A_ROUND).unwrap())
}
