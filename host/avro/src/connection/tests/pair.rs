//! A client and a server connected in memory.

use proptest::prelude::*;

use super::*;

/// Both ends of a connection and the bytes in flight.
struct Pair {
    client: Client,
    server: Server,
    there: BytesMut,
    back: BytesMut,
}

impl Pair {
    fn new(protocol: Protocol, known: KnownClients) -> Self {
        Self {
            client: Client::new(RpcLimits::default(), protocol),
            server: Server::new(RpcLimits::default(), known),
            there: BytesMut::new(),
            back: BytesMut::new(),
        }
    }

    fn send(&mut self, bodies: &[&[u8]]) -> Result<i32, SendError> {
        let events = bodies.iter().map(|body| ([("host", "web1")], *body));
        self.client.append_batch(events, &mut self.there)
    }

    /// Steps the server until it waits. Returns the calls with their bodies.
    fn serve(&mut self) -> Vec<(i32, Vec<String>)> {
        let mut calls = Vec::new();
        loop {
            match self.server.poll(&mut self.there, &mut self.back).unwrap() {
                ServerStep::Wait => return calls,
                ServerStep::Answered => {}
                ServerStep::Call(call) => {
                    let serial = call.serial;
                    calls.push((
                        serial,
                        read(call).into_iter().map(|(_, body)| body).collect(),
                    ));
                }
            }
        }
    }

    fn answer(&mut self, serial: i32, status: ReplyStatus) {
        self.server
            .respond(serial, &Response::Status(status), &mut self.back);
    }

    fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.client.poll(&mut self.back, &mut self.there).unwrap() {
            answers.push(answer);
        }
        answers
    }
}

fn stranger() -> Protocol {
    let text = PLAIN_TEXT.replace(r#""protocol""#, r#""x":"another text","protocol""#);
    Protocol::new(ByteString::from(text)).unwrap()
}

/// Sends one batch, which must take this many tries, and pipelines two more.
fn exchange(pair: &mut Pair, tries: i32) {
    assert_eq!(pair.send(&[b"a", b"b"]), Ok(1));
    assert_eq!(pair.send(&[b"early"]), Err(SendError::HandshakePending));
    for attempt in 1..tries {
        assert_eq!(pair.serve(), [], "attempt {attempt} is not executed");
        assert_eq!(pair.answers(), []);
    }
    assert_eq!(
        pair.serve(),
        [(tries, vec!["a".to_owned(), "b".to_owned()])]
    );
    pair.answer(tries, ReplyStatus::Ok);
    assert_eq!(
        pair.answers(),
        [Answer {
            serial: 1,
            response: OK
        }]
    );

    let (second, third) = (pair.send(&[b"c"]).unwrap(), pair.send(&[b"d"]).unwrap());
    assert_eq!(
        (second, third, pair.client.in_flight()),
        (tries + 1, tries + 2, 2)
    );
    assert_eq!(
        pair.serve(),
        [
            (second, vec!["c".to_owned()]),
            (third, vec!["d".to_owned()])
        ]
    );
    // Answers are identified by their serial, not by their order.
    pair.answer(third, ReplyStatus::Ok);
    pair.answer(second, ReplyStatus::Failed);
    let failed = Response::Status(ReplyStatus::Failed);
    let expected = [
        Answer {
            serial: third,
            response: OK,
        },
        Answer {
            serial: second,
            response: failed,
        },
    ];
    assert_eq!(pair.answers(), expected);
    assert_eq!(pair.client.in_flight(), 0);
}

#[test]
fn known_clients_are_served_at_once_and_unknown_ones_at_the_second_try() {
    let known = KnownClients::default();
    exchange(&mut Pair::new(Protocol::flume(), known.clone()), 1);
    exchange(&mut Pair::new(Protocol::plain(), known.clone()), 1);
    exchange(&mut Pair::new(stranger(), known.clone()), 2);
    exchange(&mut Pair::new(stranger(), known), 1);
}

/// A sender that survives its collector: the new process has not seen any client.
#[test]
fn a_restarted_server_learns_its_clients_again() {
    for protocol in [Protocol::flume(), stranger()] {
        exchange(
            &mut Pair::new(protocol.clone(), KnownClients::new([], 10)),
            2,
        );
        exchange(&mut Pair::new(protocol, KnownClients::new([], 10)), 2);
    }
}

#[test]
fn a_server_that_refuses_twice_ends_the_connection() {
    let mut client = client();
    client
        .append(NO_HEADERS, b"", &mut BytesMut::new())
        .unwrap();
    let mut none = wire("answer-none");
    assert_eq!(
        client.poll(&mut none.clone(), &mut BytesMut::new()),
        Ok(None)
    );
    none[3] = 2;
    let again = client.poll(&mut none, &mut BytesMut::new());
    assert_eq!(again, Err(ConnectionError::HandshakeRejected));
}

#[test]
fn a_client_without_a_servers_text_still_introduces_itself() {
    let mut pair = Pair::new(Protocol::flume(), KnownClients::default());
    pair.send(&[b"a"]).unwrap();
    pair.there.clear();
    // NONE and nothing else, as servers that are not Java may answer.
    pair.back
        .extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 4, 0, 0, 0]);
    assert_eq!(pair.answers(), []);
    assert_eq!(pair.serve(), [(2, vec!["a".to_owned()])]);
}

