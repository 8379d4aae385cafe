//! The hot paths of an agent, a batch of 100 events of 500 bytes each time.

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use flume_avro::{
    Client, KnownClients, Protocol, ReplyStatus, Response, RpcLimits, Server, ServerStep,
};
use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::channel_selector::replicating::ReplicatingSelector;
use flume_core::sink_group::Load;
use flume_core::sink_processor::{LoadBalancingProcessor, Outcome, SinkProcessor};
use flume_core::sink_selector::{Backoff, round_robin};
use flume_core::{Channel, ChannelProcessor, InterceptorChain, Status, TakeTransaction, clock};

use crate::components::rpc::batch;
use crate::components::source::lines::charset::Charset;
use crate::components::source::lines::{LineSettings, Lines, READ_BYTES};
use crate::workload::{EVENTS, at_once, events, lines, repeat};

/// A name, and the function that repeats the work.
pub(crate) type Workload = (&'static str, fn(usize));

/// All workloads.
pub(crate) const ALL: &[Workload] = &[
    ("lines", split_lines),
    ("channel", put_and_take),
    ("select", select_sink),
    ("encode", |repetitions| encode(repetitions, 0)),
    ("encode-headers", |repetitions| encode(repetitions, 2)),
    ("decode", |repetitions| decode(repetitions, 0)),
    ("decode-headers", |repetitions| decode(repetitions, 2)),
];

/// What netcat reads from a socket becomes events, and they are dropped.
fn split_lines(repetitions: usize) {
    let mut splitter = Lines::new(LineSettings {
        max_length: 512,
        charset: Charset::Utf8,
        skip_long: false,
        replace_malformed: false,
        deliver_partial: false,
    });
    let lines = lines();
    let read = |_| {
        let mut read = BytesMut::with_capacity(READ_BYTES);
        read.extend_from_slice(&lines);
        read
    };
    repeat(repetitions, read, |read| {
        *splitter.space() = read;
        splitter.take_in();
        let batch = black_box(splitter.next_batch(EVENTS));
        assert_eq!(batch.events.len(), EVENTS);
    });
}

/// A source puts a batch into its memory channel, a sink takes it, delivers it, and commits.
fn put_and_take(repetitions: usize) {
    let config = MemoryConfig {
        capacity: 10_000,
        ..MemoryConfig::defaults(1 << 30)
    };
    let channel: Arc<dyn Channel> = Arc::new(MemoryChannel::new("c1", &config));
    let interceptors = InterceptorChain::new(Vec::new());
    let selector = Box::new(ReplicatingSelector::all_required(1));
    let processor = ChannelProcessor::new(interceptors, selector, vec![Arc::clone(&channel)]);
    repeat(
        repetitions,
        |_| events(0),
        |batch| {
            at_once(processor.process_batch(batch)).expect("the channel has room");
            let mut taken = TakeTransaction::begin(&channel);
            assert_eq!(taken.take_batch(EVENTS), EVENTS);
            black_box(taken.events());
            assert!(taken.commit().is_done());
        },
    );
}

/// A group of four sinks is asked where a batch goes, and receives the report that it arrived.
fn select_sink(repetitions: usize) {
    let selector = round_robin::configure(Backoff::none(4), 0);
    let mut group: Box<dyn SinkProcessor> =
        black_box(Box::new(LoadBalancingProcessor::new(4, selector)));
    let now = clock::now();
    repeat(
        repetitions,
        |_| (),
        |()| {
            let mut call = group.begin_load(now, Load::default());
            let sink = black_box(group.next(&mut call)).expect("no sink has failed");
            black_box(group.report(&mut call, sink, Outcome::Returned(Status::Ready), now));
        },
    );
}

/// An avro sink writes a request into its buffer and reads the answer.
fn encode(repetitions: usize, headers: usize) {
    let batch = events(headers);
    let (mut client, mut server) = ends();
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    greet(&mut client, &mut server);
    let serial = batch::write(&batch, &mut client, &mut output).expect("a request");
    output.clear();
    let mut answer = |number| {
        let mut answer = BytesMut::new();
        let number = i32::try_from(number).expect("a small number");
        server.respond(
            serial + number,
            &Response::Status(ReplyStatus::Ok),
            &mut answer,
        );
        answer
    };
    input.extend_from_slice(&answer(0));
    client
        .poll(&mut input, &mut output)
        .expect("a good answer")
        .expect("a whole answer");
    repeat(
        repetitions,
        |number| answer(number + 1),
        |answer| {
            batch::reserve(&batch, &mut output);
            batch::write(&batch, &mut client, &mut output).expect("a request");
            black_box(&output);
            output.clear();
            input.extend_from_slice(&answer);
            let answered = client.poll(&mut input, &mut output).expect("a good answer");
            black_box(answered.expect("a whole answer"));
        },
    );
}

/// An avro source finds a request in its buffer, makes events of it, answers, and drops them.
fn decode(repetitions: usize, headers: usize) {
    let batch = events(headers);
    let (mut client, mut server) = ends();
    greet(&mut client, &mut server);
    let mut request = BytesMut::new();
    batch::write(&batch, &mut client, &mut request).expect("a request");
    let mut output = BytesMut::new();
    repeat(
        repetitions,
        |_| BytesMut::from(&*request),
        |mut input| {
            let step = server
                .poll(&mut input, &mut output)
                .expect("a good request");
            let ServerStep::Call(call) = step else {
                unreachable!("the request is whole")
            };
            let serial = call.serial;
            let events = batch::read(call, EVENTS).expect("good events");
            assert_eq!(black_box(&events).len(), EVENTS);
            server.respond(serial, &Response::Status(ReplyStatus::Ok), &mut output);
            black_box(&output);
            output.clear();
        },
    );
}

fn ends() -> (Client, Server) {
    let client = Client::new(RpcLimits::default(), Protocol::flume());
    (
        client,
        Server::new(RpcLimits::default(), KnownClients::default()),
    )
}

/// Sends the first request of a connection, so that only later ones are counted.
fn greet(client: &mut Client, server: &mut Server) {
    let (mut there, mut back) = (BytesMut::new(), BytesMut::new());
    client.ping(&mut there).expect("a request");
    let step = server.poll(&mut there, &mut back).expect("a good request");
    assert!(
        matches!(step, ServerStep::Answered),
        "a server answers pings"
    );
    client
        .poll(&mut back, &mut there)
        .expect("a good answer")
        .expect("a whole answer");
}
