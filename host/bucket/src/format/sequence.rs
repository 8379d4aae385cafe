//! Hadoop's SequenceFile, version 6: keys are times, values are bodies.
//!
//! | codec | records | a flush |
//! |---|---|---|
//! | none | stand alone | adds a sync marker, as Flume's does |
//! | any | are in blocks, each compressed and preceded by a marker | ends the block: records outside of a block cannot be read |
//!
//! Readers that start in the middle of a file look for a marker. A marker that would follow another
//! one directly is left out.

use std::io;

use flume_core::Event;

use super::{Codec, Encoder};
use crate::escape::stamp;

const VERSION: &[u8] = b"SEQ\x06";
const KEY_CLASS: &str = "org.apache.hadoop.io.LongWritable";
const KEY_BYTES: u32 = 8;

/// Precedes a sync marker, in the place of a record's length.
const SYNC_ESCAPE: [u8; 4] = (-1_i32).to_be_bytes();

/// Bytes after a sync marker until the next one is added without a flush, as in Hadoop 3.
const SYNC_INTERVAL: usize = 100 << 10;

/// Uncompressed bytes of values after which a block ends: Hadoop's `io.seqfile.compress.blocksize`.
const BLOCK_BYTES: usize = 1_000_000;

/// `writeFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// `Writable`: values are `BytesWritable`.
    Bytes,
    /// `Text`: values are `Text`.
    Text,
}

impl Writable {
    fn class(self) -> &'static str {
        match self {
            Self::Bytes => "org.apache.hadoop.io.BytesWritable",
            Self::Text => "org.apache.hadoop.io.Text",
        }
    }

    fn write(self, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Bytes => out.extend_from_slice(&length(body.len())?.to_be_bytes()),
            Self::Text => write_vint(body.len(), out),
        }
        out.extend_from_slice(body);
        Ok(())
    }
}

pub(super) struct SequenceEncoder {
    value: Writable,
    codec: Option<Codec>,
    sync: [u8; 16],
    /// Bytes since the last sync marker or the start of the file, where records stand alone.
    since_sync: usize,
    block: Block,
}

/// The records of the block that is being filled, in the order of its parts.
#[derive(Default)]
struct Block {
    records: usize,
    key_lengths: Vec<u8>,
    keys: Vec<u8>,
    value_lengths: Vec<u8>,
    values: Vec<u8>,
}

impl SequenceEncoder {
    pub(super) fn new(value: Writable, codec: Option<Codec>) -> Self {
        let sync = fastrand::u128(..).to_be_bytes();
        Self {
            value,
            codec,
            sync,
            since_sync: 0,
            block: Block::default(),
        }
    }

    fn record(&mut self, key: i64, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if self.since_sync >= SYNC_INTERVAL {
            self.mark(out);
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&KEY_BYTES.to_be_bytes());
        out.extend_from_slice(&key.to_be_bytes());
        self.value.write(body, out)?;
        // The length of a record covers key and value, without the two length fields.
        let record = length(out.len() - at - 8)?;
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&record.to_be_bytes());
        }
        self.since_sync += out.len() - at;
        Ok(())
    }

    fn mark(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&SYNC_ESCAPE);
        out.extend_from_slice(&self.sync);
        self.since_sync = 0;
    }

    fn end_block(&mut self, codec: Codec, out: &mut Vec<u8>) -> io::Result<()> {
        if self.block.records == 0 {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        self.mark(out);
        write_vint(block.records, out);
        for part in [
            block.key_lengths,
            block.keys,
            block.value_lengths,
            block.values,
        ] {
            let mut compressed = Vec::new();
            codec.compress(&part, &mut compressed)?;
            write_vint(compressed.len(), out);
            out.extend_from_slice(&compressed);
        }
        Ok(())
    }
}

impl Encoder for SequenceEncoder {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let at = out.len();
        out.extend_from_slice(VERSION);
        write_string(KEY_CLASS, out);
        write_string(self.value.class(), out);
        let compressed = u8::from(self.codec.is_some());
        // Whether values are compressed, and whether in blocks.
        out.extend_from_slice(&[compressed, compressed]);
        if let Some(codec) = self.codec {
            write_string(codec.class(), out);
        }
        // No metadata.
        out.extend_from_slice(&0_i32.to_be_bytes());
        out.extend_from_slice(&self.sync);
        self.since_sync = out.len() - at;
        Ok(())
    }

    fn append(&mut self, event: &Event, now: u64, out: &mut Vec<u8>) -> io::Result<()> {
        // Flume fails for ever on a header that is not a number.
        let key = stamp(&event.headers).unwrap_or(i64::try_from(now).unwrap_or(i64::MAX));
        let Some(codec) = self.codec else {
            return self.record(key, &event.body, out);
        };
        let block = &mut self.block;
        let before = block.values.len();
        self.value.write(&event.body, &mut block.values)?;
        write_vint(KEY_BYTES as usize, &mut block.key_lengths);
        block.keys.extend_from_slice(&key.to_be_bytes());
        write_vint(block.values.len() - before, &mut block.value_lengths);
        block.records += 1;
        if block.values.len() + block.keys.len() >= BLOCK_BYTES {
            self.end_block(codec, out)?;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self.codec {
            Some(codec) => return self.end_block(codec, out),
            None if self.since_sync > 0 => self.mark(out),
            None => {}
        }
        Ok(())
    }
}

