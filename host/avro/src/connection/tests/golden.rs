//! The recordings in `tests/wire`, read and written byte for byte.

use super::*;

/// The output of a client after `send` has made a request.
fn sent(mut client: Client, send: impl FnOnce(&mut Client, &mut BytesMut)) -> BytesMut {
    let mut output = BytesMut::new();
    send(&mut client, &mut output);
    output
}

#[test]
fn a_client_writes_its_requests_as_flume_does() {
    let hello = |client: &mut Client, out: &mut BytesMut| {
        client.append(NO_HEADERS, b"hello", out).unwrap();
    };
    assert_eq!(sent(client(), hello), wire("request-append-first"));
    let plain = Client::new(RpcLimits::default(), Protocol::plain());
    assert_eq!(sent(plain, hello), wire("request-append-stranger"));
    let ping = |client: &mut Client, out: &mut BytesMut| {
        client.ping(out).unwrap();
    };
    assert_eq!(sent(client(), ping), wire("request-ping-first"));
    assert_eq!(sent(connected().1, ping), wire("request-ping"));
    let batch = sent(connected().1, |client, out| {
        let events = [(&[("k", "v")][..], &b"hello"[..]), (&[], b"hi")];
        let events = events.map(|(headers, body)| (headers.iter().copied(), body));
        client.append_batch(events, out).unwrap();
    });
    assert_eq!(batch, wire("request-append-batch"));
    let empty = sent(connected().1, |client, out| {
        let none = [(NO_HEADERS, &b""[..]); 0];
        client.append_batch(none, out).unwrap();
    });
    assert_eq!(empty, wire("request-append-batch-empty"));
}

#[test]
fn a_server_reads_the_requests_of_flume() {
    for first in ["request-append-first", "request-append-one-buffer"] {
        let call = call(&mut server(), &mut wire(first));
        assert_eq!((call.serial, call.method), (1, Method::Append));
        assert_eq!(read(call), [(vec![], "hello".to_owned())]);
    }
    let batch = call(&mut connected().0, &mut wire("request-append-batch"));
    assert_eq!((batch.serial, batch.method), (2, Method::AppendBatch));
    let expected = [
        (headers(&[("k", "v")]), "hello".to_owned()),
        (vec![], "hi".to_owned()),
    ];
    assert_eq!(read(batch), expected);
    let empty = call(&mut connected().0, &mut wire("request-append-batch-empty"));
    assert_eq!((empty.method, read(empty)), (Method::AppendBatch, vec![]));
}

#[test]
fn a_server_writes_its_answers_as_flume_does() {
    for first in ["request-append-first", "request-append-one-buffer"] {
        let mut server = server();
        let mut output = BytesMut::new();
        let call = call(&mut server, &mut wire(first));
        server.respond(call.serial, &OK, &mut output);
        assert_eq!(output, wire("answer-ok-first"));
    }
    let answers = [
        (ReplyStatus::Ok, "answer-ok"),
        (ReplyStatus::Failed, "answer-failed"),
        (ReplyStatus::Unknown, "answer-unknown"),
    ];
    for (status, name) in answers {
        let mut server = connected().0;
        let call = call(&mut server, &mut wire("request-append-batch"));
        let mut output = BytesMut::new();
        server.respond(call.serial, &Response::Status(status), &mut output);
        assert_eq!(output, wire(name));
    }
}

#[test]
fn the_servers_own_answers_are_flumes() {
    let mut restarted = Server::new(RpcLimits::default(), KnownClients::new([FLUME_HASH], 9));
    let none = answered(&mut restarted, &mut wire("request-append-stranger"));
    assert_eq!(none, wire("answer-none"));
    let call = call(&mut restarted, &mut wire("request-append-with-text"));
    assert_eq!((call.serial, call.method), (2, Method::Append));

    let pairs = [
        (connected().0, "request-foo", "answer-no-such-message"),
        (server(), "request-ping-first", "answer-pong-first"),
        (connected().0, "request-ping", "answer-pong"),
    ];
    for (mut server, request, answer) in pairs {
        assert_eq!(
            answered(&mut server, &mut wire(request)),
            wire(answer),
            "{request}"
        );
    }
}

#[test]
fn a_server_introduces_itself_to_a_client_that_guessed_wrong() {
    let mut request = wire("request-append-first");
    let guess = 8 + 4 + 16 + 1;
    request[guess] ^= 0xff;
    let mut server = server();
    let call = call(&mut server, &mut request);
    let mut output = BytesMut::new();
    server.respond(call.serial, &OK, &mut output);
    assert_eq!(output, wire("answer-client"));
}

#[test]
fn a_client_reads_the_answers_of_flume() {
    for first in ["answer-ok-first", "answer-client"] {
        let mut client = client();
        client
            .append(NO_HEADERS, b"hello", &mut BytesMut::new())
            .unwrap();
        let answer = client.poll(&mut wire(first), &mut BytesMut::new()).unwrap();
        assert_eq!(
            answer,
            Some(Answer {
                serial: 1,
                response: OK
            }),
            "{first}"
        );
        assert_eq!(client.ready(), Ok(()));
    }
    let text = "org.apache.avro.AvroRuntimeException: No such remote message: foo";
    let answers = [
        ("answer-ok", OK),
        ("answer-failed", Response::Status(ReplyStatus::Failed)),
        ("answer-unknown", Response::Status(ReplyStatus::Unknown)),
        (
            "answer-no-such-message",
            Response::SystemError(text.to_owned()),
        ),
    ];
    for (name, response) in answers {
        let mut client = connected().1;
        assert_eq!(client.append(NO_HEADERS, b"", &mut BytesMut::new()), Ok(2));
        let answer = client.poll(&mut wire(name), &mut BytesMut::new()).unwrap();
        assert_eq!(
            answer,
            Some(Answer {
                serial: 2,
                response
            })
        );
    }
    for (mut client, name) in [
        (client(), "answer-pong-first"),
        (connected().1, "answer-pong"),
    ] {
        let serial = client.ping(&mut BytesMut::new()).unwrap();
        let answer = client.poll(&mut wire(name), &mut BytesMut::new()).unwrap();
        assert_eq!(
            answer,
            Some(Answer {
                serial,
                response: Response::Pong
            })
        );
    }
}

#[test]
fn a_client_that_is_not_known_sends_its_text_with_the_same_call() {
    let mut client = Client::new(RpcLimits::default(), Protocol::plain());
    assert_eq!(
        client.append(NO_HEADERS, b"hello", &mut BytesMut::new()),
        Ok(1)
    );
    let mut output = BytesMut::new();
    assert_eq!(client.poll(&mut wire("answer-none"), &mut output), Ok(None));
    assert_eq!(output, wire("request-append-with-text"));
    assert_eq!(client.ready(), Err(SendError::HandshakePending));

    let mut answer = wire("answer-ok-first");
    answer[3] = 2;
    let answer = client.poll(&mut answer, &mut BytesMut::new()).unwrap();
    assert_eq!(
        answer,
        Some(Answer {
            serial: 1,
            response: OK
        }),
        "the serial that the caller has"
    );
}
