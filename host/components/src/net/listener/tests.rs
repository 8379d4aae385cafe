//! What a port does with clients, whatever the conversation is.

use flume_core::Code;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::said::Said;
use crate::source::harness::{Behind, services};

/// A port whose conversations send back what they get.
async fn echo(keys: &[(&str, &str)]) -> (SocketAddr, Behind, JoinHandle<()>) {
    let place = [("bind", "127.0.0.1"), ("port", "0")];
    let mut context = Context::of("a1.sources.r1", &[&place[..], keys].concat());
    let port = Port::configure(&mut context).unwrap();
    assert_eq!(context.finish(), []);
    let services = PortServices::from(&services());
    let listener = port.open(&services, "cannot bind").await.unwrap();
    let (address, behind) = (listener.address(), Behind::with_capacity(1));
    let context = behind.context.clone();
    let running = tokio::spawn(async move {
        let converse = |mut stream: Stream, _| async move {
            let mut buffer = [0; 1];
            while let Ok(1) = stream.read(&mut buffer).await {
                stream.write_all(&buffer).await.unwrap();
            }
        };
        listener.run("r1", &context, converse).await;
    });
    (address, behind, running)
}

/// The answer to one byte; `None` if the connection is closed without one.
async fn asked(stream: &mut TcpStream) -> Option<u8> {
    let mut answer = [0];
    stream.write_all(b"x").await.ok()?;
    let read = stream.read(&mut answer).await.ok()?;
    (read == 1).then_some(answer[0])
}

/// While there is no file for a connection, accepting fails ten times a second.
#[tokio::test(start_paused = true)]
async fn connections_that_cannot_be_accepted_are_one_line_in_five_seconds() {
    let said = Said::listen();
    let entrance = Entrance {
        source: "r1".to_owned(),
        context: Behind::with_capacity(1).context.clone(),
        acceptor: Acceptor {
            tls: None,
            deflate: None,
        },
        filter: None,
        names: Names::new(services().resolver.clone()),
        first_byte: None,
        converse: |_: Stream, _: SocketAddr| async {},
        failed: Complaint::default(),
        crowded: Complaint::default(),
        filtered: Complaint::default(),
        unencrypted: Complaint::default(),
        left: Complaint::default(),
        unclear: Complaint::default(),
    };
    let error = io::Error::from(rustix::io::Errno::MFILE);
    for _ in 0..10 * 60 {
        entrance.pause(&error).await;
    }
    let lines = said.lines("cannot accept a connection");
    assert_eq!(lines.len(), 12, "a minute");
    assert!(lines[0].contains("Too many open files") && lines[0].ends_with("left_out=0"));
    assert!(
        lines[1..].iter().all(|line| line.ends_with("left_out=49")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_its_limit() {
    let (address, behind, running) = echo(&[("max-connections-per-address", "1")]).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(asked(&mut first).await, Some(b'x'));
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(asked(&mut second).await, None);
    drop(first);
    while asked(&mut TcpStream::connect(address).await.unwrap())
        .await
        .is_none()
    {}
    behind.context.stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_closed() {
    let (address, behind, running) = echo(&[("first-byte-timeout", "1")]).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut talking = TcpStream::connect(address).await.unwrap();
    assert_eq!(asked(&mut talking).await, Some(b'x'));
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(
        asked(&mut talking).await,
        Some(b'x'),
        "only the first byte is waited for"
    );
    drop(talking);
    behind.context.stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_does_not_end_is_cut_after_a_stop() {
    let (address, behind, running) = echo(&[]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(asked(&mut stream).await, Some(b'x'));
    let stopped = tokio::time::Instant::now();
    behind.context.stop.cancel();
    running.await.unwrap();
    assert!(stopped.elapsed() >= GRACE);
    assert_eq!(behind.context.counters.open_connection.get(), 0);
}

#[test]
fn limits_have_bounds() {
    let wrong = [
        ("bind", "localhost"),
        ("port", "70000"),
        ("max-connections", "0"),
        ("max-connections-per-address", "-1"),
        ("first-byte-timeout", "soon"),
    ];
    let mut context = Context::of("a1.sources.r1", &wrong);
    assert_eq!(Port::configure(&mut context), None);
    let codes = context.finish().into_iter().map(|finding| finding.code);
    let codes: Vec<Code> = codes.collect();
    assert_eq!(codes.len(), 4, "{codes:?}");
}
