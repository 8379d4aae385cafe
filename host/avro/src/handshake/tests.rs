//! The handshake's two messages and the server's decision.

use super::*;

fn request(client: &Protocol, text: bool, server_hash: Hash) -> HandshakeRequest {
    HandshakeRequest {
        client_hash: client.hash(),
        client_text: text.then(|| client.text().clone()),
        server_hash,
        meta: true,
    }
}

fn other() -> Protocol {
    Protocol::new(ByteString::from_static(
        r#"{"protocol":"Other","messages":{}}"#,
    ))
    .unwrap()
}

#[test]
fn both_messages_are_read_as_written() {
    for text in [false, true] {
        for meta in [false, true] {
            let sent = HandshakeRequest {
                meta,
                ..request(&Protocol::plain(), text, [7; 16])
            };
            let mut out = BytesMut::new();
            sent.encode(&mut out);
            let mut reader = Reader::new(out.freeze());
            assert_eq!(HandshakeRequest::decode(&mut reader), Ok(sent));
            assert_eq!(reader.finish(), Ok(()));
        }
    }
    for matched in [Match::Both, Match::Client, Match::None] {
        let sent = HandshakeResponse::new(matched, &Protocol::flume());
        assert_eq!(sent.server_text.is_some(), matched != Match::Both);
        assert_eq!(sent.server_hash.is_some(), matched != Match::Both);
        let mut out = BytesMut::new();
        sent.encode(&mut out);
        assert_eq!(
            HandshakeResponse::decode(&mut Reader::new(out.freeze())),
            Ok(sent)
        );
    }
}

#[test]
fn the_decision_follows_the_table() {
    let own = Protocol::flume();
    let wrong = [0; 16];
    let cases = [
        (Protocol::flume(), false, own.hash(), Match::Both),
        (Protocol::plain(), false, own.hash(), Match::Both),
        (Protocol::flume(), false, wrong, Match::Client),
        (other(), false, own.hash(), Match::None),
        (other(), false, wrong, Match::None),
        (other(), true, own.hash(), Match::Both),
        (other(), true, wrong, Match::Client),
    ];
    for (client, text, guess, expected) in cases {
        let known = KnownClients::default();
        assert_eq!(
            known.accept(&request(&client, text, guess), &own),
            Ok(expected)
        );
    }
}

#[test]
fn a_text_sent_once_is_known_to_all_connections() {
    let (own, known) = (Protocol::flume(), KnownClients::default());
    let elsewhere = known.clone();
    let hash_only = request(&other(), false, own.hash());
    assert_eq!(elsewhere.accept(&hash_only, &own), Ok(Match::None));
    assert_eq!(
        known.accept(&request(&other(), true, own.hash()), &own),
        Ok(Match::Both)
    );
    assert_eq!(elsewhere.accept(&hash_only, &own), Ok(Match::Both));
}

#[test]
fn a_text_is_kept_only_under_its_own_hash() {
    let (own, known) = (Protocol::flume(), KnownClients::default());
    let forged = HandshakeRequest {
        client_hash: [9; 16],
        ..request(&other(), true, own.hash())
    };
    assert_eq!(known.accept(&forged, &own), Ok(Match::Both));
    let hash_only = HandshakeRequest {
        client_text: None,
        ..forged
    };
    assert_eq!(known.accept(&hash_only, &own), Ok(Match::None));
}

#[test]
fn a_full_cache_forgets_only_newcomers() {
    let own = Protocol::flume();
    let known = KnownClients::new([FLUME_HASH], 1);
    assert_eq!(
        known.accept(&request(&other(), true, own.hash()), &own),
        Ok(Match::Both)
    );
    assert_eq!(
        known.accept(&request(&other(), false, own.hash()), &own),
        Ok(Match::None)
    );
    assert_eq!(
        known.accept(&request(&own, false, own.hash()), &own),
        Ok(Match::Both)
    );
}
