//! What the bytes of a file are: Flume's `fileType` with its serializer and its codec.
//!
//! An [`Encoder`] turns events into bytes and owns no file. Its law: what was flushed can be read
//! to its end without what comes later, so a file whose writer died after a batch was committed
//! gives every event of that batch back. A compressed file is therefore a row of members, one for
//! each batch or mebibyte, as Flume's is.

use std::io;

use flume_core::Event;

pub use self::avro::AvroCodec;
pub use self::codec::Codec;
pub use self::sequence::Writable;

mod avro;
mod codec;
mod sequence;
mod text;

/// The kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// Hadoop's SequenceFile; with a codec, block-compressed.
    Sequence {
        /// What the values are.
        value: Writable,
        /// What compresses them.
        codec: Option<Codec>,
    },
    /// What the serializer writes.
    Stream(Serializer),
    /// The same, compressed.
    Compressed(Serializer, Codec),
}

/// How events become bytes, in files that are no SequenceFile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serializer {
    /// Bodies.
    Text {
        /// Whether the headers stand before each body, as Java prints a map.
        headers: bool,
        /// Whether a line feed stands behind each body.
        newline: bool,
    },
    /// An Avro container of records with headers and body.
    Avro {
        /// What compresses its blocks.
        codec: AvroCodec,
        /// Bytes after which a block ends.
        block_bytes: usize,
    },
}

impl FileType {
    /// An encoder at the begin of a file.
    pub(crate) fn encoder(self) -> Box<dyn Encoder> {
        match self {
            Self::Sequence { value, codec } => {
                Box::new(sequence::SequenceEncoder::new(value, codec))
            }
            Self::Stream(serializer) => serializer.encoder(),
            Self::Compressed(serializer, codec) => {
                Box::new(codec::CompressingEncoder::new(serializer.encoder(), codec))
            }
        }
    }

    /// What a file's name ends with if nothing else is said.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Sequence { codec, .. } => codec.map_or("", Codec::extension),
            Self::Stream(_) => "",
            Self::Compressed(_, codec) => codec.extension(),
        }
    }
}

impl Serializer {
    fn encoder(self) -> Box<dyn Encoder> {
        match self {
            Self::Text { headers, newline } => Box::new(text::TextEncoder { headers, newline }),
            Self::Avro { codec, block_bytes } => {
                Box::new(avro::AvroEncoder::new(codec, block_bytes))
            }
        }
    }
}

/// Events to bytes, for one file.
pub(crate) trait Encoder: Send {
    /// What stands before the first event.
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// One event, at this time. Some of its bytes may come later.
    fn append(&mut self, event: &Event, now: u64, out: &mut Vec<u8>) -> io::Result<()>;

    /// The bytes that have not come yet.
    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

#[cfg(test)]
mod tests;
