//! `fileType`, `codeC`, `writeFormat` and the serializer: what goes with what.

use flume_bucket::{AvroCodec, Codec, FileType, Serializer, Writable};
use flume_core::{Code, Context};

/// A kind of file before its parts are known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FileKind {
    Sequence,
    Stream,
    Compressed,
}

/// How events become bytes, before the rest is known.
#[derive(Clone, Copy, PartialEq)]
enum SerializerKind {
    Text {
        headers: bool,
    },
    Avro,
    /// Flume's serializer for schemas that events name.
    BySchema,
}

/// Avro blocks are held in memory until they end.
const MOST_BLOCK_BYTES: usize = 64 << 20;

/// What a file is, before it is known how events become bytes.
#[derive(Debug)]
pub(super) struct Container {
    kind: FileKind,
    value: Writable,
    codec: Option<Codec>,
}

impl Container {
    /// Reads `fileType`, with this default, `writeFormat` and `codeC`.
    pub(super) fn read(context: &mut Context, default: &str) -> Option<Self> {
        let kind = context.one_of(
            "hdfs.fileType",
            default,
            &[
                ("SequenceFile", FileKind::Sequence),
                ("DataStream", FileKind::Stream),
                ("CompressedStream", FileKind::Compressed),
            ],
        );
        let value = context.one_of_or_class(
            "hdfs.writeFormat",
            "Writable",
            &[("Writable", Writable::Bytes), ("Text", Writable::Text)],
        );
        let codec = codec(context);
        Some(Self {
            kind: kind?,
            value: value?,
            codec: codec?,
        })
    }

    /// With the serializer, whose key this is.
    pub(super) fn file_type(
        self,
        context: &mut Context,
        key: &str,
        serializer: Option<Serializer>,
    ) -> Option<FileType> {
        match (self.kind, self.codec) {
            (FileKind::Sequence, codec) => {
                if context.value(key).is_some() {
                    let why =
                        "a SequenceFile has `hdfs.writeFormat`; set `hdfs.fileType = DataStream`";
                    context.without_effect(key, why);
                }
                Some(FileType::Sequence {
                    value: self.value,
                    codec,
                })
            }
            (FileKind::Stream, None) => Some(FileType::Stream(serializer?)),
            (FileKind::Compressed, Some(codec)) => Some(FileType::Compressed(serializer?, codec)),
            (FileKind::Stream, Some(_)) => {
                let path = context.path();
                let message = format!("`{path}.hdfs.codeC`: a DataStream is not compressed");
                let help = "set `hdfs.fileType = CompressedStream`, or remove `hdfs.codeC`";
                context.error("hdfs.codeC", Code::BadValue, message, help);
                None
            }
            (FileKind::Compressed, None) => {
                let message = format!("`{}` needs the key `hdfs.codeC`", context.path());
                let help = "a CompressedStream is `gzip`, `deflate`, `bzip2` or `snappy`";
                context.error("hdfs.fileType", Code::MissingKey, message, help);
                None
            }
        }
    }
}

/// Hadoop's codecs by their short names and by their classes. The outer `None` left an error.
fn codec(context: &mut Context) -> Option<Option<Codec>> {
    let Some(text) = context.optional("hdfs.codeC") else {
        return Some(None);
    };
    let name = text
        .rsplit('.')
        .next()
        .unwrap_or(&text)
        .to_ascii_lowercase();
    let (message, help) = match name.strip_suffix("codec").unwrap_or(&name) {
        "none" => return Some(None),
        "gzip" => return Some(Some(Codec::Gzip)),
        "deflate" | "default" => return Some(Some(Codec::Deflate)),
        "bzip2" => return Some(Some(Codec::Bzip2)),
        "snappy" => return Some(Some(Codec::Snappy)),
        "lzo" | "lzop" => (
            format!(
                "`{}.hdfs.codeC`: LZO is not supported, since its library is under the GPL",
                context.path()
            ),
            "use `snappy`, which is as fast, or `gzip`, `deflate`, `bzip2`",
        ),
        _ => (
            format!(
                "`{}.hdfs.codeC`: the codec `{text}` is not supported",
                context.path()
            ),
            "use `gzip`, `deflate`, `bzip2` or `snappy`",
        ),
    };
    context.error("hdfs.codeC", Code::Unsupported, message, help);
    None
}

/// Reads the serializer, whose key this is, and the keys below.
pub(in crate::sink) fn serializer(context: &mut Context, key: &str) -> Option<Serializer> {
    let form = context.one_of_or_class(
        key,
        "TEXT",
        &[
            ("TEXT", SerializerKind::Text { headers: false }),
            ("HEADER_AND_TEXT", SerializerKind::Text { headers: true }),
            ("AVRO_EVENT", SerializerKind::Avro),
            (
                "org.apache.flume.serialization.BodyTextEventSerializer$Builder",
                SerializerKind::Text { headers: false },
            ),
            (
                "org.apache.flume.serialization.HeaderAndBodyTextEventSerializer$Builder",
                SerializerKind::Text { headers: true },
            ),
            (
                "org.apache.flume.serialization.FlumeEventAvroEventSerializer$Builder",
                SerializerKind::Avro,
            ),
            (
                "org.apache.flume.sink.hdfs.AvroEventSerializer$Builder",
                SerializerKind::BySchema,
            ),
        ],
    );
    let newline = context.flag(&format!("{key}.appendNewline"), true);
    let block_bytes = context.number_up_to(
        &format!("{key}.syncIntervalBytes"),
        2_048_000,
        32..=MOST_BLOCK_BYTES,
    );
    let codec = context.one_of(
        &format!("{key}.compressionCodec"),
        "null",
        &[
            ("null", AvroCodec::Null),
            ("deflate", AvroCodec::Deflate),
            ("snappy", AvroCodec::Snappy),
            ("bzip2", AvroCodec::Bzip2),
        ],
    );
    if form.is_none() {
        // The keys of a class are its own.
        context.below(key).accept_all();
    }
    match form? {
        SerializerKind::Text { headers } => Some(Serializer::Text { headers, newline }),
        SerializerKind::Avro => Some(Serializer::Avro {
            codec: codec?,
            block_bytes: block_bytes?,
        }),
        SerializerKind::BySchema => {
            let message = format!(
                "`{}.{key}`: bodies that are Avro already, with a schema by URL, are not \
                 supported",
                context.path()
            );
            let help = "use `avro_event`, whose records have headers and body";
            context.error(key, Code::Unsupported, message, help);
            None
        }
    }
}
