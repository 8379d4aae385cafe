//! The netcat source over streams in memory with paused time, and over sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::BytesMut;
use flume_core::{Batch, Interceptor, InterceptorError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use super::connection::{CloseReason, serve};
use super::*;
use crate::net::own_port::own_port;
use crate::said::Said;
use crate::source::harness::{Behind, complaints, configured, started};
use crate::source::lines::StopReason;

const ENGLISH: &str = "The quick brown fox jumps over the lazy dog";
const FRENCH: &str = "Voix ambiguë d'un cœur qui au zéphyr préfère les jattes de kiwis";
const FULL: &str = "FAILED: Space for commit to queue couldn't be acquired. Sinks are likely not \
                    keeping up with sources, or the buffer size is too tight\n";

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// At `max-line-length = 10`.
const TOO_LONG: &str = "FAILED: Event exceeds the maximum length (10 chars, including newline)\n";

fn settings() -> LineSettings {
    LineSettings {
        max_length: 512,
        charset: Charset::Utf8,
        skip_long: false,
        replace_malformed: false,
        deliver_partial: false,
    }
}

/// A client of a connection without a socket, so that time can be paused.
struct Client {
    stream: DuplexStream,
    served: JoinHandle<io::Result<CloseReason>>,
}

impl Client {
    fn of(behind: &Behind, settings: NetcatSettings) -> Self {
        let (stream, theirs) = duplex(64 * 1024);
        let context = behind.context.clone();
        let served = tokio::spawn(async move { serve(theirs, PEER, &settings, &context).await });
        Self { stream, served }
    }

    fn plain(behind: &Behind) -> Self {
        Self::of(behind, NetcatSettings::new(settings(), true, false, None))
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn expect(&mut self, replies: &str) {
        let mut got = vec![0; replies.len()];
        timeout(Duration::from_secs(60), self.stream.read_exact(&mut got))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&got), replies);
    }

    /// Ends the input; gives all replies that are left and the end of the connection.
    async fn finish(mut self) -> (String, CloseReason) {
        self.stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        (
            String::from_utf8(rest).unwrap(),
            self.served.await.unwrap().unwrap(),
        )
    }
}

/// Sends this input and ends; gives the replies and the stored bodies.
async fn exchange(settings: NetcatSettings, input: impl AsRef<[u8]>) -> (String, Vec<String>) {
    let behind = Behind::with_capacity(1000);
    let mut client = Client::of(&behind, settings);
    client.send(input).await;
    let (replies, _) = client.finish().await;
    (replies, behind.bodies())
}

