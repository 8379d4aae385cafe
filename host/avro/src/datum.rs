//! An event alone, without a message around it: the datum of the record `AvroFlumeEvent`. In Kafka
//! it is the value of a record, without a schema, a length or a magic number.
//!
//! ```
//! use bytes::BytesMut;
//! use flume_avro::datum;
//!
//! let mut out = BytesMut::new();
//! datum::write(&mut out, [("k", "v")], b"hello")?;
//! assert_eq!(&out[..], b"\x02\x02k\x02v\0\x0ahello");
//!
//! let mut headers = Vec::new();
//! let body = datum::read(out.freeze(), 100, |name, value| headers.push((name, value)))?;
//! assert_eq!(body, "hello");
//! assert_eq!(headers[0].0, "k");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use crate::error::{DecodeError, SendError};
use crate::message::put_event;
use crate::primitive::Reader;

/// The least size of a header: two lengths of 0.
const SMALLEST_HEADER: usize = 2;

/// Appends the datum of an event. `H` knows its length, because the count precedes the headers.
///
/// # Errors
/// The headers are not as many as they say.
pub fn write<'a, H>(out: &mut BytesMut, headers: H, body: &[u8]) -> Result<(), SendError>
where
    H: IntoIterator<Item = (&'a str, &'a str)>,
    H::IntoIter: ExactSizeIterator,
{
    put_event(out, headers, body)
}

/// Reads the datum of an event: calls `header` for each of at most so many headers, and returns the
/// body. What is behind the datum is ignored, as Flume does. All parts share the memory of the bytes.
///
/// # Errors
/// The bytes are no datum, or have too many headers.
pub fn read(
    bytes: Bytes,
    most_headers: usize,
    mut header: impl FnMut(ByteString, ByteString),
) -> Result<Bytes, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut left = most_headers;
    loop {
        let headers = reader.block(SMALLEST_HEADER)?;
        if headers == 0 {
            return reader.bytes();
        }
        let after = left.checked_sub(headers);
        left = after.ok_or(DecodeError::TooManyEntries(most_headers))?;
        for _ in 0..headers {
            let name = reader.string()?;
            header(name, reader.string()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = Vec<(String, String)>;

    fn parts(bytes: &[u8], most: usize) -> Result<(Pairs, Bytes), DecodeError> {
        let mut pairs = Vec::new();
        let push = |name: ByteString, value: ByteString| pairs.push((name.into(), value.into()));
        let body = read(Bytes::copy_from_slice(bytes), most, push)?;
        Ok((pairs, body))
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_bytes_are_those_of_flume() {
        let mut out = BytesMut::new();
        let none: [(&str, &str); 0] = [];
        write(&mut out, none, b"").unwrap();
        assert_eq!(out, &[0, 0][..]);
        assert_eq!(parts(&out, 0), Ok((vec![], Bytes::new())));
    }

    #[test]
    fn blocks_with_their_size_and_bytes_behind_are_read() {
        // A block of -1 headers, which says its size of 4 bytes.
        let bytes = b"\x01\x08\x02k\x02v\0\x04hi and more";
        assert_eq!(
            parts(bytes, 1),
            Ok((vec![pair("k", "v")], Bytes::from_static(b"hi")))
        );
    }

    #[test]
    fn what_is_no_datum_is_an_error() {
        for bytes in [&b""[..], b"one", b"\x02", b"\0\x0ahi", b"\x02\x02k\x02v\0"] {
            assert!(parts(bytes, 100).is_err(), "{bytes:?}");
        }
        let two = b"\x04\x02a\x021\x02b\x022\0\0";
        assert!(parts(two, 2).is_ok());
        assert_eq!(parts(two, 1), Err(DecodeError::TooManyEntries(1)));
    }
}
