//! Character sets by their Java names, to and from UTF-8.
//!
//! Inside the agent text is UTF-8. Decoding is a stream: a character may come in two reads. Almost
//! all sets are those of the WHATWG list (`encoding_rs`), but three Java names mean something else
//! there: ISO-8859-1 and US-ASCII are not windows-1252 in Java, and UTF-16 without a byte order
//! mark is big-endian.

use bytes::{BufMut, BytesMut};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8: text is taken as it comes.
    Utf8,
    /// ISO-8859-1: each byte is the character of that number.
    Latin1,
    /// US-ASCII: bytes above 127 are malformed.
    Ascii,
    /// UTF-16 with a byte order mark, big-endian without one.
    Utf16,
    /// Any other set.
    Other(&'static Encoding),
}

impl Charset {
    /// The set of a name, in any case and with `_` or `-`.
    pub fn named(name: &str) -> Option<Self> {
        let dashed = name.trim().to_ascii_lowercase().replace('_', "-");
        match dashed.as_str() {
            "iso-8859-1" | "iso8859-1" | "iso88591" | "latin1" | "l1" => return Some(Self::Latin1),
            "us-ascii" | "ascii" | "iso646-us" => return Some(Self::Ascii),
            "utf-16" | "utf16" => return Some(Self::Utf16),
            "utf-16be" | "utf16be" | "x-utf-16be" => return Some(Self::Other(UTF_16BE)),
            "utf-16le" | "utf16le" | "x-utf-16le" => return Some(Self::Other(UTF_16LE)),
            _ => {}
        }
        let found = Encoding::for_label_no_replacement(name.as_bytes())
            .or_else(|| Encoding::for_label_no_replacement(dashed.as_bytes()))?;
        Some(if found == UTF_8 {
            Self::Utf8
        } else {
            Self::Other(found)
        })
    }

    /// Whether a line end is the single byte 10, so that lines are split before decoding.
    pub fn has_byte_lines(self) -> bool {
        match self {
            Self::Utf8 | Self::Latin1 | Self::Ascii => true,
            Self::Utf16 => false,
            Self::Other(encoding) => encoding != UTF_16BE && encoding != UTF_16LE,
        }
    }

    /// What turns a stream in this set into UTF-8; `None` for UTF-8 itself.
    pub fn decoder(self) -> Option<TextDecoder> {
        Some(match self {
            Self::Utf8 => return None,
            Self::Latin1 => TextDecoder::Latin1,
            Self::Ascii => TextDecoder::Ascii,
            // "Any byte order mark" is this decoder's default.
            Self::Utf16 => TextDecoder::Other(Box::new(UTF_16BE.new_decoder())),
            Self::Other(encoding) => {
                TextDecoder::Other(Box::new(encoding.new_decoder_without_bom_handling()))
            }
        })
    }

    /// Appends text in this set. Characters that it does not have are replaced: in the sets named
    /// here by `?`, in others by a numeric reference.
    pub fn encode(self, text: &str, into: &mut BytesMut) {
        match self {
            Self::Utf8 => into.extend_from_slice(text.as_bytes()),
            Self::Latin1 => text.chars().for_each(|c| into.put_u8(low_byte(c))),
            Self::Ascii => text
                .chars()
                .for_each(|c| into.put_u8(if c.is_ascii() { low_byte(c) } else { b'?' })),
            Self::Utf16 => text.encode_utf16().for_each(|unit| into.put_u16(unit)),
            Self::Other(encoding) if encoding == UTF_16BE => {
                text.encode_utf16().for_each(|unit| into.put_u16(unit));
            }
            Self::Other(encoding) if encoding == UTF_16LE => {
                text.encode_utf16().for_each(|unit| into.put_u16_le(unit));
            }
            Self::Other(encoding) => {
                let (bytes, _, _) = encoding.encode(text);
                into.extend_from_slice(&bytes);
            }
        }
    }
}

/// Decodes one stream.
pub enum TextDecoder {
    /// Each byte is a character.
    Latin1,
    /// Each byte below 128 is a character.
    Ascii,
    /// A decoder with the state of the stream.
    Other(Box<Decoder>),
}

impl std::fmt::Debug for TextDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Latin1 => "Latin1",
            Self::Ascii => "Ascii",
            Self::Other(_) => "Other",
        })
    }
}

