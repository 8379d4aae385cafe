//! Peers that are broken, foreign or malicious.

use bytes::BufMut;
use proptest::prelude::*;

use super::*;
use crate::sniff::Foreign;

fn frame(serial: i32, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i32(serial);
    out.put_i32(1);
    out.put_i32(i32::try_from(body.len()).unwrap());
    out.put_slice(body);
    out
}

fn poll(client: &mut Client, mut input: BytesMut) -> Result<Option<Answer>, ConnectionError> {
    client.poll(&mut input, &mut BytesMut::new())
}

/// The text of a system error, which must be laid out as `[empty][metadata][error]`.
#[track_caller]
fn system_error(answer: &[u8], serial: i32) -> String {
    let mut client = connected().1;
    while client
        .append(NO_HEADERS, b"", &mut BytesMut::new())
        .unwrap()
        < serial
    {}
    let three_buffers = [
        &serial.to_be_bytes()[..],
        &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ];
    assert_eq!(answer[..17], three_buffers.concat());
    let answer = poll(&mut client, BytesMut::from(answer)).unwrap().unwrap();
    let Response::SystemError(text) = answer.response else {
        panic!("{answer:?}")
    };
    text
}

#[test]
fn an_unreadable_handshake_is_answered_and_may_be_repeated() {
    let mut server = server();
    let cut = wire("request-append-first")[12..40].to_vec();
    let answer = answered(&mut server, &mut frame(2, &cut));
    assert_eq!(system_error(&answer, 2), "data ends inside a value");

    let mut client = client();
    client.ping(&mut BytesMut::new()).unwrap();
    let mut refused = answer;
    refused[3] = 1;
    let error = poll(&mut client, refused).unwrap_err();
    assert_eq!(
        error,
        ConnectionError::Refused("data ends inside a value".to_owned())
    );

    call(&mut server, &mut wire("request-append-first"));
}

#[test]
fn a_client_of_another_protocol_gets_the_reason() {
    let text = PLAIN_TEXT.replace(r#""values":"string""#, r#""values":"bytes""#);
    let mut body = BytesMut::from(&[9; 16][..]);
    body.put_u8(2);
    crate::primitive::put_bytes(&mut body, text.as_bytes());
    body.put_slice(&FLUME_HASH);
    body.put_slice(&[0, 0, 0]);
    let answer = answered(&mut server(), &mut frame(2, &body));
    let expected = "protocol of the peer: append takes another type of event";
    assert_eq!(system_error(&answer, 2), expected);
}

#[test]
fn an_unreadable_call_is_answered_and_the_connection_goes_on() {
    let mut server = connected().0;
    for body in [&b""[..], b"\x00", b"\x00\x0cappen", b"\x00\x01"] {
        let answer = answered(&mut server, &mut frame(2, body));
        assert!(!system_error(&answer, 2).is_empty());
    }
    // A batch is read by the application, and so its errors surface there.
    let broken = call(
        &mut server,
        &mut frame(2, b"\x00\x16appendBatch\x04\x00\x0ahello"),
    );
    let error = broken.events.last();
    assert_eq!(error, Some(Err(DecodeError::Truncated)));
    call(&mut server, &mut wire("request-append-batch"));
}

#[test]
fn an_unreadable_first_call_is_answered_with_the_handshake() {
    let mut body = wire("request-append-first")[12..12 + 36].to_vec();
    body.push(0x80);
    let mut server = server();
    let answer = answered(&mut server, &mut frame(1, &body));
    assert_eq!(answer[8..16], [0, 0, 0, 4, 0, 0, 0, 0], "match BOTH");
    call(&mut server, &mut wire("request-append-batch"));
}

#[test]
fn a_long_name_is_not_echoed_in_full() {
    let mut body = BytesMut::from(&[0][..]);
    crate::primitive::put_bytes(&mut body, &[b'x'; 100_000]);
    let answer = answered(&mut connected().0, &mut frame(2, &body));
    assert!(answer.len() < 5000);
}

#[test]
fn each_answer_of_the_machine_is_a_step() {
    let mut server = connected().0;
    let mut input = BytesMut::new();
    (0..1000).for_each(|_| input.extend_from_slice(&wire("request-ping")));
    let output = answered(&mut server, &mut input);
    assert_eq!(output.len(), 12);
}

#[test]
fn a_foreign_peer_is_named_and_a_proven_one_is_not_suspected() {
    let tls: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01];
    let zlib: &[u8] = &[0x78, 0x9c, 0x62, 0x60, 0x60, 0x60, 0x64, 0x60];
    let cases = [
        (tls, Foreign::Tls),
        (zlib, Foreign::Zlib),
        (b"GET / HT", Foreign::Http),
    ];
    for (bytes, foreign) in cases {
        let error = ConnectionError::Foreign(foreign);
        let mut input = BytesMut::from(bytes);
        let polled = server().poll(&mut input, &mut BytesMut::new());
        assert_eq!(polled.unwrap_err(), error);
        assert_eq!(poll(&mut client(), BytesMut::from(bytes)), Err(error));
        // Too short to fail: the caller asks once the stream ends.
        assert_eq!(server().foreign(&bytes[..5]), Foreign::sniff(&bytes[..5]));

        let (mut server, mut client) = connected();
        let polled = server.poll(&mut input, &mut BytesMut::new()).unwrap_err();
        assert!(matches!(polled, ConnectionError::Frame(_)), "{polled:?}");
        assert_eq!((server.foreign(bytes), client.foreign(bytes)), (None, None));
        let polled = poll(&mut client, BytesMut::from(bytes)).unwrap_err();
        assert!(matches!(polled, ConnectionError::Frame(_)), "{polled:?}");
    }
    let zero = BytesMut::from(&[0, 0, 0, 1, 0, 0, 0, 0][..]);
    let error = ConnectionError::Frame(FrameError::Count(0));
    assert_eq!(poll(&mut client(), zero), Err(error));
}

