//! Frames as the host's own client writes them, and others: small buffers, invalid bytes.

use flume_avro::{FLUME_HASH, FLUME_TEXT};

use super::*;
use crate::load::lines::{body, write_number};

/// The parameters of a call with `events` events of 300 bytes, each with a header.
fn call(events: u64) -> Vec<u8> {
    let mut out = vec![0];
    put_long(&mut out, 11);
    out.extend_from_slice(b"appendBatch");
    // In a block with its size, as Java writes them for large arrays, and one without.
    for (count, sized) in [(events / 2, true), (events - events / 2, false)] {
        if count == 0 {
            // An empty block would end the array.
            continue;
        }
        let mut block = Vec::new();
        for number in 0..count {
            put_long(&mut block, 1);
            for text in ["host", "web1"] {
                put_long(&mut block, text.len() as i64);
                block.extend_from_slice(text.as_bytes());
            }
            put_long(&mut block, 0);
            let mut body = body(300, 0);
            let first = if sized { 0 } else { events / 2 };
            write_number(&mut body[..DIGITS], first + number);
            put_long(&mut block, 300);
            block.extend_from_slice(&body);
        }
        let count = count as i64;
        put_long(&mut out, if sized { -count } else { count });
        if sized {
            put_long(&mut out, block.len() as i64);
        }
        out.extend(block);
    }
    put_long(&mut out, 0);
    out
}

fn framed(data: &[u8], cut: usize) -> Vec<u8> {
    let buffers: Vec<&[u8]> = data.chunks(cut).collect();
    let mut out = Vec::new();
    put_frame(&mut out, 7, &buffers);
    out
}

#[test]
fn events_are_counted_wherever_a_message_is_cut() {
    for cut in [1, 3, 8192, usize::MAX] {
        let bytes = framed(&call(20), cut);
        let arrivals = Arrivals::new(0, 20);
        let frame = Frame::read(&bytes).unwrap().unwrap();
        assert_eq!((frame.serial, frame.length), (7, bytes.len()));
        let counted = frame.cursor(&bytes).count(&arrivals, 1).unwrap();
        assert_eq!(counted, Some(20));
        assert!(arrivals.verdict(20).exact(), "cut at {cut}");
    }
}

#[test]
fn a_frame_that_has_not_come_says_how_much_it_needs() {
    let bytes = framed(&call(2), 100);
    for end in 0..bytes.len() {
        let Ok(Err(needs)) = Frame::read(&bytes[..end]) else {
            panic!("{end} bytes are no frame")
        };
        assert!(needs > end && needs <= bytes.len(), "{needs} after {end}");
    }
}

#[test]
fn the_end_of_a_message_may_be_in_several_buffers() {
    for (buffers, ok) in [
        (&[&[0, 0, 0, 0][..], &[0], &[0, 0]][..], true),
        (&[&[0, 0, 0]], true),
        (&[&[0], &[0, 2]], false),
        (&[&[], &[0, 0]], false),
    ] {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, 1, buffers);
        let frame = Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(frame.ends_with(&bytes, &[0, 0, 0]), ok, "{buffers:?}");
    }
}

#[test]
fn a_handshake_tells_whether_the_client_knows_the_server() {
    for (text, hash, knows) in [(false, FLUME_HASH, true), (true, [7; 16], false)] {
        let mut data = FLUME_HASH.to_vec();
        put_long(&mut data, i64::from(text));
        if text {
            put_long(&mut data, FLUME_TEXT.len() as i64);
            data.extend_from_slice(FLUME_TEXT.as_bytes());
        }
        data.extend_from_slice(&hash);
        // Metadata is present but empty.
        data.extend_from_slice(&[2, 0]);
        data.extend(call(1));
        let bytes = framed(&data, 500);
        let frame = Frame::read(&bytes).unwrap().unwrap();
        let mut cursor = frame.cursor(&bytes);
        assert_eq!(cursor.handshake(), Ok(knows));
        assert_eq!(cursor.count(&Arrivals::new(0, 1), 1), Ok(Some(1)));
    }
}

#[test]
fn what_is_not_flume_is_refused() {
    assert!(Frame::read(b"GET / HTTP/1.1\r\n").is_err());
    let bytes = framed(&[0, 6, b'f', b'o', b'o'], 100);
    let frame = Frame::read(&bytes).unwrap().unwrap();
    let arrivals = Arrivals::new(0, 1);
    assert!(frame.cursor(&bytes).count(&arrivals, 1).is_err());
    let cut = call(3);
    let bytes = framed(&cut[..cut.len() - 50], 100);
    let frame = Frame::read(&bytes).unwrap().unwrap();
    let ended = frame.cursor(&bytes).count(&arrivals, 1);
    assert_eq!(ended, Err(Broken("it ends early")));
}
