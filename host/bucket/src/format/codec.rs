//! Compression: Hadoop's codecs, in the framing that Hadoop reads.

use std::io::{self, Write};

use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use flume_core::Event;

use super::Encoder;

/// Uncompressed bytes after which a member of a compressed file ends, flushed or not.
const MEMBER_BYTES: usize = 1 << 20;

/// Uncompressed bytes in one snappy block. Hadoop's readers have buffers of 256 KiB.
const SNAPPY_BLOCK_BYTES: usize = 64 << 10;

/// `codeC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// `gzip`.
    Gzip,
    /// `deflate`, which Hadoop also calls `default`: a zlib stream.
    Deflate,
    /// `bzip2`.
    Bzip2,
    /// `snappy`.
    Snappy,
}

impl Codec {
    /// Hadoop's class, which the header of a SequenceFile names.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Gzip => "org.apache.hadoop.io.compress.GzipCodec",
            Self::Deflate => "org.apache.hadoop.io.compress.DefaultCodec",
            Self::Bzip2 => "org.apache.hadoop.io.compress.BZip2Codec",
            Self::Snappy => "org.apache.hadoop.io.compress.SnappyCodec",
        }
    }

    /// Hadoop's suffix for file names.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Deflate => ".deflate",
            Self::Bzip2 => ".bz2",
            Self::Snappy => ".snappy",
        }
    }

    /// Appends a whole compressed stream.
    pub(super) fn compress(self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
            Self::Bzip2 => {
                let mut encoder = BzEncoder::new(out, bzip2::Compression::best());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
            Self::Snappy => snappy(plain, out)?,
        }
        Ok(())
    }
}

/// Hadoop's framing: the uncompressed length of a block, its compressed length, the block.
fn snappy(plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let length = |length: usize| u32::try_from(length).map_err(io::Error::other);
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(SNAPPY_BLOCK_BYTES) {
        let compressed = encoder.compress_vec(block).map_err(io::Error::other)?;
        out.extend_from_slice(&length(block.len())?.to_be_bytes());
        out.extend_from_slice(&length(compressed.len())?.to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(())
}

/// Compresses another encoder's output, member by member.
pub(super) struct CompressingEncoder {
    inner: Box<dyn Encoder>,
    codec: Codec,
    plain: Vec<u8>,
}

impl CompressingEncoder {
    pub(super) fn new(inner: Box<dyn Encoder>, codec: Codec) -> Self {
        Self {
            inner,
            codec,
            plain: Vec::new(),
        }
    }

    fn end_member(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !self.plain.is_empty() {
            self.codec.compress(&self.plain, out)?;
            self.plain.clear();
        }
        Ok(())
    }
}

impl Encoder for CompressingEncoder {
    fn begin(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        self.inner.begin(&mut self.plain)
    }

    fn append(&mut self, event: &Event, now: u64, out: &mut Vec<u8>) -> io::Result<()> {
        self.inner.append(event, now, &mut self.plain)?;
        if self.plain.len() >= MEMBER_BYTES {
            self.end_member(out)?;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.inner.flush(&mut self.plain)?;
        self.end_member(out)
    }
}
