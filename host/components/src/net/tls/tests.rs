//! Both ends with the stores of tests, and the questions that a client asks or leaves out.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::*;
use crate::net::testing::{PASSWORD, Stores, java_store};

fn server(stores: &Stores, more: &[(&str, &str)]) -> ServerTls {
    let keystore = stores.keystore.to_str().unwrap();
    let mut keys = vec![
        ("ssl", "true"),
        ("keystore", keystore),
        ("keystore-password", PASSWORD),
        ("keystore-type", "PKCS12"),
    ];
    keys.extend(more);
    let mut context = Context::of("a1.sources.r1", &keys);
    let tls = ServerTls::configure(&mut context).unwrap().unwrap();
    assert_eq!(context.finish(), []);
    tls
}

fn client(more: &[(&str, &str)]) -> ClientTls {
    let mut keys = vec![("ssl", "TRUE")];
    keys.extend(more);
    let mut context = Context::of("a1.sinks.k1", &keys);
    let tls = ClientTls::configure(&mut context).unwrap().unwrap();
    assert_eq!(context.finish(), []);
    tls
}

/// Says hello over TLS; the client's error if it does not like the server.
async fn meet(server: &ServerTls, client: &ClientTls) -> Result<(), io::Error> {
    let acceptor = server.load().await.unwrap().acceptor;
    let connector = TlsConnector::from(client.load().await.unwrap());
    let (near, far) = duplex(4096);
    let accept = async {
        let mut stream = acceptor.accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connect = async {
        let mut stream = connector.connect(name, near).await?;
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await?;
        assert_eq!(&hello, b"hello");
        Ok(())
    };
    let (accepted, connected) = tokio::join!(accept, connect);
    if connected.is_ok() {
        accepted.unwrap();
    }
    connected
}

/// Stores that Java made serve at both ends, whatever type the file gives them.
#[tokio::test]
async fn javas_own_stores_serve() {
    let trust = java_store("trust.jks");
    for (name, more) in [
        ("agent.jks", &[][..]),
        ("elliptic.jks", &[("keystore-type", "PKCS12")]),
        ("elliptic.p12", &[("keystore-type", "JKS")]),
        (
            "own-password.jks",
            &[("keystore-key-password", "only-the-key")],
        ),
    ] {
        let mut stores = Stores::for_host("unused");
        stores.keystore = java_store(name);
        let server = server(&stores, more);
        let trusting = [
            ("truststore", trust.to_str().unwrap()),
            ("truststore-password", PASSWORD),
            ("truststore-type", "JKS"),
        ];
        let met = meet(&server, &client(&trusting)).await;
        // The certificates of the others are in no trust store.
        assert_eq!(
            met.is_ok(),
            ["agent.jks", "elliptic.jks"].contains(&name),
            "{name}: {met:?}"
        );
        meet(&server, &client(&[("trust-all-certs", "true")]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn who_is_trusted_depends_on_the_keys() {
    let here = Stores::for_host("localhost");
    let elsewhere = Stores::for_host("elsewhere.example");
    let path = |stores: &Stores| stores.truststore.to_str().unwrap().to_owned();
    let (here_trust, elsewhere_trust) = (path(&here), path(&elsewhere));
    let trusting = |store, more: &[(&'static str, &'static str)]| {
        let mut keys = vec![("truststore", store), ("truststore-password", PASSWORD)];
        keys.extend(more);
        client(&keys)
    };
    let strict = [("verify-hostname", "true")];
    let cases = [
        (
            &here,
            client(&[("trust-all-certs", "true")]),
            true,
            "anybody",
        ),
        (&here, client(&[]), false, "the usual authorities"),
        (
            &here,
            trusting(here_trust.as_str(), &[]),
            true,
            "the right store",
        ),
        (
            &here,
            trusting(elsewhere_trust.as_str(), &[]),
            false,
            "the wrong store",
        ),
        (
            &elsewhere,
            trusting(elsewhere_trust.as_str(), &[]),
            true,
            "another name, not asked",
        ),
        (
            &elsewhere,
            trusting(elsewhere_trust.as_str(), &strict),
            false,
            "another name, asked",
        ),
        (
            &here,
            trusting(here_trust.as_str(), &strict),
            true,
            "the right name",
        ),
    ];
    for (stores, client, expected, what) in cases {
        let met = meet(&server(stores, &[]), &client).await;
        assert_eq!(met.is_ok(), expected, "{what}: {met:?}");
    }
}

/// By default 1.2, for the sake of old senders; 1.3 where a key asks for it.
#[tokio::test]
async fn versions_are_those_of_the_keys() {
    let stores = Stores::for_host("localhost");
    let all = ("trust-all-certs", "true");
    let clients =
        ["TLSv1.2", "TLSv1.3"].map(|version| client(&[all, ("include-protocols", version)]));
    type Case = (&'static [(&'static str, &'static str)], [bool; 2]);
    let cases: [Case; 4] = [
        (&[], [true, false]),
        (&[("exclude-protocols", "SSLv3 TLSv1.2")], [false, true]),
        (&[("include-protocols", "TLSv1.2 TLSv1.3")], [true, true]),
        (&[("include-protocols", "TLSv1.3")], [false, true]),
    ];
    for (keys, expected) in cases {
        let server = server(&stores, keys);
        for (client, expected) in clients.iter().zip(expected) {
            assert_eq!(
                meet(&server, client).await.is_ok(),
                expected,
                "{keys:?} {client:?}"
            );
        }
    }
}

#[test]
fn mistakes_are_found_without_opening_a_store() {
    let findings = |properties: &[(&str, &str)]| {
        let mut context = Context::of("a1.sources.r1", properties);
        assert_eq!(ServerTls::configure(&mut context), None);
        let mut sink = Context::of("a1.sinks.k1", properties);
        assert!(ClientTls::configure(&mut sink).is_none() || properties.len() < 2);
        let mut codes: Vec<_> = context
            .finish()
            .into_iter()
            .map(|d| (d.code, d.message))
            .collect();
        codes.retain(|(code, _)| *code != Code::UnknownKey);
        codes
    };
    let missing = findings(&[("ssl", "true")]);
    assert_eq!(missing.len(), 2);
    assert!(
        missing.iter().all(|(code, _)| *code == Code::MissingKey),
        "{missing:?}"
    );

    let keys = [
        ("ssl", "true"),
        ("keystore", "x"),
        ("keystore-password", "y"),
        ("exclude-protocols", "TLSv1.2 TLSv1.3"),
    ];
    let none_left = findings(&keys);
    assert_eq!(none_left.len(), 1, "{none_left:?}");
    assert!(none_left[0].1.contains("no version"));
}

#[test]
fn a_misspelt_protocol_is_not_skipped_quietly() {
    let keys = [("ssl", "true"), ("exclude-protocols", "SSLv3 TLS1.2")];
    let mut context = Context::of("a1.sinks.k1", &keys);
    assert!(ClientTls::configure(&mut context).is_some());
    let findings = context.finish();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.contains("`TLS1.2`"));
}

#[test]
fn the_greeting_of_tls_is_known_by_its_record() {
    for first in [b"\x16\x03\x01\x02\x00", b"\x16\x03\x03\x00\xf4"] {
        assert!(is_greeting(first));
    }
    let others: [&[u8]; 5] = [
        b"\x16\x03",
        b"\x16\x03\x05",
        b"\x16ab",
        b"\x15\x03\x01",
        b"",
    ];
    for first in others {
        assert!(!is_greeting(first), "{first:02x?}");
    }
}

#[test]
fn a_peer_without_tls_is_explained() {
    let cause = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
    let error = explain(
        io::Error::new(io::ErrorKind::InvalidData, cause),
        End::Server,
    );
    assert!(error.to_string().contains("does not speak TLS") && is_none(&error));
    let other = explain(io::Error::other("something else"), End::Client);
    assert_eq!(other.to_string(), "something else");
    assert!(!is_none(&other));
}

/// A plain port does not answer the greeting of TLS: it closes, with what it has not read or without.
#[test]
fn a_port_that_closes_in_the_handshake_is_explained() {
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
        for (end, expected) in [
            (End::Client, "set ssl on both ends"),
            (End::Server, "may not trust the certificate"),
        ] {
            let told = explain(io::Error::new(kind, "tls handshake eof"), end);
            assert_eq!(told.kind(), kind);
            assert!(told.to_string().contains(expected), "{told}");
        }
    }
    let other = io::Error::new(io::ErrorKind::TimedOut, "late");
    assert_eq!(explain(other, End::Client).to_string(), "late");
}
