//! Flume's tests of its avro sink and RPC client, and what a pipelined sink must keep besides.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use flume_avro::{ReplyStatus, Response};
use flume_core::{Code, Context, Event, EventDeliveryError, Pipeline, Sink, SinkCounter, SinkMode};
use tokio::net::TcpListener;

use crate::net::stream::Acceptor;
use crate::net::testing::{PASSWORD, Stores};
use crate::net::tls::ServerTls;
use crate::rpc::testing::{Act, Scripted, talkative};
use crate::source::avro::testing::{Collector, services};

mod refused;

fn sink(port: u16, keys: &[(&str, &str)]) -> Box<dyn Sink> {
    let port = port.to_string();
    let mut all = vec![("hostname", "127.0.0.1"), ("port", port.as_str())];
    all.extend(keys);
    let mut context = Context::of("a1.sinks.k1", &all);
    let sink = super::configure(&mut context, &services());
    let findings = context.finish();
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == Code::NoEffect),
        "{findings:?}"
    );
    sink.unwrap().make()
}

/// A sink that has tried to connect, with its counters.
async fn started(port: u16, keys: &[(&str, &str)]) -> (Box<dyn Sink>, Arc<SinkCounter>) {
    let mut sink = sink(port, keys);
    let counters = Arc::default();
    sink.start(&counters).await.unwrap();
    (sink, counters)
}

/// The sink, which can have several batches under way.
fn pipelined(sink: Box<dyn Sink>) -> Box<dyn Pipeline> {
    let SinkMode::Pipelined(pipeline) = sink.into_mode() else {
        panic!("an avro sink has several batches under way")
    };
    pipeline
}

/// A batch of this many events whose bodies begin with a letter.
fn batch(letter: char, size: usize) -> Vec<Event> {
    (0..size)
        .map(|n| Event::new(format!("{letter}{n}")).with_header("n", n.to_string()))
        .collect()
}

fn cause(error: &EventDeliveryError) -> String {
    assert_eq!(error.to_string(), "Failed to send events");
    error.source().unwrap().to_string()
}

fn connections(counters: &SinkCounter) -> [u64; 3] {
    let SinkCounter {
        connection_created,
        connection_closed,
        connection_failed,
        ..
    } = counters;
    [connection_created, connection_closed, connection_failed].map(|counter| counter.get())
}

/// Flume: TestAvroSink.testLifecycle (S1).
#[tokio::test]
async fn it_starts_and_stops() {
    let collector = Collector::start(&[]).await;
    let (mut sink, counters) = started(collector.port(), &[]).await;
    assert_eq!(connections(&counters), [1, 0, 0]);
    sink.stop().await;
    assert_eq!(connections(&counters), [1, 1, 0]);
}

/// Flume: TestAvroSink.testProcess (S2).
#[tokio::test]
async fn batches_arrive_in_order() {
    let collector = Collector::start(&[]).await;
    let (mut sink, _) = started(collector.port(), &[("batch-size", "2")]).await;
    assert_eq!(sink.batch_size(), 2);
    let events = batch('a', 10);
    for pair in events.chunks(2) {
        sink.deliver(pair).await.unwrap();
    }
    assert_eq!(collector.taken(), events);
    assert_eq!(collector.counters.append_batch_accepted.get(), 5);
}

#[tokio::test]
async fn connecting_shakes_hands_for_the_batches_that_follow() {
    let collector = Collector::start(&[]).await;
    let (mut sink, counters) = started(collector.port(), &[]).await;
    for _ in 0..2 {
        sink.connect().await.unwrap();
    }
    assert_eq!(collector.counters.append_batch_received.get(), 1);
    let mut sink = pipelined(sink);
    let events = batch('a', 4);
    // The handshake is done: the second batch need not wait for the first one's answer.
    sink.send(&events[..2]).await.unwrap();
    sink.send(&events[2..]).await.unwrap();
    let mut settled = 0;
    while settled < 2 {
        settled += sink.settle().await.unwrap();
    }
    assert_eq!(collector.taken(), events);
    assert_eq!(connections(&counters), [1, 0, 0]);
}

