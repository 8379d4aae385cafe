//! Frames split at every point, at and beyond the limits, and random frames.

use proptest::prelude::*;

use super::*;
use crate::testing::wire;

fn frame(serial: i32, buffers: &[&[u8]]) -> BytesMut {
    let mut out = BytesMut::new();
    put_header(&mut out, serial, buffers.len());
    for buffer in buffers {
        put_buffer(&mut out, buffer);
    }
    out
}

fn header(serial: i32, count: i32, lengths: &[i32]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i32(serial);
    out.put_i32(count);
    lengths.iter().for_each(|length| out.put_i32(*length));
    out
}

fn decode(mut input: BytesMut) -> Result<Option<Frame>, FrameError> {
    FrameDecoder::default().decode(&mut input)
}

#[test]
fn a_message_is_the_concatenation_of_its_buffers() {
    let cases: [&[&[u8]]; 6] = [
        &[b"hello"],
        &[b""],
        &[b"he", b"", b"llo"],
        &[b"", b"", b"hello", b""],
        &[b"a", b"bcdefghijklmnop", b"qr"],
        &[b"abcdefgh", b"i", b"jklmnopqrstuvwxyz", b""],
    ];
    for buffers in cases {
        let decoded = decode(frame(7, buffers)).unwrap().unwrap();
        assert_eq!(
            (decoded.serial, &decoded.body[..]),
            (7, &buffers.concat()[..])
        );
    }
}

#[test]
fn a_frame_may_be_split_at_every_byte() {
    let whole = wire("request-append-batch");
    for cut in 0..whole.len() {
        let mut decoder = FrameDecoder::default();
        let mut input = BytesMut::from(&whole[..cut]);
        assert_eq!(decoder.decode(&mut input), Ok(None), "cut at {cut}");
        assert_eq!(decoder.is_inside(), cut >= HEADER);
        input.put_slice(&whole[cut..]);
        input.put_slice(b"next");
        let decoded = decoder.decode(&mut input).unwrap().unwrap();
        assert_eq!((decoded.serial, decoded.body.len()), (2, 13 + 18));
        assert_eq!(&input[..], b"next");
        assert!(!decoder.is_inside());
    }
}

#[test]
fn one_buffer_is_handed_on_without_a_copy() {
    let mut one = frame(1, &[b"hello"]);
    let data = one[HEADER + LENGTH..].as_ptr();
    let body = FrameDecoder::default()
        .decode(&mut one)
        .unwrap()
        .unwrap()
        .body;
    assert_eq!(body.as_ptr(), data);

    let mut prefixed = frame(1, &[b"name", b"parameters"]);
    let data = prefixed[HEADER + LENGTH + 4 + LENGTH..].as_ptr();
    let body = FrameDecoder::default()
        .decode(&mut prefixed)
        .unwrap()
        .unwrap()
        .body;
    assert_eq!(
        (body[4..].as_ptr(), &body[..]),
        (data, &b"nameparameters"[..])
    );
}

#[test]
fn counts_and_lengths_below_their_range_are_errors() {
    assert_eq!(decode(header(1, 0, &[])), Err(FrameError::Count(0)));
    assert_eq!(decode(header(1, -2, &[])), Err(FrameError::Count(-2)));
    assert_eq!(decode(header(1, 1, &[-1])), Err(FrameError::Length(-1)));
    assert_eq!(
        decode(header(1, 2, &[0, i32::MIN])),
        Err(FrameError::Length(i32::MIN))
    );
}

#[test]
fn limits_hold_at_their_edge_and_before_the_data_arrives() {
    let limits = FrameLimits {
        max_frame: 10,
        max_buffers: 2,
    };
    let decode = |mut input: BytesMut| FrameDecoder::new(limits).decode(&mut input);
    assert_eq!(
        decode(frame(1, &[b"01234", b"56789"]))
            .unwrap()
            .unwrap()
            .body,
        "0123456789"
    );
    let too_large = FrameError::TooLarge {
        size: 11,
        limit: 10,
    };
    assert_eq!(decode(header(1, 1, &[11])), Err(too_large));
    assert_eq!(decode(frame(1, &[b"01234", b"567890"])), Err(too_large));
    let too_many = FrameError::TooManyBuffers { count: 3, limit: 2 };
    assert_eq!(decode(header(1, 3, &[])), Err(too_many));
}

#[test]
fn an_error_is_final() {
    let mut decoder = FrameDecoder::default();
    let mut input = header(1, 0, &[]);
    assert_eq!(decoder.decode(&mut input), Err(FrameError::Count(0)));
    let mut input = frame(1, &[b"sound"]);
    assert_eq!(decoder.decode(&mut input), Err(FrameError::Count(0)));
}

#[test]
fn the_greetings_of_tls_and_http_fail_at_their_eighth_byte() {
    let tls: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01];
    for greeting in [tls, b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n"] {
        let error = decode(BytesMut::from(greeting)).unwrap_err();
        assert!(
            matches!(error, FrameError::TooManyBuffers { .. }),
            "{error}"
        );
    }
}

/// A frame of many buffers, offered a byte at a time: with a rescan of all lengths per byte this
/// would take minutes.
#[test]
fn an_unfinished_frame_is_not_read_again() {
    let count = 30_000;
    let whole = frame(1, &vec![&b"12345678"[..]; count]);
    let mut decoder = FrameDecoder::default();
    let mut input = BytesMut::new();
    let mut decoded = None;
    for byte in whole {
        assert_eq!(decoded, None);
        input.put_u8(byte);
        decoded = decoder.decode(&mut input).unwrap();
    }
    assert_eq!(decoded.unwrap().body.len(), count * 8);
}

#[test]
fn lengths_of_an_absent_frame_reserve_nothing() {
    let mut input = header(1, 2, &[50_000_000]);
    let before = input.capacity();
    let mut decoder = FrameDecoder::default();
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(input.capacity(), before);
    assert!(decoder.lengths.capacity() < 16);
}

proptest! {
    #[test]
    fn frames_survive_any_cutting(
        messages in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 1..6),
        pieces in prop::collection::vec(1usize..50, 1..20),
    ) {
        let mut stream = BytesMut::new();
        for (serial, buffers) in (1..).zip(&messages) {
            let buffers: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
            stream.extend_from_slice(&frame(serial, &buffers));
        }
        let mut decoder = FrameDecoder::default();
        let (mut input, mut decoded) = (BytesMut::new(), Vec::new());
        for piece in pieces.iter().cycle() {
            if stream.is_empty() {
                break;
            }
            input.extend_from_slice(&stream.split_to((*piece).min(stream.len())));
            while let Some(frame) = decoder.decode(&mut input).unwrap() {
                decoded.push(frame);
            }
        }
        prop_assert!(input.is_empty());
        prop_assert_eq!(decoded.len(), messages.len());
        for (serial, (frame, buffers)) in (1..).zip(decoded.iter().zip(&messages)) {
            prop_assert_eq!(frame.serial, serial);
            prop_assert_eq!(&frame.body[..], &buffers.concat()[..]);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..200),
    ) {
        let mut decoder = FrameDecoder::default();
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = decoder.decode(&mut input) {}
        prop_assert!(decoder.lengths.capacity() <= 256);
    }
}
