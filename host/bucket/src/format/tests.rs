//! Encoders, checked with readers that are not ours. Hadoop reads the files in the end-to-end tests.

use std::io::Read;

use apache_avro::types::Value;

use super::*;

fn encode(file_type: FileType, batches: &[&[Event]]) -> Vec<u8> {
    let mut encoder = file_type.encoder();
    let mut out = Vec::new();
    encoder.begin(&mut out).unwrap();
    for batch in batches {
        for event in *batch {
            encoder.append(event, 7, &mut out).unwrap();
        }
        encoder.flush(&mut out).unwrap();
    }
    out
}

fn text(headers: bool, newline: bool) -> Serializer {
    Serializer::Text { headers, newline }
}

fn read_all(mut reader: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn text_is_bodies_with_or_without_headers() {
    let events = [Event::new("one").with_header("a", "1"), Event::new("two")];
    for (headers, newline, expected) in [
        (false, true, "one\ntwo\n"),
        (false, false, "onetwo"),
        (true, true, "{a=1} one\n{} two\n"),
    ] {
        let out = encode(FileType::Stream(text(headers, newline)), &[&events]);
        assert_eq!(out, expected.as_bytes());
    }
}

#[test]
fn each_batch_is_a_member_that_can_be_read_alone() {
    let (one, two) = ([Event::new("one")], [Event::new("two")]);
    let kind = |codec| FileType::Compressed(text(false, true), codec);
    let first = encode(kind(Codec::Gzip), &[&one]);
    let both = encode(kind(Codec::Gzip), &[&one, &two]);
    assert_eq!(read_all(flate2::read::GzDecoder::new(&first[..])), b"one\n");
    assert_eq!(read_all(flate2::read::GzDecoder::new(&both[..])), b"one\n");
    assert_eq!(
        read_all(flate2::read::MultiGzDecoder::new(&both[..])),
        b"one\ntwo\n"
    );
    let both = encode(kind(Codec::Bzip2), &[&one, &two]);
    assert_eq!(
        read_all(bzip2::read::MultiBzDecoder::new(&both[..])),
        b"one\ntwo\n"
    );
    let first = encode(kind(Codec::Deflate), &[&one]);
    assert_eq!(
        read_all(flate2::read::ZlibDecoder::new(&first[..])),
        b"one\n"
    );
}

#[test]
fn snappy_is_framed_for_hadoop() {
    let long = [Event::new(vec![b'x'; 100_000])];
    let out = encode(
        FileType::Compressed(text(false, true), Codec::Snappy),
        &[&long],
    );
    let mut rest = &out[..];
    let mut plain = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (block, compressed) = (number(0), number(4));
        assert!(block <= SNAPPY_ROOM);
        let bytes = snap::raw::Decoder::new()
            .decompress_vec(&rest[8..8 + compressed])
            .unwrap();
        assert_eq!(bytes.len(), block);
        plain.extend(bytes);
        rest = &rest[8 + compressed..];
    }
    assert_eq!(plain.len(), 100_001);
}

/// The buffer of Hadoop's reader.
const SNAPPY_ROOM: usize = 256 << 10;

#[test]
fn a_long_batch_is_compressed_while_it_comes() {
    let mut encoder = FileType::Compressed(text(false, true), Codec::Gzip).encoder();
    let mut out = Vec::new();
    encoder
        .append(&Event::new(vec![b'x'; 1 << 20]), 7, &mut out)
        .unwrap();
    assert!(!out.is_empty());
}

#[test]
fn avro_containers_hold_headers_and_bodies() {
    for codec in [
        AvroCodec::Null,
        AvroCodec::Deflate,
        AvroCodec::Snappy,
        AvroCodec::Bzip2,
    ] {
        let serializer = Serializer::Avro {
            codec,
            block_bytes: 2_048_000,
        };
        let first = [Event::new("one").with_header("a", "1")];
        let second = [Event::new(vec![0xff, 0])];
        // First cut off after the first batch, then whole.
        for (batches, count) in [(&[&first[..]][..], 1), (&[&first[..], &second[..]], 2)] {
            let out = encode(FileType::Stream(serializer), batches);
            let reader = apache_avro::Reader::new(&out[..]).unwrap();
            let records: Vec<Value> = reader.map(Result::unwrap).collect();
            assert_eq!(records.len(), count, "{codec:?}");
            let Value::Record(fields) = &records[0] else {
                panic!("{records:?}")
            };
            let headers = [("a".to_owned(), Value::String("1".to_owned()))];
            assert_eq!(fields[0].1, Value::Map(headers.into_iter().collect()));
            assert_eq!(fields[1].1, Value::Bytes(b"one".to_vec()));
        }
    }
}

#[test]
fn an_empty_avro_file_is_a_container() {
    let serializer = Serializer::Avro {
        codec: AvroCodec::Null,
        block_bytes: 16_000,
    };
    let out = encode(FileType::Stream(serializer), &[]);
    assert_eq!(apache_avro::Reader::new(&out[..]).unwrap().count(), 0);
}

#[test]
fn names_end_as_hadoop_ends_them() {
    let compressed = |codec| FileType::Compressed(text(false, true), codec).extension();
    let sequence = |codec| {
        FileType::Sequence {
            value: Writable::Bytes,
            codec,
        }
        .extension()
    };
    assert_eq!(compressed(Codec::Gzip), ".gz");
    assert_eq!(sequence(Some(Codec::Bzip2)), ".bz2");
    assert_eq!(sequence(None), "");
    assert_eq!(FileType::Stream(text(false, true)).extension(), "");
}
