//! File formats: Flume's `fileType` with its serializer and its codec.
//!
//! An [`Encoder`] turns events into bytes and owns no file. Its law: what was flushed can be read
//! without what comes later, so a file whose writer died after a batch was committed still yields
//! every event of that batch. A compressed file is therefore a sequence of members, one for each
//! batch or MiB, like Flume's.

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
        /// The type of the values.
        value: Writable,
        /// The compression of the blocks, if there is one.
        codec: Option<Codec>,
    },
    /// The output of the serializer, as it is.
    Stream(Serializer),
    /// The same, compressed.
    Compressed(Serializer, Codec),
}

/// How events become bytes, in all files but SequenceFiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serializer {
    /// The bodies, as text.
    Text {
        /// Whether each body is preceded by its headers, the way Java prints a map.
        headers: bool,
        /// Whether each body is followed by a line feed.
        newline: bool,
    },
    /// An Avro container file of records with headers and body.
    Avro {
        /// The compression of its blocks.
        codec: AvroCodec,
        /// Bytes after which a block ends.
        block_bytes: usize,
    },
}

impl FileType {
    /// An encoder for a new file.
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

    /// The default end of file names.
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

/// Turns events into the bytes of one file.
pub(crate) trait Encoder: Send {
    /// Writes what comes before the first event.
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// Writes one event, written at `now` (ms since 1970). Some of its bytes may come later.
    fn append(&mut self, event: &Event, now: u64, out: &mut Vec<u8>) -> io::Result<()>;

    /// Writes what `append` has held back.
    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

#[cfg(test)]
mod tests;
