//! How long events keep the memory of the frame that they came in.

use bytes::BufMut as _;
use flume_avro::{Client, KnownClients, Protocol, RpcLimits, Server, ServerStep};
use flume_core::Event;

use super::super::batch::{read, write};
use super::*;

/// What a frame of this test has room for.
const LARGE: usize = 8 << 20;

/// Events with the buffer that they were read into, and whether one of them still holds it.
fn arrived(events: &[Event], metadata: usize) -> (Vec<Event>, bool) {
    let limits = RpcLimits::default();
    let mut client = Client::new(limits, Protocol::flume());
    let mut server = Server::new(limits, KnownClients::default());
    let (mut there, mut back) = (BytesMut::new(), BytesMut::new());
    client.ping(&mut there).unwrap();
    server.poll(&mut there, &mut back).unwrap();
    client.poll(&mut back, &mut there).unwrap().unwrap();
    let mut input = BytesMut::new();
    write(events, &mut client, &mut input).unwrap();
    if metadata > 0 {
        input = with_metadata(&input, metadata);
    }
    // Exactly its size, so that there is no room left but that of the frame.
    let mut input = BytesMut::from(&*input);
    let size = input.len();
    let step = server.poll(&mut input, &mut back).unwrap();
    let ServerStep::Call(call) = step else {
        panic!("{step:?}")
    };
    assert!(call.frame_bytes >= metadata);
    let read = read(call, 0).unwrap();
    // Only if nobody else holds the memory can all of it be used again.
    let is_held = !input.try_reclaim(size);
    (read, is_held)
}

/// The same request with RPC metadata of this size, which nobody reads.
fn with_metadata(request: &[u8], size: usize) -> BytesMut {
    // Serial, number of buffers, and then each buffer with its length.
    let mut rest = &request[8..];
    let mut message = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap());
        let length = usize::try_from(length).unwrap();
        message.extend_from_slice(&rest[4..4 + length]);
        rest = &rest[4 + length..];
    }
    assert_eq!(message[0], 0, "no metadata so far");
    let mut map = vec![2, 2, b'k'];
    let mut zigzag = size * 2;
    while zigzag >= 0x80 {
        map.push(u8::try_from(zigzag & 0x7f).unwrap() | 0x80);
        zigzag >>= 7;
    }
    map.push(u8::try_from(zigzag).unwrap());
    map.resize(map.len() + size, b'm');
    map.push(0);
    map.extend_from_slice(&message[1..]);
    let mut framed = BytesMut::with_capacity(map.len() + 12);
    framed.put_slice(&request[..4]);
    framed.put_u32(1);
    framed.put_u32(u32::try_from(map.len()).unwrap());
    framed.put_slice(&map);
    framed
}

fn event(bytes: usize) -> Event {
    Event::new(vec![b'x'; bytes]).with_header("name", "value")
}

#[test]
fn small_events_do_not_keep_a_large_frame() {
    let many = vec![event(100); LARGE / 100];
    let (read, is_held) = arrived(&many, 0);
    assert!(read == many, "the events are the same");
    assert!(!is_held);
    // One of them keeps no more than a buffer of copies.
    let sizes = read.iter().map(|event| event.body.len() + 9);
    assert!(sizes.sum::<usize>() > 100 * WHOLE);
    for bytes in [0, 1, WHOLE, LARGE / 9] {
        let mut mixed = vec![event(bytes)];
        mixed.extend(vec![event(1000); LARGE / 1000]);
        let (read, is_held) = arrived(&mixed, 0);
        assert!(read == mixed && !is_held, "{bytes}");
    }
}

#[test]
fn a_large_event_stays_where_it_is() {
    for bytes in [LARGE / 4, LARGE] {
        let mixed = vec![event(bytes), event(LARGE / 2), event(1)];
        let (read, is_held) = arrived(&mixed, 0);
        assert!(read == mixed && is_held, "{bytes}");
    }
}

#[test]
fn metadata_that_nobody_reads_is_not_kept() {
    for events in [vec![event(1)], vec![event(1000); 20]] {
        let (read, is_held) = arrived(&events, LARGE);
        assert!(read == events && !is_held);
    }
}

/// The usual batch: 100 events of 500 bytes are not copied.
#[test]
fn a_usual_batch_is_not_copied() {
    let usual = vec![event(500); 100];
    let (read, is_held) = arrived(&usual, 0);
    assert!(read == usual && is_held);
}