#[test]
fn a_first_ping_connects_and_is_sent_again_too() {
    let mut pair = Pair::new(stranger(), KnownClients::default());
    assert_eq!(pair.client.ping(&mut pair.there), Ok(1));
    assert_eq!((pair.serve(), pair.answers()), (vec![], vec![]));
    assert_eq!(pair.serve(), []);
    assert_eq!(
        pair.answers(),
        [Answer {
            serial: 1,
            response: Response::Pong
        }]
    );
    assert_eq!(pair.send(&[b"a"]), Ok(3));
    assert_eq!(pair.serve(), [(3, vec!["a".to_owned()])]);
}

#[test]
fn requests_in_flight_are_limited() {
    let mut pair = Pair::new(Protocol::flume(), KnownClients::default());
    pair.client = Client::new(
        RpcLimits {
            max_in_flight: 2,
            ..RpcLimits::default()
        },
        Protocol::flume(),
    );
    pair.send(&[b"a"]).unwrap();
    pair.serve();
    pair.answer(1, ReplyStatus::Ok);
    pair.answers();
    assert_eq!((pair.send(&[b"b"]), pair.send(&[b"c"])), (Ok(2), Ok(3)));
    let bytes = pair.there.len();
    let error = pair.send(&[b"d"]).unwrap_err();
    assert_eq!(
        (error, error.is_busy()),
        (SendError::TooManyInFlight(2), true)
    );
    assert_eq!(pair.there.len(), bytes);
    pair.serve();
    pair.answer(2, ReplyStatus::Ok);
    pair.answers();
    assert_eq!(pair.send(&[b"d"]), Ok(4));
}

#[test]
fn a_request_over_the_limit_leaves_no_trace() {
    let mut limits = RpcLimits::default();
    limits.frame.max_frame = 100;
    for earlier in ["", "earlier output"] {
        let mut client = Client::new(limits, Protocol::flume());
        let mut output = BytesMut::from(earlier);
        let large = [(NO_HEADERS, &[7; 60][..]), (NO_HEADERS, &[7; 60])];
        let error = client.append_batch(large, &mut output).unwrap_err();
        let size = 1 + 2 * (1 + 1 + 60);
        assert_eq!(error, SendError::TooLarge { size, limit: 100 }, "{earlier}");
        let error = client
            .append(NO_HEADERS, &[7; 60], &mut output)
            .unwrap_err();
        assert_eq!(
            error,
            SendError::TooLarge {
                size: 66 - 7 + 62,
                limit: 100
            }
        );
        assert!(!error.is_busy());
        assert_eq!((&output[..], client.in_flight()), (earlier.as_bytes(), 0));
        assert_eq!(
            client.append(NO_HEADERS, b"hello", &mut output),
            Ok(1),
            "serial not used up"
        );
    }
}

proptest! {
    #[test]
    fn batches_survive_any_cutting(
        batches in prop::collection::vec(
            prop::collection::vec("[a-z]{0,300}", 0..8), 1..8),
        pieces in prop::collection::vec(1usize..400, 1..20),
        restarted: bool,
    ) {
        let known = if restarted { KnownClients::new([], 1) } else { KnownClients::default() };
        let mut pair = Pair::new(Protocol::flume(), known);
        let mut pieces = pieces.into_iter().cycle();
        let mut unsent = batches.iter();
        let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
        let (mut received, mut answered) = (Vec::new(), 0);
        while answered < batches.len() {
            while pair.client.ready().is_ok() && let Some(batch) = unsent.next() {
                let bodies: Vec<&[u8]> = batch.iter().map(String::as_bytes).collect();
                pair.send(&bodies).unwrap();
            }
            // The pair's buffers are the sockets; each turn moves one piece of each.
            let mut cut = |from: &mut BytesMut, to: &mut BytesMut| {
                let piece = pieces.next().unwrap_or(1).min(from.len());
                to.extend_from_slice(&from.split_to(piece));
            };
            cut(&mut pair.there, &mut to_server);
            std::mem::swap(&mut pair.there, &mut to_server);
            for (serial, bodies) in pair.serve() {
                received.push(bodies);
                pair.answer(serial, ReplyStatus::Ok);
            }
            std::mem::swap(&mut pair.there, &mut to_server);
            cut(&mut pair.back, &mut to_client);
            std::mem::swap(&mut pair.back, &mut to_client);
            answered += pair.answers().len();
            std::mem::swap(&mut pair.back, &mut to_client);
        }
        prop_assert_eq!(received, batches);
    }
}
