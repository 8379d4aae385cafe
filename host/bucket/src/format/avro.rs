//! Flume's `avro_event`: an Avro container file of records with headers and body.

use std::collections::HashMap;
use std::io;
use std::sync::LazyLock;

use apache_avro::types::Value;
use apache_avro::{Bzip2Settings, Codec, DeflateSettings, Schema, Writer};
use flume_core::Event;

use super::Encoder;

/// The record type, named as in Flume.
const SCHEMA: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"headers","type":{"type":"map","values":"string"}},
    {"name":"body","type":"bytes"}]}"#;

static PARSED: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| Schema::parse_str(SCHEMA).map_err(|error| error.to_string()));

/// `serializer.compressionCodec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvroCodec {
    /// `null`.
    Null,
    /// `deflate`.
    Deflate,
    /// `snappy`.
    Snappy,
    /// `bzip2`.
    Bzip2,
}

impl AvroCodec {
    fn codec(self) -> Codec {
        match self {
            Self::Null => Codec::Null,
            Self::Deflate => Codec::Deflate(DeflateSettings::default()),
            Self::Snappy => Codec::Snappy,
            Self::Bzip2 => Codec::Bzip2(Bzip2Settings::default()),
        }
    }
}

pub(super) struct AvroEncoder {
    codec: AvroCodec,
    block_bytes: usize,
    writer: Option<Writer<'static, Vec<u8>>>,
}

impl AvroEncoder {
    pub(super) fn new(codec: AvroCodec, block_bytes: usize) -> Self {
        Self {
            codec,
            block_bytes,
            writer: None,
        }
    }

    fn writer(&mut self) -> io::Result<&mut Writer<'static, Vec<u8>>> {
        self.writer
            .as_mut()
            .ok_or_else(|| io::Error::other("an Avro file without a header"))
    }
}

impl Encoder for AvroEncoder {
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let schema = PARSED
            .as_ref()
            .map_err(|error| io::Error::other(error.clone()))?;
        let writer = Writer::builder()
            .schema(schema)
            .writer(Vec::new())
            .codec(self.codec.codec())
            .block_size(self.block_bytes)
            .build();
        self.writer = Some(writer);
        // The first flush writes the header, so an empty file has one too.
        self.flush(out)
    }

    fn append(&mut self, event: &Event, _: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let header = |(name, value): &(bytestring::ByteString, bytestring::ByteString)| {
            (name.to_string(), Value::String(value.to_string()))
        };
        let headers: HashMap<String, Value> = event.headers.iter().map(header).collect();
        let record = Value::Record(vec![
            ("headers".to_owned(), Value::Map(headers)),
            ("body".to_owned(), Value::Bytes(event.body.to_vec())),
        ]);
        let writer = self.writer()?;
        writer.append_value_ref(&record).map_err(io::Error::other)?;
        out.append(writer.get_mut());
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let writer = self.writer()?;
        writer.flush().map_err(io::Error::other)?;
        out.append(writer.get_mut());
        Ok(())
    }
}