/// Input that its character set does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl TextDecoder {
    /// Appends the text of more input. `last` says that the stream ends here. Malformed input
    /// becomes U+FFFD if `replace` is set.
    ///
    /// # Errors
    /// [`Malformed`], if it is not to be replaced; the text before it is appended.
    pub fn decode(
        &mut self,
        input: &[u8],
        last: bool,
        replace: bool,
        into: &mut BytesMut,
    ) -> Result<(), Malformed> {
        match self {
            Self::Latin1 => {
                for byte in input {
                    put_char(into, char::from(*byte));
                }
                Ok(())
            }
            Self::Ascii => input.iter().try_for_each(|byte| match byte.is_ascii() {
                true => {
                    into.put_u8(*byte);
                    Ok(())
                }
                false => put_replacement(into, replace),
            }),
            Self::Other(decoder) => decode_other(decoder, input, last, replace, into),
        }
    }
}

fn decode_other(
    decoder: &mut Decoder,
    mut input: &[u8],
    last: bool,
    replace: bool,
    into: &mut BytesMut,
) -> Result<(), Malformed> {
    /// Room for some characters, whatever is pending in the decoder.
    const LEAST_ROOM: usize = 64;
    loop {
        let room = decoder
            .max_utf8_buffer_length_without_replacement(input.len())
            .unwrap_or(LEAST_ROOM)
            .max(LEAST_ROOM);
        let start = into.len();
        into.resize(start + room, 0);
        let target = into.get_mut(start..).unwrap_or_default();
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(input, target, last);
        into.truncate(start + written);
        input = input.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => put_replacement(into, replace)?,
        }
    }
}

fn put_replacement(into: &mut BytesMut, replace: bool) -> Result<(), Malformed> {
    if !replace {
        return Err(Malformed);
    }
    put_char(into, char::REPLACEMENT_CHARACTER);
    Ok(())
}

/// The number of a character below 256.
fn low_byte(character: char) -> u8 {
    u8::try_from(character).unwrap_or(b'?')
}

fn put_char(into: &mut BytesMut, character: char) {
    into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_names_are_known() {
        assert_eq!(Charset::named("UTF-8"), Some(Charset::Utf8));
        assert_eq!(Charset::named("utf8"), Some(Charset::Utf8));
        assert_eq!(Charset::named("ISO-8859-1"), Some(Charset::Latin1));
        assert_eq!(Charset::named("ISO8859_1"), Some(Charset::Latin1));
        assert_eq!(
            Charset::named("Shift_JIS"),
            Some(Charset::Other(encoding_rs::SHIFT_JIS))
        );
        assert_eq!(
            Charset::named("windows-1252"),
            Some(Charset::Other(encoding_rs::WINDOWS_1252))
        );
        assert_eq!(Charset::named("utf-9"), None);
    }

    /// Encodes text, decodes it in pieces of every size, and expects it back.
    #[test]
    fn text_survives_in_pieces_of_any_size() {
        let text = "Être ou ne pas être";
        for name in [
            "ISO-8859-1",
            "UTF-16",
            "UTF-16BE",
            "UTF-16LE",
            "windows-1252",
        ] {
            let charset = Charset::named(name).unwrap();
            let mut coded = BytesMut::new();
            charset.encode(text, &mut coded);
            for size in 1..=coded.len() {
                let mut decoder = charset.decoder().unwrap();
                let mut decoded = BytesMut::new();
                for piece in coded.chunks(size) {
                    decoder.decode(piece, false, false, &mut decoded).unwrap();
                }
                decoder.decode(&[], true, false, &mut decoded).unwrap();
                assert_eq!(decoded, text.as_bytes(), "{name} in pieces of {size}");
            }
        }
    }

    #[test]
    fn malformed_input_fails_or_is_replaced() {
        for (name, input) in [("US-ASCII", &b"a\xFFb"[..]), ("Shift_JIS", b"a\xFFb")] {
            let charset = Charset::named(name).unwrap();
            let mut text = BytesMut::new();
            let result = charset
                .decoder()
                .unwrap()
                .decode(input, true, false, &mut text);
            assert_eq!((result, &text[..]), (Err(Malformed), &b"a"[..]), "{name}");
            text.clear();
            let result = charset
                .decoder()
                .unwrap()
                .decode(input, true, true, &mut text);
            assert_eq!(
                (result, &text[..]),
                (Ok(()), "a\u{FFFD}b".as_bytes()),
                "{name}"
            );
        }
    }

    #[test]
    fn utf_16_follows_the_byte_order_mark() {
        for (input, order) in [(&b"\xFF\xFEa\0"[..], "little"), (b"\xFE\xFF\0a", "big")] {
            let mut text = BytesMut::new();
            let mut decoder = Charset::Utf16.decoder().unwrap();
            decoder.decode(input, true, false, &mut text).unwrap();
            assert_eq!(&text[..], b"a", "{order}-endian");
        }
    }
}