#[tokio::test]
async fn a_greeting_that_was_cut_short_is_finished_by_the_next_one() {
    let collector = Collector::start(&[]).await;
    let mut sink = sink(collector.port(), &[]);
    for _ in 0..100 {
        let once = futures_util::poll!(Box::pin(sink.connect()));
        tokio::task::yield_now().await;
        if once.is_ready() {
            break;
        }
    }
    sink.connect().await.unwrap();
    sink.deliver(&batch('a', 1)).await.unwrap();
    assert_eq!(collector.taken(), batch('a', 1));
}

/// A process that was stopped accepts connections and says nothing.
#[tokio::test(start_paused = true)]
async fn a_collector_that_does_not_answer_fails_the_connecting() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (mut sink, counters) = started(port, &[("connect-timeout", "2000")]).await;
    let error = sink.connect().await.unwrap_err();
    assert_eq!(
        cause(&error),
        "no answer to the handshake within connect-timeout"
    );
    assert_eq!(connections(&counters), [1, 1, 0]);
}

/// Flume: TestAvroSink.testTimeout (S3).
#[tokio::test(start_paused = true)]
async fn a_slow_collector_is_given_up() {
    let seconds = |n| Act::Delay(Duration::from_secs(n));
    let server = Scripted::start([seconds(3)]).await;
    let port = server.address.port();
    let (mut sink, counters) = started(port, &[("connect-timeout", "2000")]).await;
    let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
    assert_eq!(
        cause(&error),
        "no answer to the handshake within connect-timeout"
    );
    sink.deliver(&batch('a', 1)).await.unwrap();
    assert_eq!(connections(&counters), [2, 1, 0]);

    let server = Scripted::start([Act::OK, seconds(4)]).await;
    let (mut sink, _) = started(server.address.port(), &[("request-timeout", "3000")]).await;
    sink.deliver(&batch('a', 1)).await.unwrap();
    let error = sink.deliver(&batch('b', 1)).await.unwrap_err();
    assert_eq!(cause(&error), "no answer within request-timeout (3s)");
    sink.deliver(&batch('b', 1)).await.unwrap();
}

/// Flume: TestAvroSink.testFailedConnect (S4): a collector that is away and comes back. Its port
/// is the same and its memory of this client gone.
#[tokio::test]
async fn a_restarted_collector_is_found_again() {
    let collector = Collector::start(&[]).await;
    let port = collector.port();
    collector.stop().await;
    let (mut sink, counters) = started(port, &[]).await;
    for _ in 0..5 {
        let error = sink.deliver(&batch('a', 2)).await.unwrap_err();
        assert!(cause(&error).contains("cannot connect to 127.0.0.1"));
    }
    assert_eq!(connections(&counters), [0, 0, 6]);
    let collector = Collector::start_on(port, &[]).await;
    for _ in 0..5 {
        sink.deliver(&batch('a', 2)).await.unwrap();
    }
    assert_eq!(collector.taken().len(), 10);
    assert_eq!(connections(&counters), [1, 0, 6]);
}

/// A connection that the collector closed while it was idle does not make a batch fail.
#[tokio::test]
async fn an_idle_connection_that_was_closed_is_made_anew() {
    let collector = Collector::start(&[]).await;
    let port = collector.port();
    let (mut sink, counters) = started(port, &[]).await;
    sink.deliver(&batch('a', 1)).await.unwrap();
    collector.stop().await;
    let collector = Collector::start_on(port, &[]).await;
    sink.deliver(&batch('b', 1)).await.unwrap();
    assert_eq!(collector.taken(), batch('b', 1));
    assert_eq!(connections(&counters), [2, 1, 0]);
}