fn length(length: usize) -> io::Result<u32> {
    // Java's integers are signed.
    let length = i32::try_from(length).map_err(io::Error::other)?;
    u32::try_from(length).map_err(io::Error::other)
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    write_vint(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Hadoop's variable-length integer, for values that are not negative: one byte up to 127, else the
/// number of bytes and then the bytes.
fn write_vint(value: usize, out: &mut Vec<u8>) {
    match u8::try_from(value) {
        Ok(small @ 0..=127) => out.push(small),
        _ => {
            let bytes = (value as u64).to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let behind = bytes.get(zeros..).unwrap_or_default();
            // -113 for one byte, -114 for two, …
            let count = i8::try_from(behind.len()).unwrap_or(8);
            out.extend_from_slice(&(-112 - count).to_be_bytes());
            out.extend_from_slice(behind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_hadoop_makes_them() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x8f, 0x80]),
            (255, &[0x8f, 0xff]),
            (256, &[0x8e, 1, 0]),
            (70_000, &[0x8d, 1, 0x11, 0x70]),
        ] {
            let mut out = Vec::new();
            write_vint(value, &mut out);
            assert_eq!(out, expected, "{value}");
        }
    }

    #[test]
    fn a_record_is_laid_out_as_in_hadoop() {
        let mut encoder = SequenceEncoder::new(Writable::Text, None);
        let (mut head, mut out) = (Vec::new(), Vec::new());
        encoder.begin(&mut head).unwrap();
        assert!(head.starts_with(b"SEQ\x06\x21org.apache.hadoop.io.LongWritable\x19org.apache"));
        assert!(head.ends_with(&encoder.sync));
        let event = Event::new("ab").with_header("timestamp", "258");
        encoder.append(&event, 1, &mut out).unwrap();
        let record = [
            0, 0, 0, 11, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2, 2, b'a', b'b',
        ];
        assert_eq!(out, record);
    }

    #[test]
    fn markers_stand_between_records_of_a_long_file() {
        let mut encoder = SequenceEncoder::new(Writable::Bytes, None);
        let mut out = Vec::new();
        for _ in 0..200 {
            encoder
                .append(&Event::new(vec![7; 1000]), 1, &mut out)
                .unwrap();
        }
        // A record is 1020 bytes long; 101 of them are the first that fill the interval.
        let at: Vec<usize> = markers(&encoder, &out);
        assert_eq!(at, [101 * 1020]);
    }

    /// Where markers stand.
    fn markers(encoder: &SequenceEncoder, out: &[u8]) -> Vec<usize> {
        let marker = [SYNC_ESCAPE.as_slice(), &encoder.sync].concat();
        let windows = out.windows(marker.len()).enumerate();
        let found = windows.filter(|(_, window)| *window == marker);
        found.map(|(at, _)| at).collect()
    }

    #[test]
    fn a_flush_puts_a_marker_behind_records_and_none_behind_another() {
        let mut encoder = SequenceEncoder::new(Writable::Text, None);
        let mut out = Vec::new();
        encoder.begin(&mut out).unwrap();
        out.clear();
        for _ in 0..2 {
            let event = Event::new("ab");
            encoder.append(&event, 1, &mut out).unwrap();
            encoder.append(&event, 1, &mut out).unwrap();
            encoder.flush(&mut out).unwrap();
            encoder.flush(&mut out).unwrap();
        }
        // A record is 19 bytes long, a marker 20.
        assert_eq!(markers(&encoder, &out), [38, 96]);
        assert_eq!(out.len(), 116);
    }

    #[test]
    fn a_flush_ends_a_block_which_has_its_marker_in_front() {
        let mut encoder = SequenceEncoder::new(Writable::Text, Some(Codec::Deflate));
        let mut out = Vec::new();
        encoder.begin(&mut out).unwrap();
        out.clear();
        encoder.append(&Event::new("ab"), 1, &mut out).unwrap();
        assert!(out.is_empty());
        encoder.flush(&mut out).unwrap();
        let block = out.len();
        encoder.flush(&mut out).unwrap();
        assert_eq!(out.len(), block, "nothing came");
        encoder.append(&Event::new("ab"), 1, &mut out).unwrap();
        encoder.flush(&mut out).unwrap();
        assert_eq!(markers(&encoder, &out), [0, block]);
        assert_eq!(out.get(20), Some(&1), "records in the block");
    }
}