#[test]
fn an_answer_to_nothing_is_an_error() {
    let unknown = Err(ConnectionError::UnknownSerial(2));
    assert_eq!(poll(&mut client(), wire("answer-ok")), unknown);
    let mut client = connected().1;
    assert_eq!(poll(&mut client, wire("answer-ok")), unknown);
    client
        .append(NO_HEADERS, b"", &mut BytesMut::new())
        .unwrap();
    let mut twice = wire("answer-ok");
    twice.unsplit(wire("answer-ok"));
    assert!(
        client
            .poll(&mut twice, &mut BytesMut::new())
            .unwrap()
            .is_some()
    );
    assert_eq!(poll(&mut client, twice), unknown);
}

#[test]
fn an_unreadable_answer_ends_the_connection() {
    let mut client = connected().1;
    client
        .append(NO_HEADERS, b"", &mut BytesMut::new())
        .unwrap();
    let error = DecodeError::Index {
        of: "Status",
        index: 3,
    };
    assert_eq!(
        poll(&mut client, frame(2, &[0, 0, 6])),
        Err(ConnectionError::Answer(error))
    );
}

#[test]
fn a_server_of_another_protocol_is_refused() {
    let mut client = client();
    client
        .append(NO_HEADERS, b"", &mut BytesMut::new())
        .unwrap();
    let mut answer = wire("answer-client");
    let status = answer
        .windows(6)
        .position(|bytes| bytes == b"FAILED")
        .unwrap();
    answer[status] = b'B';
    let text = "append returns another type than Status".to_owned();
    let error = ConnectionError::Answer(DecodeError::Protocol(text));
    assert_eq!(poll(&mut client, answer), Err(error));
}

/// Recordings with some bytes changed get deeper into the decoders than random bytes do.
fn mutated() -> impl Strategy<Value = BytesMut> {
    let names = prop::sample::select(vec![
        "request-append-first",
        "request-append-batch",
        "request-append-with-text",
        "answer-ok-first",
        "answer-client",
        "answer-none",
        "answer-no-such-message",
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (names, changes).prop_map(|(name, changes)| {
        let mut bytes = wire(name);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_a_panic(
        input in prop_oneof![
            mutated(),
            prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200)
                .prop_map(|bytes| BytesMut::from(&bytes[..])),
        ],
    ) {
        for mut server in [server(), connected().0] {
            let (mut input, mut output) = (input.clone(), BytesMut::new());
            loop {
                match server.poll(&mut input, &mut output) {
                    Ok(ServerStep::Call(call)) => drop(call.events.count()),
                    Ok(ServerStep::Answered) => {}
                    Ok(ServerStep::Wait) | Err(_) => break,
                }
            }
            prop_assert!(output.capacity() < 64 * 1024);
        }
        for mut client in [client(), connected().1] {
            let (mut input, mut output) = (input.clone(), BytesMut::new());
            client.append(NO_HEADERS, b"", &mut output).unwrap();
            while let Ok(Some(_)) = client.poll(&mut input, &mut output) {}
            prop_assert!(output.capacity() < 64 * 1024);
        }
    }
}
