//! Calls and answers; `apache-avro` reads and writes the same data with the protocol text.

use std::collections::{BTreeMap, HashMap};

use apache_avro::types::Value;
use apache_avro::{Schema, from_avro_datum, to_avro_datum};
use proptest::prelude::*;

use super::*;
use crate::schema::{FLUME_TEXT, PLAIN_TEXT};

type Plain = (BTreeMap<String, String>, Vec<u8>);

/// The schemas of a batch and of a single event, cut out of a protocol text.
fn schemas(text: &str) -> (Schema, Schema) {
    let protocol: serde_json::Value = serde_json::from_str(text).unwrap();
    let event = protocol["types"][1].to_string();
    let batch = format!(r#"{{"type":"array","items":{event}}}"#);
    (
        Schema::parse_str(&batch).unwrap(),
        Schema::parse_str(&event).unwrap(),
    )
}

fn value((headers, body): &Plain) -> Value {
    let headers: HashMap<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    let fields = [
        ("headers", Value::Map(headers)),
        ("body", Value::Bytes(body.clone())),
    ];
    Value::Record(
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
    )
}

fn plain(event: WireEvent) -> Plain {
    let headers = event
        .headers
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    (headers, event.body.to_vec())
}

fn encode(events: &[Plain]) -> Result<Bytes, SendError> {
    let mut out = BytesMut::new();
    let events = events.iter().map(|(headers, body)| {
        (
            headers.iter().map(|(k, v)| (k.as_str(), v.as_str())),
            body.as_slice(),
        )
    });
    put_events(&mut out, events, usize::MAX).map(|()| out.freeze())
}

fn array(bytes: impl Into<Bytes>) -> Events {
    Events::array(Reader::new(bytes.into()), 100)
}

fn events() -> impl Strategy<Value = Vec<Plain>> {
    let headers = prop::collection::btree_map(".{0,8}", ".{0,8}", 0..4);
    let body = prop::collection::vec(any::<u8>(), 0..64);
    prop::collection::vec((headers, body), 0..10)
}

proptest! {
    #[test]
    fn a_batch_is_read_and_written_as_apache_avro_does(events in events()) {
        for text in [FLUME_TEXT, PLAIN_TEXT] {
            let (batch, _) = schemas(text);
            let theirs = Value::Array(events.iter().map(value).collect());

            let ours = encode(&events).unwrap();
            let read = from_avro_datum(&batch, &mut &ours[..], None).unwrap();
            prop_assert_eq!(&read, &theirs);

            let written = to_avro_datum(&batch, theirs).unwrap();
            let read: Vec<Plain> = array(written).map(|event| plain(event.unwrap())).collect();
            prop_assert_eq!(&read, &events);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..100),
    ) {
        let read: Vec<_> = array(bytes.clone()).collect();
        prop_assert!(read.len() <= 101);
        for ping in [false, true] {
            drop(Response::decode(Reader::new(bytes.clone().into()), ping));
        }
        drop(Request::decode(Reader::new(bytes.into()), 100));
    }
}

#[test]
fn a_single_event_is_written_as_apache_avro_does() {
    let (_, schema) = schemas(FLUME_TEXT);
    let event = (
        BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        b"hello".to_vec(),
    );
    let mut ours = BytesMut::new();
    put_event(&mut ours, [("k", "v")], b"hello").unwrap();
    assert_eq!(&ours[..], to_avro_datum(&schema, value(&event)).unwrap());
    let mut single = Events::single(Reader::new(ours.freeze()), 100);
    assert_eq!(single.next().map(|read| plain(read.unwrap())), Some(event));
    assert_eq!(single.next(), None);
}

#[test]
fn a_batch_may_come_in_several_blocks_with_or_without_sizes() {
    // One event; a sized block of two; inside, a map in two blocks, the second one sized.
    let bytes: &[u8] = &[
        0x02, 0x00, 0x02, b'a', 0x03, 0x1a, 0x02, 0x02, b'k', 0x02, b'v', 0x01, 0x06, 0x02, b'l',
        0x00, 0x00, 0x02, b'b', 0x00, 0x00, 0x00,
    ];
    let read: Vec<WireEvent> = array(bytes).collect::<Result<_, _>>().unwrap();
    let bodies: Vec<&[u8]> = read.iter().map(|event| &event.body[..]).collect();
    assert_eq!(bodies, [&b"a"[..], b"b", b""]);
    assert_eq!(
        read[1].headers,
        [("k".into(), "v".into()), ("l".into(), "".into())]
    );
}

#[test]
fn a_broken_batch_ends_with_the_error() {
    let whole = encode(&vec![(BTreeMap::new(), b"hello".to_vec()); 2]).unwrap();
    for cut in 0..whole.len() {
        let mut batch = array(whole.slice(..cut));
        let last = batch.by_ref().last();
        assert_eq!(last, Some(Err(DecodeError::Truncated)), "cut at {cut}");
        assert_eq!((batch.next(), batch.remaining_bytes()), (None, 0));
    }
    let longer = [&whole[..], &[0; 3]].concat();
    assert_eq!(array(longer).last(), Some(Err(DecodeError::Trailing(3))));
}

#[test]
fn hostile_counts_fail_before_the_first_event() {
    for count in [101, i64::from(i32::MAX), i64::MAX, i64::MIN] {
        let mut bytes = BytesMut::new();
        crate::primitive::put_long(&mut bytes, count);
        bytes.put_slice(&[0; 16]);
        assert_eq!(
            array(bytes.freeze()).next(),
            Some(Err(DecodeError::Truncated)),
            "{count}"
        );
    }
}

#[test]
fn events_and_headers_share_one_limit() {
    let batch = |events: usize, headers: usize| {
        let headers = (0..headers)
            .map(|n| (n.to_string(), String::new()))
            .collect();
        let mut batch = vec![(BTreeMap::new(), Vec::new()); events];
        batch[0].0 = headers;
        Events::array(Reader::new(encode(&batch).unwrap()), 10).collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(batch(10, 0).unwrap().len(), 10);
    assert_eq!(batch(4, 6).unwrap().len(), 4);
    assert_eq!(batch(11, 0), Err(DecodeError::TooManyEntries(10)));
    assert_eq!(batch(4, 7), Err(DecodeError::TooManyEntries(10)));
}

#[test]
fn events_share_the_memory_of_their_message() {
    let bytes = encode(&[(BTreeMap::new(), b"hello".to_vec())]).unwrap();
    let event = array(bytes.clone()).next().unwrap().unwrap();
    assert_eq!(event.body.as_ptr(), bytes[3..].as_ptr());
}

/// An iterator that announces a wrong length.
struct Liar(usize, std::vec::IntoIter<(&'static str, &'static str)>);

impl Iterator for Liar {
    type Item = (&'static str, &'static str);
    fn next(&mut self) -> Option<Self::Item> {
        self.1.next()
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0, Some(self.0))
    }
}

impl ExactSizeIterator for Liar {}

#[test]
fn a_wrong_length_of_an_iterator_is_an_error() {
    for (announced, real, found) in [(0, 1, 1), (1, 0, 0), (2, 5, 3)] {
        let liar = Liar(announced, vec![("k", "v"); real].into_iter());
        let error = put_event(&mut BytesMut::new(), liar, b"").unwrap_err();
        assert_eq!(error, SendError::Count { announced, found });
    }
}

#[test]
fn answers_are_read_as_written() {
    let answers = [
        Response::Status(ReplyStatus::Ok),
        Response::Status(ReplyStatus::Failed),
        Response::Status(ReplyStatus::Unknown),
        Response::SystemError("channel is full".to_owned()),
    ];
    for answer in answers {
        let mut out = BytesMut::from(&[0][..]);
        answer.encode(&mut out);
        let bytes = out.freeze();
        for ping in [false, true] {
            assert_eq!(
                Response::decode(Reader::new(bytes.clone()), ping),
                Ok(answer.clone())
            );
        }
        let cut = bytes.slice(..bytes.len() - 1);
        assert_eq!(
            Response::decode(Reader::new(cut), false),
            Err(DecodeError::Truncated)
        );
    }
    let empty = || Reader::new(Bytes::new());
    assert_eq!(Response::decode(empty(), true), Ok(Response::Pong));
    assert_eq!(
        Response::decode(empty(), false),
        Err(DecodeError::Truncated)
    );
    let declared = Reader::new(Bytes::from_static(&[0, 1, 2, 0]));
    assert!(matches!(
        Response::decode(declared, false),
        Err(DecodeError::Index { .. })
    ));
}

#[test]
fn the_text_of_a_system_error_is_cut_between_characters() {
    let mut out = BytesMut::from(&[0][..]);
    Response::SystemError(format!("{}é", "x".repeat(MAX_ERROR_TEXT - 1))).encode(&mut out);
    let read = Response::decode(Reader::new(out.freeze()), false);
    assert_eq!(
        read,
        Ok(Response::SystemError("x".repeat(MAX_ERROR_TEXT - 1)))
    );
}
