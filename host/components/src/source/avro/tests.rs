//! Flume's tests of its avro source, with the avro sink as their client, and hostile clients.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use flume_avro::{Client, Protocol, ReplyStatus, Response};
use flume_core::{
    Batch, Context, Event, EventDeliveryError, Interceptor, InterceptorChain, InterceptorError,
    SinkCounter, SourceCounter,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::testing::{Collector, channel, services, source};
use crate::net::testing::{PASSWORD, Stores, java_store};

/// Sends one event with an avro sink.
async fn send(collector: &Collector, keys: &[(&str, &str)]) -> Result<(), EventDeliveryError> {
    let port = collector.port().to_string();
    let mut all = vec![("hostname", "127.0.0.1"), ("port", port.as_str())];
    all.extend(keys);
    let mut context = Context::of("a1.sinks.k1", &all);
    let mut sink = crate::sink::avro::configure(&mut context, &services())
        .unwrap()
        .make();
    sink.start(&std::sync::Arc::<SinkCounter>::default())
        .await
        .unwrap();
    let sent = sink.deliver(&[Event::new("Hello avro")]).await;
    sink.stop().await;
    sent
}

async fn raw(collector: &Collector) -> TcpStream {
    TcpStream::connect(collector.address).await.unwrap()
}

/// What a hostile client gets for these bytes: nothing but the end of the connection.
async fn hung_up_after(collector: &Collector, bytes: &[u8]) {
    let mut socket = raw(collector).await;
    socket.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest).await {
        Ok(_) => assert_eq!(rest, b""),
        // Bytes that the other end did not read turn its close into a reset.
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

/// Flume: TestAvroSource.testLifecycle (A1).
#[tokio::test]
async fn it_starts_and_stops() {
    let collector = Collector::start(&[]).await;
    let address = collector.address;
    collector.stop().await;
    TcpStream::connect(address).await.unwrap_err();
}

/// A client may be silent before its first request, and after each.
#[tokio::test]
async fn an_idle_client_is_closed_on_request() {
    let collector = Collector::start(&[("idle-timeout", "1")]).await;
    let started = flume_core::clock::now();
    let mut silent = raw(&collector).await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert!(started.elapsed() >= Duration::from_secs(1));
    // Half a frame does not count as life for ever, either.
    hung_up_after(&collector, &[0, 0, 0, 1, 0, 0, 0, 1]).await;
    send(&collector, &[]).await.unwrap();
    collector.stop().await;
}

/// Flume: TestAvroSource.testSourceStoppedOnFlumeExceptionIfPortUsed (A2).
#[tokio::test]
async fn a_port_in_use_is_an_error_at_the_start() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let mut source = source(&[("bind", "127.0.0.1"), ("port", &port)]);
    let error = source.start().await.unwrap_err();
    assert!(
        error.to_string().contains("Failed to set up server socket"),
        "{error}"
    );
}

/// Flume: TestAvroSource.testInvalidAddress (A3).
#[tokio::test]
async fn an_address_that_does_not_resolve_is_an_error_at_the_start() {
    let mut source = source(&[("bind", "no-such-host.invalid"), ("port", "0")]);
    let error = source.start().await.unwrap_err();
    assert!(error.to_string().contains("server socket"), "{error}");
}

/// Flume: TestAvroSource.testRequestWithNoCompression and
/// testRequestWithCompressionOnClientAndServerOnLevel0, 1, 6 and 9 (A4).
#[tokio::test]
async fn requests_arrive_plain_and_at_every_level_of_compression() {
    let plain = Collector::start(&[]).await;
    send(&plain, &[]).await.unwrap();
    assert_eq!(plain.taken(), [Event::new("Hello avro")]);
    let deflate = Collector::start(&[("compression-type", "deflate")]).await;
    for level in ["0", "1", "6", "9"] {
        let keys = [
            ("compression-type", "deflate"),
            ("compression-level", level),
        ];
        send(&deflate, &keys).await.unwrap();
        assert_eq!(deflate.taken(), [Event::new("Hello avro")], "level {level}");
    }
}

/// Flume: TestAvroSource.testRequestWithCompressionOnServerOnly and
/// testRequestWithCompressionOnClientOnly (A5).
#[tokio::test]
async fn compression_on_one_end_only_is_refused() {
    let plain = Collector::start(&[]).await;
    send(&plain, &[("compression-type", "deflate")])
        .await
        .unwrap_err();
    let deflate = Collector::start(&[("compression-type", "deflate")]).await;
    send(&deflate, &[]).await.unwrap_err();
    assert_eq!((plain.taken(), deflate.taken()), (vec![], vec![]));
    assert_eq!(plain.counters.event_read_fail.get(), 1);
    assert_eq!(deflate.counters.event_read_fail.get(), 1);
}

/// Flume: TestAvroSource.testSslRequest (A6).
#[tokio::test]
async fn an_encrypted_port_takes_requests() {
    let stores = Stores::for_host("localhost");
    let store_type = [("keystore-type", "PKCS12")];
    let keys = [&stores.server_keys()[..], &store_type].concat();
    let collector = Collector::start(&keys).await;
    send(&collector, &[("ssl", "true"), ("trust-all-certs", "true")])
        .await
        .unwrap();
    assert_eq!(collector.taken(), [Event::new("Hello avro")]);
    send(&collector, &[]).await.unwrap_err();
}

/// The expected value is what `openssl x509 -enddate` says of the store's certificate. A source
/// without TLS has no such number, also if it had TLS before.
#[tokio::test]
async fn a_certificate_has_an_end_that_operators_see() {
    let store = java_store("elliptic.p12");
    let keys = [
        ("ssl", "true"),
        ("keystore", store.to_str().unwrap()),
        ("keystore-password", PASSWORD),
    ];
    let collector = Collector::start(&keys).await;
    // Its answer comes when the source is at work.
    send(&collector, &[("ssl", "true"), ("trust-all-certs", "true")])
        .await
        .unwrap();
    let shown = |counters: &SourceCounter| {
        let all = counters.attributes().into_iter();
        let own = all.filter(|(metric, _)| metric.name == "CertificateNotAfterSeconds");
        own.map(|(_, value)| value).collect::<Vec<u64>>()
    };
    assert_eq!(shown(&collector.counters), [4_949_001_524]);
    let certificate = collector.counters.certificate.get().unwrap();
    certificate.set(None);
    assert!(shown(&collector.counters).is_empty());

    let plain = Collector::start(&[]).await;
    send(&plain, &[]).await.unwrap();
    assert!(shown(&plain.counters).is_empty());
}

/// Flume: TestAvroSource.testValidIpFilterAllows and testValidIpFilterDenys (A7, A8).
#[tokio::test]
async fn the_ip_filter_decides_who_may_connect() {
    let stores = Stores::for_host("localhost");
    let ssl = stores.server_keys();
    let cases = [
        ("allow:name:localhost,deny:ip:*", true),
        ("allow:ip:127.0.0.1,deny:ip:*", true),
        ("allow:ip:127.0.0.2,allow:ip:127*,deny:ip:*", true),
        ("deny:ip:*", false),
        ("deny:name:localhost", false),
        ("deny:ip:127.0.0.1,allow:ip:*", false),
        ("allow:ip:45.2.2.2,deny:ip:*", false),
    ];
    for (rules, allowed) in cases {
        let filter = [("ipFilter", "true"), ("ipFilterRules", rules)];
        let plain = Collector::start(&filter).await;
        assert_eq!(send(&plain, &[]).await.is_ok(), allowed, "{rules}");
        let encrypted = Collector::start(&[&filter[..], &ssl[..]].concat()).await;
        let client = [("ssl", "true"), ("trust-all-certs", "true")];
        assert_eq!(
            send(&encrypted, &client).await.is_ok(),
            allowed,
            "{rules} with TLS"
        );
    }
}

/// Flume: TestAvroSource.testInvalidIpFilter (A9), as a finding about the file.
#[test]
fn a_bad_ip_filter_is_found_in_the_file() {
    for rules in [
        None,
        Some(""),
        Some("homer:ip:45.4.23.1"),
        Some("allow:sleeps:45.4.23.1"),
    ] {
        let mut keys = vec![("bind", "0.0.0.0"), ("port", "4141"), ("ipFilter", "true")];
        keys.extend(rules.map(|rules| ("ipFilterRules", rules)));
        let mut context = Context::of("a1.sources.r1", &keys);
        assert!(super::configure(&mut context, &services()).is_none());
        let findings = context.finish();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains("ipFilter"), "{findings:?}");
    }
}