/// Flume: TestNetcatSource.testUTF16BEencoding, testUTF16LEencoding, testUTF8encoding,
/// testIS88591encoding (N1).
#[tokio::test(start_paused = true)]
async fn bodies_are_utf_8_whatever_the_client_sends() {
    for name in ["UTF-16BE", "UTF-16LE", "UTF-8", "ISO-8859-1"] {
        let charset = Charset::named(name).unwrap();
        let french = if name == "ISO-8859-1" {
            FRENCH.replace('œ', "oe")
        } else {
            FRENCH.into()
        };
        let mut input = BytesMut::new();
        for line in [ENGLISH, &french] {
            for _ in 0..20 {
                charset.encode(&format!("{line}\n"), &mut input);
            }
        }
        let lines = LineSettings {
            charset,
            ..settings()
        };
        let (replies, bodies) =
            exchange(NetcatSettings::new(lines, false, false, None), &input).await;
        assert_eq!(replies, "");
        let expected: Vec<String> = [ENGLISH, &french]
            .iter()
            .flat_map(|line| vec![(*line).to_owned(); 20])
            .collect();
        assert_eq!(bodies, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn replies_are_in_the_character_set_of_the_client() {
    let lines = LineSettings {
        charset: Charset::named("UTF-16LE").unwrap(),
        ..settings()
    };
    let (replies, bodies) =
        exchange(NetcatSettings::new(lines, true, false, None), b"a\0\n\0").await;
    assert_eq!(
        (replies.as_str(), bodies),
        ("O\0K\0\n\0", vec!["a".to_owned()])
    );
}

/// Flume: TestNetcatSource.testAck (N2).
#[tokio::test(start_paused = true)]
async fn each_line_is_answered() {
    let behind = Behind::with_capacity(1000);
    let mut client = Client::plain(&behind);
    for line in [ENGLISH, FRENCH].iter().cycle().take(40) {
        client.send(format!("{line}\n")).await;
        client.expect("OK\n").await;
    }
    assert_eq!(behind.bodies().len(), 40);
    assert_eq!(
        client.finish().await,
        (String::new(), CloseReason::ByClient)
    );
    let counters = &behind.context.counters;
    assert_eq!(
        (counters.event_received.get(), counters.event_accepted.get()),
        (40, 40)
    );
}

/// Flume: TestNetcatSource.testMaxLineLength, testMaxLineLengthwithAck (N3, N4).
#[tokio::test(start_paused = true)]
async fn a_long_line_ends_the_connection() {
    for (ack, expected) in [
        (true, format!("OK\n{TOO_LONG}")),
        (false, TOO_LONG.to_owned()),
    ] {
        let lines = LineSettings {
            max_length: 10,
            ..settings()
        };
        let input = format!("123456789\n{ENGLISH}\nlater\n");
        let (replies, bodies) = exchange(NetcatSettings::new(lines, ack, false, None), input).await;
        assert_eq!((replies, bodies), (expected, vec!["123456789".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_line_is_skipped_on_request() {
    let lines = LineSettings {
        max_length: 10,
        skip_long: true,
        ..settings()
    };
    let input = format!("a\n{ENGLISH}\nb\n{ENGLISH}\n\nc\n");
    let (replies, bodies) = exchange(NetcatSettings::new(lines, true, false, None), input).await;
    assert_eq!(replies, format!("OK\n{TOO_LONG}OK\n{TOO_LONG}OK\nOK\n"));
    assert_eq!(bodies, ["a", "b", "", "c"]);
}

#[tokio::test(start_paused = true)]
async fn empty_lines_carriage_returns_and_the_last_line() {
    let input = "\nx\r\nrest";
    let (replies, bodies) =
        exchange(NetcatSettings::new(settings(), true, false, None), input).await;
    assert_eq!(
        (replies.as_str(), bodies),
        ("OK\nOK\n", vec![String::new(), "x\r".to_owned()])
    );
    let lines = LineSettings {
        deliver_partial: true,
        ..settings()
    };
    let (replies, bodies) = exchange(NetcatSettings::new(lines, true, false, None), input).await;
    assert_eq!((replies.as_str(), bodies.len()), ("OK\nOK\nOK\n", 3));
    assert_eq!(bodies[2], "rest");
}

#[tokio::test(start_paused = true)]
async fn malformed_input_ends_the_connection_but_keeps_earlier_lines() {
    let behind = Behind::with_capacity(1000);
    let mut client = Client::plain(&behind);
    client.send(b"a\nb\n\xFF\nc\n").await;
    client.expect("OK\nOK\n").await;
    assert_eq!(
        client.finish().await,
        (String::new(), CloseReason::Cut(StopReason::Malformed))
    );
    assert_eq!(behind.bodies(), ["a", "b"]);
    assert_eq!(behind.context.counters.event_read_fail.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_character_may_come_in_two_packets() {
    let behind = Behind::with_capacity(1000);
    let mut client = Client::plain(&behind);
    client.send(b"caf\xC3").await;
    tokio::task::yield_now().await;
    client.send(b"\xA9\n").await;
    client.expect("OK\n").await;
    assert_eq!(behind.bodies(), ["café"]);
}

/// Every reply on a full channel, and when it comes: a line waits for `keep-alive`, is answered,
/// and the next line waits.
#[tokio::test(start_paused = true)]
async fn a_full_channel_refuses_line_by_line() {
    let behind = Behind::with_capacity(2);
    let mut client = Client::plain(&behind);
    let start = flume_core::clock::now();
    client.send("1\n2\n3\n4\n5\n").await;
    client.expect("OK\nOK\n").await;
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "what fits is answered before anything waits"
    );
    client.expect(FULL).await;
    assert!((3000..3010).contains(&start.elapsed().as_millis()));
    client.expect(FULL).await;
    assert!((6000..6010).contains(&start.elapsed().as_millis()));
    assert_eq!(behind.bodies(), ["1", "2"]);
    client.expect("OK\n").await;
    client.send("6\n").await;
    client.expect("OK\n").await;
    assert_eq!(
        behind.bodies(),
        ["5", "6"],
        "refused lines are lost, the connection goes on"
    );
    assert_eq!(behind.context.counters.channel_write_fail.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_answered_without_ack_too() {
    let behind = Behind::with_capacity(1);
    let mut client = Client::of(&behind, NetcatSettings::new(settings(), false, false, None));
    client.send("1\n2\n").await;
    client.expect(FULL).await;
    assert_eq!(behind.bodies(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_blocks_on_request() {
    let behind = Behind::with_capacity(2);
    let mut client = Client::of(&behind, NetcatSettings::new(settings(), true, true, None));
    client.send("1\n2\n3\n4\n").await;
    client.expect("OK\nOK\n").await;
    advance(Duration::from_secs(100)).await;
    assert_eq!(behind.wait_for(2).await, ["1", "2"]);
    client.expect("OK\nOK\n").await;
    assert_eq!(behind.bodies(), ["3", "4"], "no line is lost or overtaken");
}

/// Drops `drop`, fails on `fail`.
struct Picky;

impl Interceptor for Picky {
    fn name(&self) -> &str {
        "picky"
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        batch.try_retain(|event| match event.body.as_ref() {
            b"fail" => Err(InterceptorError::never("picky", "bad\nbody\u{1b}")),
            body => Ok(body != b"drop"),
        });
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_filtered_line_is_accepted_and_an_interceptor_error_is_answered() {
    let behind = Behind::new(1000, 3, vec![Box::new(Picky)]);
    let mut client = Client::plain(&behind);
    client.send("a\ndrop\nfail\nb\nfail\nfail\nc\n").await;
    let failed = "FAILED: interceptor picky: bad\\nbody\\u{1b}\n";
    client
        .expect(&format!("OK\nOK\n{failed}OK\n{failed}{failed}OK\n"))
        .await;
    assert_eq!(behind.bodies(), ["a", "b", "c"]);
    assert_eq!(behind.context.counters.generic_processing_fail.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn filtered_lines_do_not_shift_refusals() {
    let behind = Behind::new(1, 3, vec![Box::new(Picky)]);
    let mut client = Client::plain(&behind);
    client.send("drop\na\ndrop\nb\ndrop\n").await;
    client.expect(&format!("OK\nOK\nOK\n{FULL}OK\n")).await;
    assert_eq!(behind.bodies(), ["a"]);
}

/// What has come already is read before the answers to what came first are written, so that one
/// write has them all; but nothing is waited for.
#[tokio::test(start_paused = true)]
async fn answers_wait_for_nothing_but_what_is_there() {
    let behind = Behind::with_capacity(1000);
    let stream = tokio_test::io::Builder::new()
        .read(b"a\nb")
        .read(b"\nc\n")
        .wait(Duration::from_secs(1))
        .write(b"OK\nOK\nOK\n")
        .read(b"d\n")
        .write(b"OK\n")
        .build();
    let settings = NetcatSettings::new(settings(), true, false, None);
    let served = serve(stream, PEER, &settings, &behind.context);
    let closed = timeout(Duration::from_secs(60), served)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((closed, behind.bodies().len()), (CloseReason::ByClient, 4));
}

/// 100,000 lines in one stream: each answered once, each stored once, in order.
#[tokio::test(start_paused = true)]
async fn a_long_stream_is_answered_in_full() {
    let behind = Behind::with_capacity(100_000);
    let client = Client::plain(&behind);
    let (mut read, mut write) = tokio::io::split(client.stream);
    let expected: Vec<String> = (0..100_000).map(|n| format!("line {n}")).collect();
    let input = expected.join("\n") + "\n";
    let sending = tokio::spawn(async move {
        write.write_all(input.as_bytes()).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut replies = String::new();
    read.read_to_string(&mut replies).await.unwrap();
    sending.await.unwrap();
    assert_eq!(replies, "OK\n".repeat(100_000));
    assert!(behind.bodies() == expected, "stored as sent");
}

/// A client that never reads: nothing is read from it either, and the stop does not wait for it.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_blocks_itself() {
    let behind = Behind::with_capacity(1_000_000);
    let mut client = Client::plain(&behind);
    let sent = timeout(Duration::from_secs(60), async {
        loop {
            client.send("x\n".repeat(1000)).await;
        }
    });
    assert!(sent.await.is_err(), "the client cannot send for ever");
    assert!(
        behind.channel.depth() < 200_000,
        "{} lines were read",
        behind.channel.depth()
    );
    behind.context.stop.cancel();
    let ended = timeout(Duration::from_secs(1), client.served)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_closed_on_request() {
    let behind = Behind::with_capacity(10);
    let idle = Some(Duration::from_secs(30));
    let mut client = Client::of(&behind, NetcatSettings::new(settings(), true, false, idle));
    sleep(Duration::from_secs(29)).await;
    client.send("a\n").await;
    client.expect("OK\n").await;
    sleep(Duration::from_secs(29)).await;
    assert!(!client.served.is_finished(), "input starts the time anew");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(client.served.await.unwrap().unwrap(), CloseReason::Idle);
}

/// What fits is stored and answered, a waiting line is neither.
#[tokio::test(start_paused = true)]
async fn a_stop_answers_what_was_put() {
    let behind = Behind::with_capacity(2);
    let mut client = Client::plain(&behind);
    client.send("1\n2\n3\n4\n").await;
    sleep(Duration::from_secs(1)).await;
    behind.context.stop.cancel();
    assert_eq!(
        client.finish().await,
        ("OK\nOK\n".to_owned(), CloseReason::Stopped { left: 2 })
    );
    assert_eq!(behind.bodies(), ["1", "2"]);
}

/// Who gets no acknowledgements would never know: the log says how many lines there were.
#[tokio::test]
async fn a_stop_says_how_many_lines_it_leaves() {
    let said = Said::listen();
    let behind = Behind::with_capacity(2);
    let keys = [("ack-every-event", "false"), ("on-full", "block")];
    let (address, running) = started(source(&keys), &behind).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address.unwrap()).await.unwrap();
        client.write_all(b"1\n2\n3\n").await.unwrap();
        clients.push(client);
    }
    while behind.context.counters.event_received.get() < 6 {
        tokio::task::yield_now().await;
    }
    behind.context.stop.cancel();
    running.await.unwrap();
    let put = behind.bodies().len();
    let lines = said.lines("no answer");
    assert_eq!(lines.len(), 1);
    let left = format!("lines={}", 6 - put);
    assert!(
        lines[0].starts_with("WARN") && lines[0].ends_with(&left),
        "{lines:?}"
    );
}

const PLACE: [(&str, &str); 2] = [("bind", "127.0.0.1"), ("port", "0")];

fn source(more: &[(&str, &str)]) -> Box<dyn Source> {
    configured(configure, &[&PLACE, more].concat())
}

/// Flume: node/TestNetcatSource.testLifecycle (N6): 100 connections, three at a time, one line
/// each, with and without acknowledgement; then the source stops.
#[tokio::test]
async fn many_clients_over_sockets() {
    for ack in ["true", "false"] {
        let behind = Behind::with_capacity(1000);
        let (address, running) = started(source(&[("ack-every-event", ack)]), &behind).await;
        let address = address.unwrap();
        for _ in 0..34 {
            let clients: Vec<_> = (0..3).map(|_| tokio::spawn(one_line(address))).collect();
            for client in clients {
                let expected = if ack == "true" { "OK\n" } else { "" };
                assert_eq!(client.await.unwrap(), expected);
            }
        }
        assert_eq!(behind.bodies(), vec!["Test message"; 102]);
        behind.context.stop.cancel();
        running.await.unwrap();
        assert_eq!(behind.context.counters.open_connection.get(), 0);
        TcpStream::connect(address).await.unwrap_err();
    }
}

async fn one_line(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"Test message\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

/// Flume: TestNetcatSource.testSourceStoppedOnFlumeException (N5).
#[tokio::test]
async fn a_port_in_use_is_told() {
    let port = own_port();
    let taken = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = port.to_string();
    let properties = [("bind", "127.0.0.1"), ("port", port.as_str())];
    let mut source = configured(configure, &properties);
    let error = source.start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("unable to bind to socket 127.0.0.1:{port}")
    );
    drop(taken);
    source.start().await.unwrap();
}

#[tokio::test]
async fn a_source_starts_again_on_its_port() {
    let behind = Behind::with_capacity(10);
    let mut source = source(&[]);
    source.start().await.unwrap();
    behind.context.stop.cancel();
    source.run(behind.context.clone()).await.unwrap();
    assert!(
        source.run(behind.context.clone()).await.is_err(),
        "it has to be started first"
    );
    source.start().await.unwrap();
}

#[tokio::test]
async fn connections_above_the_limit_are_refused() {
    let behind = Behind::with_capacity(10);
    let (address, running) = started(source(&[("max-connections", "2")]), &behind).await;
    let address = address.unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"here\n").await.unwrap();
        stream.read_exact(&mut [0; 3]).await.unwrap();
        kept.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(
        !matches!(third.read(&mut [0; 1]).await, Ok(1..)),
        "closed without a word"
    );
    assert_eq!(behind.context.counters.open_connection.get(), 2);
    drop(kept.pop());
    // The place becomes free when the source has seen the end of the connection.
    while one_line_if_admitted(address).await.is_none() {}
    behind.context.stop.cancel();
    running.await.unwrap();
}

async fn one_line_if_admitted(address: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"again\n").await.ok()?;
    stream.read_exact(&mut [0; 3]).await.ok().map(|_| ())
}

/// The last answer survives although the client goes on sending to a closed connection.
#[tokio::test]
async fn a_client_that_is_cut_off_gets_its_last_answer() {
    let behind = Behind::with_capacity(10);
    let (address, running) = started(source(&[("max-line-length", "10")]), &behind).await;
    let mut stream = TcpStream::connect(address.unwrap()).await.unwrap();
    stream.write_all(&[b'x'; 200_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert_eq!(reply, TOO_LONG);
    behind.context.stop.cancel();
    running.await.unwrap();
}

#[test]
fn configuration_mistakes_are_told() {
    assert_eq!(
        complaints(configure, &[]),
        [
            "`a1.sources.r1` needs the key `bind`",
            "`a1.sources.r1` needs the key `port`",
        ]
    );
    let wrong = [
        ("encoding", "utf-9"),
        ("on-full", "wait"),
        ("max-line-length", "0"),
    ];
    assert_eq!(
        complaints(configure, &[&PLACE[..], &wrong].concat()),
        [
            "`a1.sources.r1.max-line-length` is out of range: `0`",
            "`a1.sources.r1.encoding` names a character set that is not here: `utf-9`",
            "`a1.sources.r1.on-full` cannot be `wait`",
        ]
    );
}
