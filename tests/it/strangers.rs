//! Goal: who connects with TLS to a plain port, or without to one with TLS, is named in the log with
//! the cause, and not once for each connection. Method: the first bytes of such clients, sent to each
//! port of one agent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use flume_tests::{AgentFile, Host, Scratch, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// How a client begins with TLS 1.2: the record, the greeting, and no text.
const GREETING: &[u8] = b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\xc3\x28\xa0\xa1\xff\xfe";

/// Sends bytes and no more, and waits until the port closes, if it does.
fn sent(port: u16, bytes: &[u8]) {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a port");
    client.set_read_timeout(Some(PATIENCE)).expect("a limit");
    client.write_all(bytes).expect("a port reads");
    client.shutdown(Shutdown::Write).expect("a connection");
    // The end of the connection, or its reset.
    drop(client.read_to_end(&mut Vec::new()));
}

#[test]
fn clients_that_speak_another_protocol_are_named() {
    const MANY: usize = 50;
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/components/src/net");
    let keystore = stores.join("keystore/stores/agent.jks");
    let (lines, plain, encrypted) = (ports::free(), ports::free(), ports::free());
    let scratch = Scratch::new();
    let text = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", lines)
        .avro_source("r2", plain)
        .avro_source("r3", encrypted)
        .set("sources.r3.ssl", true)
        .set("sources.r3.keystore", keystore.display())
        .set("sources.r3.keystore-password", "changeit")
        .null("k1", 100)
        .text();
    let mut agent = Host::start(&scratch, "a1", &text);
    let admin = agent.admin_port();

    for (port, first, named) in [
        (lines, GREETING, "a client speaks TLS, and a netcat source"),
        (plain, GREETING, "the peer speaks TLS and this end does not"),
        (admin, GREETING, "a client speaks TLS, and the admin port"),
        (
            encrypted,
            &b"\x16\x03"[..],
            "the peer closed the connection in the handshake of TLS: it may not trust",
        ),
    ] {
        for _ in 0..MANY {
            sent(port, first);
        }
        agent.process().await_said(named, 1, PATIENCE);
        let said = agent.process().said(named);
        assert!(said < MANY / 2, "{said} times: {named}");
    }
    // Too few bytes for a record of TLS, and a client that waits for an answer.
    let mut waiting = TcpStream::connect((Ipv4Addr::LOCALHOST, encrypted)).expect("a port");
    waiting.write_all(b"hi\n").expect("a port reads");
    let named = "the peer does not speak TLS and this end does";
    agent.process().await_said(named, 1, PATIENCE);

    // A line may begin like TLS: it is stored and answered.
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, lines)).expect("a port");
    client.set_read_timeout(Some(PATIENCE)).expect("a limit");
    client
        .write_all(b"\x16\x03\x01 is a line\n")
        .expect("a port reads");
    let mut answer = String::new();
    let read = BufReader::new(&client).read_line(&mut answer);
    assert_eq!((read.ok(), answer.as_str()), (Some(3), "OK\n"));
    agent.await_delivered("c1", 1, PATIENCE);
}