/// Many requests in one write, cut anywhere: one answer each, in order, and counted as Flume does.
#[tokio::test]
async fn pipelined_and_split_requests_are_answered_in_order() {
    let collector = Collector::start(&[]).await;
    let mut socket = raw(&collector).await;
    let mut client = Client::new(flume_avro::RpcLimits::default(), Protocol::flume());
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    let none: [(&str, &str); 0] = [];
    let mut sent = vec![client.append(none, b"0", &mut output).unwrap()];
    socket.write_all(&output.split()).await.unwrap();
    let mut answers = Vec::new();
    while answers.len() < 101 {
        while let Some(answer) = client.poll(&mut input, &mut output).unwrap() {
            assert_eq!(answer.response, Response::Status(ReplyStatus::Ok));
            answers.push(answer.serial);
        }
        if answers.len() == 1 && sent.len() == 1 {
            for n in 1..=100 {
                let body = n.to_string();
                let batch = [([("n", "1")], body.as_bytes()), ([("n", "2")], b"second")];
                sent.push(client.append_batch(batch, &mut output).unwrap());
            }
            for piece in output.split().chunks(777) {
                socket.write_all(piece).await.unwrap();
            }
        }
        if answers.len() < 101 {
            assert!(socket.read_buf(&mut input).await.unwrap() > 0);
        }
    }
    assert_eq!(answers, sent);
    let taken = collector.taken();
    assert_eq!(taken.len(), 201);
    assert_eq!(taken[199], Event::new("100").with_header("n", "1"));
    let counters = &collector.counters;
    let counts = [
        counters.append_received.get(),
        counters.append_accepted.get(),
        counters.append_batch_received.get(),
        counters.append_batch_accepted.get(),
        counters.event_received.get(),
        counters.event_accepted.get(),
        counters.open_connection.get(),
    ];
    assert_eq!(counts, [1, 1, 100, 100, 201, 201, 1]);
}

