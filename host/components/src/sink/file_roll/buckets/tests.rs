//! Keys of both sinks together, and the files that they give.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flume_core::{Context, Event, Sink};

use crate::source::harness::services;

fn configure(keys: &[(&str, &str)]) -> (Option<Box<dyn Sink>>, Vec<String>) {
    let mut context = Context::of("a1.sinks.k1", keys);
    let sink = super::super::configure(&mut context, &services());
    (
        sink.map(|sink| sink.make()),
        context
            .finish()
            .into_iter()
            .map(|found| found.message)
            .collect(),
    )
}

/// What is wrong with these keys in a directory.
fn found(keys: &[(&str, &str)]) -> Vec<String> {
    let keys = [&[("sink.directory", "/x")], keys].concat();
    let (sink, found) = configure(&keys);
    let (refused, _): (Vec<_>, Vec<_>) = found.iter().partition(|text| !text.contains("no effect"));
    assert_eq!(sink.is_some(), refused.is_empty(), "{keys:?}: {found:?}");
    found
}

/// Writes two batches of a line each, and gives the files by their paths. The clock stands at 0, and
/// numbers begin at 1: a file with an earlier number is not one of this sink.
async fn written(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("50%");
    let keys = [&[("sink.directory", directory.to_str().unwrap())], more].concat();
    let (sink, found) = configure(&keys);
    assert_eq!(found, [] as [&str; 0]);
    let mut sink = sink.unwrap();
    sink.start(&Arc::default()).await.unwrap();
    for body in ["a", "b"] {
        let event = Event::new(body)
            .with_header("host", "web1")
            .with_header("timestamp", "0");
        sink.deliver(&[event]).await.unwrap();
    }
    sink.stop().await;
    let mut files = BTreeMap::new();
    read(&directory, "", &mut files);
    files
}

fn read(folder: &Path, at: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{at}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[tokio::test]
async fn folders_and_limits_of_the_hdfs_sink_below_the_directory() {
    let files = written(&[
        ("hdfs.path", "%{host}/%Y-%m-%d"),
        ("hdfs.timeZone", "UTC"),
        ("hdfs.rollCount", "1"),
        ("sink.pathManager.prefix", "100%"),
        ("sink.pathManager.extension", "log"),
    ])
    .await;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["web1/1970-01-01/100%.2.log", "web1/1970-01-01/100%.3.log"]
    );
    assert_eq!(files.values().collect::<Vec<_>>(), ["a\n", "b\n"]);
}

#[tokio::test]
async fn where_nothing_is_said_a_file_is_lines_and_has_no_limit_but_its_interval() {
    let files = written(&[("hdfs.filePrefix", "%{host}"), ("sink.rollInterval", "0")]).await;
    assert_eq!(
        files.into_iter().collect::<Vec<_>>(),
        [("web1.2".to_owned(), "a\nb\n".to_owned())]
    );
    let files = written(&[
        ("hdfs.inUsePrefix", "_"),
        ("sink.serializer", "header_and_text"),
    ])
    .await;
    let text = "{host=web1, timestamp=0} a\n{host=web1, timestamp=0} b\n".to_owned();
    assert_eq!(
        files.into_iter().collect::<Vec<_>>(),
        [("FlumeData.2".to_owned(), text)]
    );
}

#[tokio::test]
async fn interval_and_batch_size_are_the_sink_s_own() {
    for (interval, ends) in [("5", true), ("-1", false)] {
        let folder = tempfile::tempdir().unwrap();
        let (sink, _) = configure(&[
            ("sink.directory", folder.path().to_str().unwrap()),
            ("sink.rollInterval", interval),
            ("hdfs.rollSize", "100"),
            ("batchSize", "7"),
        ]);
        let mut sink = sink.unwrap();
        assert_eq!(sink.batch_size(), 7);
        sink.start(&Arc::default()).await.unwrap();
        sink.deliver(&[Event::new("a")]).await.unwrap();
        assert_eq!(sink.next_tick().is_some(), ends, "{interval}");
    }
}

#[test]
fn a_whole_path_and_a_name_given_twice_are_mistakes() {
    for path in ["/logs/%Y", "file:///logs", "hdfs://nn/logs"] {
        let found = found(&[("hdfs.path", path)]);
        assert!(
            found[0].contains("`sink.directory`") && found[0].contains(path),
            "{found:?}"
        );
    }
    assert!(found(&[("hdfs.path", "../x")])[0].contains("`..`"));
    for (shared, own) in [
        ("hdfs.filePrefix", "sink.pathManager.prefix"),
        ("hdfs.fileSuffix", "sink.pathManager.extension"),
    ] {
        let found = found(&[(shared, "a"), (own, "b")]);
        assert_eq!(
            found,
            [format!("`a1.sinks.k1` has both `{shared}` and `{own}`")]
        );
    }
    let (_, found) = configure(&[("hdfs.rollSize", "1"), ("sink.serializer", "TEXT")]);
    assert_eq!(found, ["`a1.sinks.k1` needs the key `sink.directory`"]);
}

#[test]
fn what_the_sink_says_itself_or_has_no_use_for_is_unknown() {
    for key in [
        "hdfs.rollInterval",
        "hdfs.batchSize",
        "hdfs.partSize",
        "hdfs.proxyUser",
        "serializer",
    ] {
        let found = configure(&[("sink.directory", "/x"), ("hdfs.rollSize", "1"), (key, "1")]).1;
        assert_eq!(
            found,
            [format!("`a1.sinks.k1` does not know the key `{key}`")]
        );
    }
    let found = found(&[("hdfs.rollCount", "1"), ("sink.pathManager", "ROLLTIME")]);
    assert!(
        found[0].contains("`a1.sinks.k1.sink.pathManager` has no effect"),
        "{found:?}"
    );
}

#[test]
fn formats_are_those_of_the_hdfs_sink() {
    assert_eq!(
        found(&[
            ("hdfs.fileType", "CompressedStream"),
            ("hdfs.codeC", "gzip")
        ]),
        [""; 0]
    );
    assert_eq!(
        found(&[("hdfs.codeC", "gzip")])[0],
        "`a1.sinks.k1.hdfs.codeC`: a DataStream is not compressed"
    );
    assert_eq!(found(&[("hdfs.fileType", "SequenceFile")]), [""; 0]);
    let avro = [
        ("sink.serializer", "avro_event"),
        ("sink.serializer.compressionCodec", "deflate"),
    ];
    assert_eq!(
        found(&[avro[0], avro[1], ("hdfs.idleTimeout", "5")]),
        [""; 0]
    );
    assert!(!found(&avro[..1]).is_empty(), "the plain sink writes text");
}
