//! Recognises the protocol of a peer that does not speak Flume's.
//!
//! The most frequent mistake with Flume's Avro ports is an `ssl` or `compression-type` that is set
//! on only one end. Read as frames, the bytes look like a huge buffer count, and a message about
//! that would not help; the first bytes show the cause.
//!
//! The law: this only explains a failure. It never decides that a stream is bad, because a client
//! may number its first request 0x16030100.

/// A protocol that is not Flume's, known by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Foreign {
    /// A TLS record: handshake (`16 03`) or alert (`15 03`).
    #[error("the peer speaks TLS and this end does not: set ssl on both ends or on neither")]
    Tls,
    /// A zlib stream (`78` and a valid second byte).
    #[error(
        "the peer sends compressed data and this end expects none: \
         set compression-type on both ends or on neither"
    )]
    Zlib,
    /// An HTTP request or answer.
    #[error("the peer speaks HTTP: this port takes Flume's Avro protocol only")]
    Http,
    /// Lines of text.
    #[error(
        "the peer sends plain text: this port takes Flume's Avro protocol only, and lines go to a \
         netcat source"
    )]
    Text,
}

impl Foreign {
    /// Checks the first bytes of a stream. Two are enough for TLS and zlib, eight for all. A frame
    /// begins with two numbers, and those of text are too large for any.
    ///
    /// Call it when decoding failed, or when a stream ended inside its first frame.
    ///
    /// ```
    /// use flume_avro::Foreign;
    /// assert_eq!(Foreign::sniff(&[0x16, 0x03, 0x01, 0x02, 0x00]), Some(Foreign::Tls));
    /// assert_eq!(Foreign::sniff(&[0, 0, 0, 1, 0, 0, 0, 2]), None);
    /// ```
    pub fn sniff(first: &[u8]) -> Option<Self> {
        const HTTP: [&[u8]; 10] = [
            b"GET ",
            b"HEAD ",
            b"POST ",
            b"PUT ",
            b"DELETE ",
            b"OPTIONS ",
            b"PATCH ",
            b"TRACE ",
            b"CONNECT ",
            b"HTTP/",
        ];
        match first {
            [0x15 | 0x16, 0x03, ..] => Some(Self::Tls),
            // RFC 1950: the two bytes, as a big-endian number, are a multiple of 31.
            [0x78, flags, ..] if (0x7800 + u16::from(*flags)) % 31 == 0 => Some(Self::Zlib),
            _ if HTTP.iter().any(|verb| first.starts_with(verb)) => Some(Self::Http),
            [_, _, _, _, ..] if first.iter().take(8).all(is_text) => Some(Self::Text),
            _ => None,
        }
    }
}

/// Whether a byte is one of a line of text.
fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_recognised_by_their_first_bytes() {
        let cases: [(&[u8], Option<Foreign>); 17] = [
            (
                &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01],
                Some(Foreign::Tls),
            ),
            (
                &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46],
                Some(Foreign::Tls),
            ),
            (&[0x78, 0x01], Some(Foreign::Zlib)),
            (&[0x78, 0x5e], Some(Foreign::Zlib)),
            (&[0x78, 0x9c, 0x62], Some(Foreign::Zlib)),
            (&[0x78, 0xda], Some(Foreign::Zlib)),
            (&[0x78, 0x9d], None),
            (b"GET / HTTP/1.1\r\n", Some(Foreign::Http)),
            (b"OPTIONS * HTTP/1.1", Some(Foreign::Http)),
            (b"HTTP/1.1 400 Bad Request", Some(Foreign::Http)),
            (b"GETA", Some(Foreign::Text)),
            (b"hello world\n", Some(Foreign::Text)),
            (b"a\r\n\r\n", Some(Foreign::Text)),
            (b"hello\0\0\0", None),
            (&[0x16], None),
            (&[], None),
            (&[0, 0, 0, 1, 0, 0, 0, 2], None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Foreign::sniff(bytes), expected, "{bytes:02x?}");
        }
    }
}