/// A full channel makes its sender wait for `keep-alive`, then FAILED; the answers before it do
/// not wait, and nothing of the refused batch is stored.
#[tokio::test(start_paused = true)]
async fn a_full_channel_is_answered_failed() {
    let small = channel(3, 3);
    let collector = Collector::with(small, 0, &[], InterceptorChain::default()).await;
    for n in 0..3 {
        send(&collector, &[])
            .await
            .unwrap_or_else(|error| panic!("{n}: {error}"));
    }
    let error = send(&collector, &[]).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the peer answered FAILED");
    assert_eq!(collector.taken().len(), 3);
    assert_eq!(collector.counters.channel_write_fail.get(), 1);
}

#[tokio::test]
async fn a_batch_above_the_transaction_capacity_is_answered_failed() {
    let collector = Collector::with(channel(100, 1), 0, &[], InterceptorChain::default()).await;
    let mut socket = raw(&collector).await;
    let mut client = Client::new(flume_avro::RpcLimits::default(), Protocol::flume());
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    let none: [(&str, &str); 0] = [];
    client
        .append_batch([(none, &b"a"[..]), (none, b"b")], &mut output)
        .unwrap();
    socket.write_all(&output.split()).await.unwrap();
    let answer = loop {
        assert!(socket.read_buf(&mut input).await.unwrap() > 0);
        if let Some(answer) = client.poll(&mut input, &mut output).unwrap() {
            break answer.response;
        }
    };
    assert_eq!(answer, Response::Status(ReplyStatus::Failed));
    assert_eq!(collector.taken(), []);
}

