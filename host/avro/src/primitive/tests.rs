//! Numbers, strings and blocks against Avro's own table, against `apache-avro`, and random.

use apache_avro::types::Value;
use apache_avro::{Schema, to_avro_datum};
use proptest::prelude::*;

use super::*;

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::copy_from_slice(bytes))
}

fn long(value: i64) -> BytesMut {
    let mut out = BytesMut::new();
    put_long(&mut out, value);
    out
}

#[test]
fn numbers_are_zig_zag_varints() {
    let cases: [(i64, &[u8]); 9] = [
        (0, &[0x00]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (2, &[0x04]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (65, &[0x82, 0x01]),
        (
            i64::MAX,
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ),
        (
            i64::MIN,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ),
    ];
    for (value, bytes) in cases {
        assert_eq!(&long(value)[..], bytes, "{value}");
        assert_eq!(reader(bytes).long(), Ok(value));
    }
    assert_eq!(
        reader(&[0x82, 0x80, 0x00]).long(),
        Ok(1),
        "longer than needed"
    );
}

#[test]
fn broken_numbers_are_errors() {
    let cases: [(&[u8], DecodeError); 5] = [
        (&[], DecodeError::Truncated),
        (&[0x80], DecodeError::Truncated),
        (&[0xff; 9], DecodeError::Truncated),
        (&[0xff; 10], DecodeError::NumberTooLong),
        (
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            DecodeError::NumberTooLong,
        ),
    ];
    for (bytes, error) in cases {
        assert_eq!(reader(bytes).long(), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn lengths_beyond_the_data_are_errors_and_allocate_nothing() {
    for length in [3, 1 << 20, i64::from(i32::MAX), i64::MAX] {
        let mut bytes = long(length);
        bytes.put_slice(b"ab");
        assert_eq!(reader(&bytes).bytes(), Err(DecodeError::Truncated));
        assert_eq!(reader(&bytes).string(), Err(DecodeError::Truncated));
        assert_eq!(reader(&bytes).block(1), Err(DecodeError::Truncated));
    }
    assert_eq!(
        reader(&long(-3)).bytes(),
        Err(DecodeError::NegativeLength(-3))
    );
    assert_eq!(reader(&[1, 2, 3]).fixed::<4>(), Err(DecodeError::Truncated));
}

#[test]
fn strings_share_the_memory_of_the_frame() {
    let frame = Bytes::from_static(b"\x0ahello\x04hi");
    let mut reader = Reader::new(frame.clone());
    let (first, second) = (reader.string().unwrap(), reader.bytes().unwrap());
    assert_eq!((&*first, &second[..]), ("hello", &b"hi"[..]));
    assert_eq!(first.as_bytes().as_ptr(), frame[1..].as_ptr());
    assert_eq!(second.as_ptr(), frame[7..].as_ptr());
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_in_strings() {
    assert_eq!(reader(b"\x06a\xffb").string().unwrap(), "a\u{fffd}b");
}

#[test]
fn a_negative_block_count_is_followed_by_its_size() {
    let mut blocks = reader(&[0x03, 0x04, b'a', b'b', 0x00]);
    assert_eq!(blocks.block(1), Ok(2));
    assert_eq!((blocks.byte(), blocks.byte()), (Ok(b'a'), Ok(b'b')));
    assert_eq!(blocks.block(1), Ok(0));
    assert_eq!(
        reader(&[0x03, 0x01]).block(1),
        Err(DecodeError::NegativeLength(-1))
    );
    assert_eq!(
        reader(&[0x03, 0x06, 0, 0]).block(1),
        Err(DecodeError::Truncated)
    );
    let mut least = long(i64::MIN);
    least.put_slice(&[0x00]);
    assert_eq!(reader(&least).block(1), Err(DecodeError::Truncated));
}

#[test]
fn metadata_is_skipped_in_either_form_of_block() {
    for bytes in [
        &b"\x00x"[..],
        b"\x02\x02k\x02v\x00x",
        b"\x01\x08\x02k\x02v\x00x",
    ] {
        let mut meta = reader(bytes);
        assert_eq!(meta.skip_meta(), Ok(()));
        assert_eq!(meta.byte(), Ok(b'x'));
    }
    assert_eq!(
        reader(b"\x02\x02k").skip_meta(),
        Err(DecodeError::Truncated)
    );
}

#[test]
fn indexes_and_booleans_outside_their_type_are_errors() {
    assert_eq!(reader(&[4]).index("Status", 3), Ok(2));
    for (byte, index) in [(6, 3), (1, -1)] {
        let error = DecodeError::Index {
            of: "Status",
            index,
        };
        assert_eq!(reader(&[byte]).index("Status", 3), Err(error));
    }
    assert_eq!(reader(&[1]).boolean(), Ok(true));
    assert_eq!(reader(&[2]).boolean(), Err(DecodeError::Boolean(2)));
}

proptest! {
    #[test]
    fn numbers_are_written_as_apache_avro_writes_them(value: i64) {
        let theirs = to_avro_datum(&Schema::Long, Value::Long(value)).unwrap();
        prop_assert_eq!(&long(value)[..], &theirs[..]);
        prop_assert_eq!(reader(&theirs).long(), Ok(value));
    }

    #[test]
    fn strings_are_written_as_apache_avro_writes_them(text: String) {
        let theirs = to_avro_datum(&Schema::String, Value::String(text.clone())).unwrap();
        let mut ours = BytesMut::new();
        put_bytes(&mut ours, text.as_bytes());
        prop_assert_eq!(&ours[..], &theirs[..]);
        prop_assert_eq!(&*reader(&theirs).string().unwrap(), &*text);
    }
}
