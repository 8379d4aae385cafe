//! The keys of the sink, and the sink over files of this machine.

use std::sync::Arc;

use flume_core::{Context, Event, Sink, SinkCounter, SinkMode};

use crate::services::{Resolver, Services};

fn configure(keys: &[(&str, &str)]) -> Result<Box<dyn Sink>, Vec<String>> {
    let services = Services::system(Resolver::default());
    let mut context = Context::of("a1.sinks.k1", keys);
    let sink = super::configure(&mut context, &services);
    let errors = context.has_errors();
    let found = context.finish().into_iter().map(|d| d.message).collect();
    assert_eq!(sink.is_some(), !errors, "{found:?}");
    match sink {
        Some(sink) => Ok(sink.make()),
        None => Err(found),
    }
}

fn refused(keys: &[(&str, &str)]) -> String {
    let Err(found) = configure(keys) else {
        panic!("{keys:?} is accepted")
    };
    found.join("; ")
}

#[test]
fn a_path_is_all_that_is_needed() {
    assert!(configure(&[("hdfs.path", "hdfs://nn:8020/flume/%Y-%m-%d")]).is_ok());
    assert!(refused(&[]).contains("needs the key `hdfs.path`"));
    for path in [
        "ftp://x/y",
        "s3n://bucket/y",
        "hftp://nn/y",
        "hdfs://%{nn}/y",
    ] {
        let mut context = Context::of("a1.sinks.k1", &[("hdfs.path", path)]);
        let services = Services::system(Resolver::default());
        assert!(super::configure(&mut context, &services).is_none());
        let found = context.finish().remove(0);
        assert_eq!(found.code, flume_core::Code::Unsupported, "{path}");
    }
    assert!(refused(&[("hdfs.path", "file:///x/%q")]).contains("`%q` is not an escape sequence"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let path = ("hdfs.path", "file:///x");
    for (keys, part) in [
        (
            &[("hdfs.fileType", "CompressedStream")][..],
            "needs the key `hdfs.codeC`",
        ),
        (
            &[("hdfs.fileType", "DataStream"), ("hdfs.codeC", "gzip")],
            "is not compressed",
        ),
        (&[("hdfs.codeC", "lzop")], "LZO is not supported"),
        (
            &[("hdfs.codeC", "rot13")],
            "the codec `rot13` is not supported",
        ),
        (
            &[("hdfs.roundUnit", "hour"), ("hdfs.roundValue", "25")],
            "hdfs.roundValue",
        ),
        (
            &[("hdfs.timeZone", "Mars/Olympus")],
            "is not a known time zone",
        ),
        (&[("hdfs.filePrefix", "a/b")], "has a `/`"),
        (&[("hdfs.store.endpoint", "http://x")], "has no such option"),
        (
            &[(
                "serializer",
                "org.apache.flume.sink.hdfs.AvroEventSerializer$Builder",
            )],
            "by URL",
        ),
    ] {
        let keys: Vec<_> = keys.iter().copied().chain([path]).collect();
        let found = refused(&keys);
        assert!(found.contains(part), "{part}: {found}");
    }
    let keys = [
        ("hdfs.path", "hdfs://nn:8020/x"),
        ("hdfs.kerberosPrincipal", "p"),
    ];
    assert!(refused(&keys).contains("needs `hdfs.kerberosKeytab`"));
    let keys = [
        ("hdfs.path", "s3://b/x"),
        ("hdfs.store.endpiont", "http://x"),
    ];
    assert!(refused(&keys).contains("endpiont"));
}

#[test]
fn keys_that_change_nothing_are_accepted() {
    let keys = [
        ("hdfs.path", "s3a://bucket/x"),
        ("hdfs.minBlockReplicas", "1"),
        ("hdfs.rollTimerPoolSize", "1"),
        ("hdfs.proxyUser", "joe"),
        ("hdfs.codeC", "org.apache.hadoop.io.compress.GzipCodec"),
        ("hdfs.store.endpoint", "http://127.0.0.1:1"),
    ];
    assert!(configure(&keys).is_ok());
}

#[test]
fn only_objects_gather_batches() {
    let gathers = |keys: &[(&str, &str)]| match configure(keys).unwrap().into_mode() {
        SinkMode::Gathering(sink) => Some(sink.events_per_file()),
        SinkMode::Single(_) | SinkMode::Pipelined(_) => None,
    };
    assert_eq!(gathers(&[("hdfs.path", "file:///x")]), None);
    assert_eq!(gathers(&[("hdfs.path", "s3://b/x")]), Some(10));
    assert_eq!(
        gathers(&[("hdfs.path", "s3://b/x"), ("hdfs.rollCount", "0")]),
        Some(usize::MAX)
    );
}

#[tokio::test]
async fn events_are_in_files_when_they_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("file://{}/%[localhost]", folder.path().display());
    let mut sink = configure(&[
        ("hdfs.path", &path),
        ("hdfs.fileType", "DataStream"),
        ("hdfs.rollCount", "2"),
    ])
    .unwrap();
    let counters = Arc::new(SinkCounter::default());
    sink.start(&counters).await.unwrap();
    let batch = ["a", "b", "c"].map(Event::new);
    sink.deliver(&batch).await.unwrap();
    sink.stop().await;
    let host = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(host.file_name(), hostname::get().ok().as_deref());
    let mut texts: Vec<String> = std::fs::read_dir(host)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    texts.sort();
    assert_eq!(texts, ["a\nb\n", "c\n"]);
    let attributes = counters.attributes();
    let counted = |name| attributes.iter().any(|(m, n)| m.name == name && *n == 2);
    assert!(counted("FileRollCount"), "{attributes:?}");
    assert!(counted("ConnectionCreatedCount"), "{attributes:?}");
}