/// Refuses everything.
struct Grumpy;

impl Interceptor for Grumpy {
    fn name(&self) -> &str {
        "i1"
    }

    fn intercept(&self, _: &mut Batch) -> Result<(), InterceptorError> {
        Err(InterceptorError::never("i1", "no"))
    }
}

/// As in Flume, a batch has a status for every failure and a single event only for channels.
#[tokio::test]
async fn a_failing_interceptor_is_answered() {
    let grumpy = InterceptorChain::new(vec![Box::new(Grumpy)]);
    let collector = Collector::with(channel(100, 100), 0, &[], grumpy).await;
    let mut socket = raw(&collector).await;
    let mut client = Client::new(flume_avro::RpcLimits::default(), Protocol::flume());
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    let none: [(&str, &str); 0] = [];
    let mut answers = Vec::new();
    client
        .append_batch([(none, &b"a"[..])], &mut output)
        .unwrap();
    while answers.len() < 2 {
        socket.write_all(&output.split()).await.unwrap();
        assert!(socket.read_buf(&mut input).await.unwrap() > 0);
        while let Some(answer) = client.poll(&mut input, &mut output).unwrap() {
            if answers.is_empty() {
                client.append(none, b"a", &mut output).unwrap();
            }
            answers.push(answer.response);
        }
    }
    assert_eq!(answers[0], Response::Status(ReplyStatus::Failed));
    assert_eq!(
        answers[1],
        Response::SystemError("interceptor i1: no".into())
    );
    assert_eq!(collector.counters.generic_processing_fail.get(), 2);
}

#[tokio::test]
async fn foreign_protocols_and_broken_frames_end_the_connection() {
    let collector = Collector::start(&[("max-frame-size", "2048")]).await;
    let cases: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
        &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0, 0, 0],
        // Larger than max-frame-size by its length field, before its bytes come.
        &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 8, 1],
    ];
    for (n, bytes) in (1..).zip(cases) {
        hung_up_after(&collector, bytes).await;
        assert_eq!(collector.counters.event_read_fail.get(), n, "{bytes:x?}");
    }
    send(&collector, &[]).await.unwrap();
}

#[tokio::test]
async fn connections_above_the_limit_are_closed() {
    let collector = Collector::start(&[("max-connections", "1")]).await;
    let first = raw(&collector).await;
    hung_up_after(&collector, &[]).await;
    drop(first);
    while collector.counters.open_connection.get() > 0 {
        tokio::task::yield_now().await;
    }
    // The seat is free a moment after the gauge says so.
    while send(&collector, &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// Two halves of large requests do not fit at the same time: the later connection is closed. A small request is
/// taken all the same, and a large one again once there is room.
#[tokio::test]
async fn unfinished_requests_have_a_total_limit() {
    let most = [
        ("max-frame-size", "1048576"),
        ("max-pending-bytes", "1048576"),
    ];
    let collector = Collector::start(&most).await;
    let half = [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 16, 0, 0][..], &[0; 900_000]].concat();
    let (mut one, mut other) = (raw(&collector).await, raw(&collector).await);
    let ended = async |socket: &mut TcpStream| {
        // A connection that is closed with bytes unread may fail in the write already.
        let written = socket.write_all(&half).await;
        let read = socket.read(&mut [0]).await;
        assert!(!matches!(read, Ok(1..)), "{written:?}, {read:?}");
    };
    let survivor = async {
        tokio::select! {
            () = ended(&mut one) => &mut other,
            () = ended(&mut other) => &mut one,
        }
    };
    let survivor = tokio::time::timeout(Duration::from_secs(60), survivor)
        .await
        .unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(100), survivor.read(&mut [0])).await;
    silent.unwrap_err();
    assert_eq!(collector.counters.event_read_fail.get(), 1);
    send(&collector, &[]).await.unwrap();
    assert_eq!(collector.taken(), [Event::new("Hello avro")]);
    survivor.shutdown().await.unwrap();
    while collector.counters.open_connection.get() > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = raw(&collector).await;
    third.write_all(&half).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(100), third.read(&mut [0])).await;
    silent.unwrap_err();
}