/// Flume: TestAvroSink.testReset (S5).
#[tokio::test(start_paused = true)]
async fn a_connection_is_renewed_when_its_time_has_come() {
    let server = Collector::start(&[]).await;
    for (interval, expected) in [(None, 1), (Some("0"), 1), (Some("5"), 2)] {
        let keys: Vec<_> = interval
            .map(|i| ("reset-connection-interval", i))
            .into_iter()
            .collect();
        let (mut sink, counters) = started(server.port(), &keys).await;
        sink.deliver(&batch('a', 1)).await.unwrap();
        assert_eq!(counters.connection_created.get(), 1);
        tokio::time::advance(Duration::from_secs(6)).await;
        sink.deliver(&batch('b', 1)).await.unwrap();
        assert_eq!(counters.connection_created.get(), expected, "{interval:?}");
        assert_eq!(server.taken(), [batch('a', 1), batch('b', 1)].concat());
    }
}

/// The renewal waits for the answers under way, and they are reported.
#[tokio::test(start_paused = true)]
async fn a_renewal_loses_no_batch_under_way() {
    let server = Scripted::start([Act::OK, Act::HOLD, Act::OK]).await;
    let keys = [("reset-connection-interval", "5")];
    let (mut sink, counters) = started(server.address.port(), &keys).await;
    sink.deliver(&batch('a', 1)).await.unwrap();
    let mut pipeline = pipelined(sink);
    pipeline.send(&batch('b', 1)).await.unwrap();
    pipeline.send(&batch('c', 1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(6)).await;
    pipeline.send(&batch('d', 1)).await.unwrap();
    assert_eq!(connections(&counters), [2, 1, 0]);
    assert_eq!(pipeline.settle().await.unwrap(), 2);
    assert_eq!(pipeline.settle().await.unwrap(), 1);
}

/// What was answered before a renewal that fails is reported before the failure.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_keeps_what_was_delivered() {
    let server = Scripted::start([Act::OK]).await;
    let keys = [("reset-connection-interval", "5")];
    let (sink, counters) = started(server.address.port(), &keys).await;
    let mut pipeline = pipelined(sink);
    pipeline.send(&batch('a', 1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(6)).await;
    // The script goes on over the open connection; only new ones are refused.
    let answered = pipeline.settle();
    assert_eq!(answered.await.unwrap(), 1);
    pipeline.send(&batch('b', 1)).await.unwrap();
    drop(server);
    tokio::time::advance(Duration::from_secs(6)).await;
    pipeline.send(&batch('c', 1)).await.unwrap_err();
    assert_eq!(connections(&counters)[1], 2);
}

/// Flume: TestAvroSink.testSslProcess, testSslProcessWithTrustStore and testSslWithCompression
/// (S6).
#[tokio::test]
async fn encrypted_batches_arrive() {
    let stores = Stores::for_host("somewhere.example");
    let truststore = stores.truststore.to_str().unwrap();
    let server = stores.server_keys();
    let deflate = [("compression-type", "deflate")];
    let anybody = [("ssl", "true"), ("trust-all-certs", "true")];
    let trusting = [
        ("ssl", "true"),
        ("truststore", truststore),
        ("truststore-password", PASSWORD),
    ];
    let plain = Collector::start(&server).await;
    let compressed = Collector::start(&[&server[..], &deflate].concat()).await;
    for client in [&anybody[..], &trusting] {
        let (mut sink, _) = started(plain.port(), client).await;
        sink.deliver(&batch('a', 100)).await.unwrap();
        assert_eq!(plain.taken(), batch('a', 100));
        let keys = [client, &deflate].concat();
        let (mut sink, _) = started(compressed.port(), &keys).await;
        sink.deliver(&batch('a', 100)).await.unwrap();
        assert_eq!(compressed.taken(), batch('a', 100));
    }
}

/// Flume: TestAvroSink.testSslSinkWithNonSslServer and testSslSinkWithNonTrustedCert (S7).
#[tokio::test]
async fn an_encrypting_sink_does_not_send_to_whom_it_should_not() {
    let plain = Collector::start(&[]).await;
    let (mut sink, _) = started(plain.port(), &[("ssl", "true")]).await;
    let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
    assert!(
        cause(&error).contains("set ssl on both ends"),
        "{}",
        cause(&error)
    );
    assert_eq!(plain.taken(), []);

    let stores = Stores::for_host("localhost");
    let server = stores.server_keys();
    let encrypted = Collector::start(&server).await;
    let (mut sink, _) = started(encrypted.port(), &[("ssl", "true")]).await;
    let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
    assert!(cause(&error).contains("UnknownIssuer"), "{}", cause(&error));
    let (mut sink, _) = started(encrypted.port(), &[]).await;
    let error = cause(&sink.deliver(&batch('a', 1)).await.unwrap_err());
    assert!(error.contains("the peer speaks TLS"), "{error}");
    assert_eq!(encrypted.taken(), []);
}

/// A trust store that cannot be read does not turn encryption off.
#[tokio::test]
async fn a_bad_trust_store_is_not_passed_over() {
    let plain = Collector::start(&[]).await;
    let keys = [
        ("ssl", "true"),
        ("truststore", "/no/such/file"),
        ("truststore-password", "x"),
    ];
    let mut sink = sink(plain.port(), &keys);
    let error = sink.start(&Arc::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot set up TLS");
    let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
    assert!(cause(&error).contains("/no/such/file"), "{}", cause(&error));
    assert_eq!(plain.taken(), []);
}

/// Flume: TestAvroSink.testRequestWithNoCompression and the levels 0, 1, 6 and 9 (S8);
/// TestNettyAvroRpcClient.testAppendWithMaxIOWorkers… (R8), the key being without effect.
#[tokio::test]
async fn batches_arrive_at_every_level() {
    let collector = Collector::start(&[("compression-type", "deflate")]).await;
    for level in ["0", "1", "6", "9"] {
        let keys = [
            ("compression-type", "DEFLATE"),
            ("compression-level", level),
            ("maxIoWorkers", "2"),
        ];
        let (mut sink, _) = started(collector.port(), &keys).await;
        for _ in 0..5 {
            sink.deliver(&batch('a', 200)).await.unwrap();
        }
        assert_eq!(collector.taken().len(), 1000, "level {level}");
    }
}

/// Flume: TestNettyAvroRpcClient.testServerDisconnect, testFailedServer…, testUnknownServer… and
/// testThrowingServer… (R5, R7).
#[tokio::test]
async fn whatever_is_not_ok_is_a_failure() {
    let remote = "java.lang.Exception: no".to_owned();
    let cases = [
        (
            Act::HangUp,
            "the peer closed the connection without an answer: ssl",
        ),
        (Act::FAILED, "the peer answered FAILED"),
        (
            Act::Answer(Response::Status(ReplyStatus::Unknown)),
            "the peer answered UNKNOWN",
        ),
        (
            Act::Answer(Response::SystemError(remote)),
            "exception thrown from remote handler: java.lang.Exception: no",
        ),
    ];
    for (act, expected) in cases {
        let server = Scripted::start([act]).await;
        let (mut sink, counters) = started(server.address.port(), &[]).await;
        let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
        assert!(cause(&error).starts_with(expected), "{}", cause(&error));
        sink.deliver(&batch('a', 1)).await.unwrap();
        assert_eq!(connections(&counters), [2, 1, 0]);
    }
}

/// Flume: TestNettyAvroRpcClient.test…CompressionClientOnly and …ServerOnly (R2).
#[tokio::test]
async fn compression_on_one_end_only_is_a_failure() {
    let plain = Collector::start(&[]).await;
    let (mut sink, _) = started(plain.port(), &[("compression-type", "deflate")]).await;
    sink.deliver(&batch('a', 1)).await.unwrap_err();
    let deflate = Collector::start(&[("compression-type", "deflate")]).await;
    let (mut sink, _) = started(deflate.port(), &[]).await;
    let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
    assert!(
        cause(&error).contains("compression-type"),
        "{}",
        cause(&error)
    );
    assert_eq!((plain.taken(), deflate.taken()), (vec![], vec![]));
}

/// Four requests are answered only when all four are there.
#[tokio::test]
async fn batches_follow_each_other_without_waiting() {
    let script = [Act::OK, Act::HOLD, Act::HOLD, Act::HOLD, Act::OK];
    let server = Scripted::start(script).await;
    let (sink, _) = started(server.address.port(), &[]).await;
    let mut pipeline = pipelined(sink);
    assert_eq!(pipeline.window(), 4);
    // The first one is under way alone: the second waits for its answer.
    pipeline.send(&batch('a', 1)).await.unwrap();
    pipeline.send(&batch('b', 1)).await.unwrap();
    assert_eq!(pipeline.settle().await.unwrap(), 1);
    for letter in ['c', 'd', 'e'] {
        pipeline.send(&batch(letter, 1)).await.unwrap();
    }
    assert_eq!(pipeline.settle().await.unwrap(), 4);
}

/// One read brings two good answers and a bad one: first the good ones are reported.
#[tokio::test]
async fn answers_before_a_failure_count() {
    let script = [Act::OK, Act::HOLD, Act::HOLD, Act::FAILED];
    let server = Scripted::start(script).await;
    let (mut sink, counters) = started(server.address.port(), &[]).await;
    sink.deliver(&batch('a', 1)).await.unwrap();
    let mut pipeline = pipelined(sink);
    for letter in ['b', 'c', 'd'] {
        pipeline.send(&batch(letter, 1)).await.unwrap();
    }
    assert_eq!(pipeline.settle().await.unwrap(), 2);
    let error = pipeline.settle().await.unwrap_err();
    assert_eq!(cause(&error), "the peer answered FAILED");
    pipeline.send(&batch('d', 1)).await.unwrap();
    assert_eq!(pipeline.settle().await.unwrap(), 1);
    assert_eq!(connections(&counters), [2, 1, 0]);
}

/// Each batch has its own time, counted from when it was sent.
#[tokio::test(start_paused = true)]
async fn an_answer_renews_the_time_of_later_batches() {
    let seconds = |n| Act::Delay(Duration::from_secs(n));
    let server = Scripted::start([Act::OK, seconds(2), seconds(2), Act::Ignore]).await;
    let (mut sink, _) = started(server.address.port(), &[("request-timeout", "3000")]).await;
    sink.deliver(&batch('a', 1)).await.unwrap();
    let mut pipeline = pipelined(sink);
    pipeline.send(&batch('b', 1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    pipeline.send(&batch('c', 1)).await.unwrap();
    assert_eq!(pipeline.settle().await.unwrap(), 1);
    assert_eq!(pipeline.settle().await.unwrap(), 1);
    pipeline.send(&batch('d', 1)).await.unwrap();
    let error = pipeline.settle().await.unwrap_err();
    assert!(cause(&error).contains("request-timeout"));
}

/// A batch above `max-frame-size` goes out in parts and is delivered when all of them are; one
/// event above it cannot go out.
#[tokio::test]
async fn a_large_batch_is_split() {
    let collector = Collector::start(&[("max-frame-size", "4096")]).await;
    let (sink, _) = started(collector.port(), &[("max-frame-size", "4096")]).await;
    let large: Vec<Event> = (0..20).map(|n| Event::new(vec![n; 1000])).collect();
    let mut pipeline = pipelined(sink);
    pipeline.send(&large).await.unwrap();
    pipeline.send(&batch('b', 1)).await.unwrap();
    let mut settled = 0;
    while settled < 2 {
        settled += pipeline.settle().await.unwrap();
    }
    assert_eq!(settled, 2);
    assert_eq!(collector.taken(), [large, batch('b', 1)].concat());
    let error = pipeline
        .deliver(&[Event::new(vec![0; 5000])])
        .await
        .unwrap_err();
    assert!(
        cause(&error).contains("max-frame-size"),
        "{}",
        cause(&error)
    );
    pipeline.deliver(&batch('c', 1)).await.unwrap();
}

/// Megabytes more than the sockets hold, to a collector that reads slowly.
#[tokio::test]
async fn batches_larger_than_the_socket_arrive_whole() {
    let collector = Collector::start(&[]).await;
    let (mut sink, _) = started(collector.port(), &[]).await;
    let large: Vec<Event> = (0..40).map(|n| Event::new(vec![n; 1 << 20])).collect();
    sink.deliver(&large).await.unwrap();
    assert!(collector.taken() == large);
}

/// Both ends write more than the sockets between them hold, and the collector reads nothing until
/// it has written all: only a sink that reads while it writes makes progress.
#[tokio::test]
async fn a_collector_that_answers_while_the_sink_writes_is_heard() {
    /// More than the largest buffers that Linux gives two sockets by itself.
    const MUCH: usize = 16 << 20;
    let stores = Stores::for_host("localhost");
    let ssl = stores.server_keys();
    let server = ServerTls::configure(&mut Context::of("a1.sources.r1", &ssl));
    let tls = server.unwrap().unwrap().load().await.unwrap().acceptor;
    let mut body = vec![0; MUCH];
    fastrand::Rng::with_seed(2).fill(&mut body);
    let large = [Event::new(body)];
    let encrypted = [("ssl", "true"), ("trust-all-certs", "true")];
    let compressed = [("compression-type", "deflate"), ("compression-level", "1")];
    for (tls, deflate) in [
        (None, None),
        (Some(&tls), None),
        (None, Some(1)),
        (Some(&tls), Some(1)),
    ] {
        let (address, _task) = talkative(
            Acceptor {
                tls: tls.cloned(),
                deflate,
            },
            MUCH,
        )
        .await;
        let mut keys = Vec::new();
        keys.extend(tls.map(|_| encrypted).into_iter().flatten());
        keys.extend(deflate.map(|_| compressed).into_iter().flatten());
        let (mut sink, counters) = started(address.port(), &keys).await;
        sink.deliver(&batch('a', 1)).await.unwrap();
        let mut pipeline = pipelined(sink);
        pipeline.send(&batch('b', 1)).await.unwrap();
        pipeline.send(&large).await.unwrap();
        let mut settled = 0;
        while settled < 2 {
            settled += pipeline.settle().await.unwrap();
        }
        assert_eq!(connections(&counters), [1, 0, 0], "{keys:?}");
    }
}

/// All addresses of a name are tried.
#[tokio::test(start_paused = true)]
async fn nobody_listening_within_connect_timeout() {
    // A listener whose queue nobody empties still completes TCP's handshake; TLS is never
    // answered.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let keys = [("ssl", "true"), ("connect-timeout", "1000")];
    let (mut sink, counters) = started(port, &keys).await;
    let error = sink.deliver(&batch('a', 1)).await.unwrap_err();
    assert!(
        cause(&error).contains("within connect-timeout (1s)"),
        "{}",
        cause(&error)
    );
    assert_eq!(connections(&counters), [0, 0, 2]);
}

#[test]
fn other_clients_are_refused_with_a_way_out() {
    let base = [("hostname", "h"), ("port", "1")];
    let others: [&[(&str, &str)]; 3] = [
        &[
            ("client.type", "default_failover"),
            ("hosts", "h1 h2"),
            ("hosts.h1", "a:1"),
        ],
        &[("hosts", "h1"), ("hosts.h1", "a:1")],
        &[("hosts.h1", "a:1")],
    ];
    for more in others {
        let mut context = Context::of("a1.sinks.k1", &[&base[..], more].concat());
        assert!(super::configure(&mut context, &services()).is_none());
        let findings = context.finish();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].code, Code::Unsupported);
        assert!(findings[0].help.as_ref().unwrap().contains("group"));
    }
}

#[test]
fn keys_have_flumes_bounds() {
    let cases = [
        ("port", "0"),
        ("batch-size", "0"),
        ("connect-timeout", "999"),
        ("request-timeout", "x"),
        ("compression-level", "10"),
        ("compression-type", "gzip"),
        ("max-in-flight", "65"),
        ("batchSize", "100"),
    ];
    for (key, value) in cases {
        let keys = [("hostname", "h"), ("port", "1"), (key, value)];
        let mut context = Context::of("a1.sinks.k1", &keys);
        super::configure(&mut context, &services());
        let findings = context.finish();
        assert_eq!(findings.len(), 1, "{key}: {findings:?}");
        assert!(findings[0].message.contains(key));
    }
}