#[test]
fn a_total_below_one_request_is_an_error() {
    let keys = [
        ("bind", "0.0.0.0"),
        ("port", "4141"),
        ("max-pending-bytes", "1048576"),
    ];
    let mut context = Context::of("a1.sources.r1", &keys);
    assert!(super::configure(&mut context, &services()).is_none());
    let findings = context.finish();
    assert!(
        findings[0].message.contains("max-pending-bytes"),
        "{findings:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_of_an_encrypted_port_is_cut_off() {
    let stores = Stores::for_host("localhost");
    let ssl = stores.server_keys();
    let collector = Collector::start(&ssl).await;
    hung_up_after(&collector, &[]).await;
}

/// A client that writes and never reads fills two socket buffers and is then not read either;
/// once it reads, all answers are there.
#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_for_ever() {
    let collector = Collector::start(&[]).await;
    let mut socket = raw(&collector).await;
    let limits = flume_avro::RpcLimits {
        max_in_flight: usize::MAX,
        ..flume_avro::RpcLimits::default()
    };
    let mut client = Client::new(limits, Protocol::flume());
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    client.ping(&mut output).unwrap();
    socket.write_all(&output.split()).await.unwrap();
    while client.poll(&mut input, &mut output).unwrap().is_none() {
        assert!(socket.read_buf(&mut input).await.unwrap() > 0);
    }
    let mut unsent = BytesMut::new();
    let stuck = loop {
        if unsent.is_empty() {
            for _ in 0..1000 {
                client.ping(&mut unsent).unwrap();
            }
        }
        let write = tokio::time::timeout(Duration::from_millis(300), socket.write(&unsent));
        match write.await {
            Ok(count) => drop(unsent.split_to(count.unwrap())),
            Err(_) => break client.in_flight(),
        }
        assert!(
            client.in_flight() < 20_000_000,
            "the server reads on and on"
        );
    };
    let (mut read, mut write) = socket.split();
    let feed = async { write.write_all(&unsent).await.unwrap() };
    let drain = async {
        let mut answered = 0;
        while answered < stuck {
            assert!(read.read_buf(&mut input).await.unwrap() > 0);
            while client.poll(&mut input, &mut output).unwrap().is_some() {
                answered += 1;
            }
        }
    };
    tokio::join!(feed, drain);
}

/// A request that waits for room when the source is stopped is still stored and answered.
#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_was_begun() {
    let collector = Collector::with(channel(1, 1), 0, &[], InterceptorChain::default()).await;
    send(&collector, &[]).await.unwrap();
    let mut socket = raw(&collector).await;
    let mut client = Client::new(flume_avro::RpcLimits::default(), Protocol::flume());
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    let none: [(&str, &str); 0] = [];
    client.append(none, b"second", &mut output).unwrap();
    socket.write_all(&output.split()).await.unwrap();
    while collector.counters.event_received.get() < 2 {
        tokio::task::yield_now().await;
    }
    let channel = std::sync::Arc::clone(&collector.channel);
    let stopping = tokio::spawn(collector.stop());
    tokio::task::yield_now().await;
    let mut taken = flume_core::TakeTransaction::begin(&channel);
    assert_eq!(taken.take_batch(1), 1);
    assert!(taken.commit().is_done());
    let answer = loop {
        assert!(socket.read_buf(&mut input).await.unwrap() > 0);
        if let Some(answer) = client.poll(&mut input, &mut output).unwrap() {
            break answer.response;
        }
    };
    assert_eq!(answer, Response::Status(ReplyStatus::Ok));
    stopping.await.unwrap();
    assert_eq!(channel.depth(), 1);
}
