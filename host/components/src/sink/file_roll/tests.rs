//! The file_roll sink with real files and paused time.

use std::path::Path;

use super::*;
use crate::source::harness::services;

fn sink(directory: &Path, more: &[(&str, &str)]) -> Box<dyn Sink> {
    let directory = directory.to_str().unwrap();
    let properties = [&[("sink.directory", directory)], more].concat();
    let mut context = Context::of("a1.sinks.k1", &properties);
    let sink = configure(&mut context, &services());
    assert_eq!(context.finish(), []);
    sink.unwrap().make()
}

/// Names and contents, by name.
fn contents(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// Flume: TestRollingFileSink.testAppend (G11).
#[tokio::test(start_paused = true)]
async fn a_new_file_every_interval_but_none_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(directory.path(), &[("sink.rollInterval", "1")]);
    let counters = Arc::default();
    sink.start(&counters).await.unwrap();
    assert_eq!(contents(directory.path()), [], "nothing came yet");
    assert_eq!(sink.next_tick(), None);
    sink.deliver(&[Event::new("a"), Event::new("b")])
        .await
        .unwrap();
    assert_eq!(
        contents(directory.path()),
        named(&[("0-1", "a\nb\n")]),
        "at once, unbuffered"
    );
    let due = sink.next_tick().unwrap();
    sink.deliver(&[Event::new("c")]).await.unwrap();
    assert_eq!(
        sink.next_tick(),
        Some(due),
        "the interval counts from the opening"
    );
    tokio::time::sleep_until(due).await;
    sink.tick().await.unwrap();
    assert_eq!(
        counters.connection_closed.get(),
        1,
        "closed though nothing came"
    );
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(sink.next_tick(), None);
    sink.deliver(&[Event::new("d")]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    sink.deliver(&[Event::new("e")]).await.unwrap();
    sink.stop().await;
    let expected = named(&[("0-1", "a\nb\nc\n"), ("0-2", "d\n"), ("0-3", "e\n")]);
    assert_eq!(contents(directory.path()), expected);
    assert_eq!(
        (
            counters.connection_created.get(),
            counters.connection_closed.get()
        ),
        (3, 3)
    );
}

/// Flume: TestRollingFileSink.testAppend2 (roll interval 0), testAppend3 (prefix, extension),
/// testRollTime (G11).
#[tokio::test(start_paused = true)]
async fn names_and_formats() {
    let event = || {
        Event::new("body")
            .with_header("k", "v")
            .with_header("l", "w")
    };
    for (properties, name, text) in [
        (&[("sink.rollInterval", "0")][..], "0-1", "body\n"),
        (
            &[
                ("sink.pathManager.prefix", "web-"),
                ("sink.pathManager.extension", "txt"),
            ],
            "web-0-1.txt",
            "body\n",
        ),
        (
            &[("sink.serializer", "header_and_text")],
            "0-1",
            "{k=v, l=w} body\n",
        ),
        (&[("sink.serializer.appendNewline", "false")], "0-1", "body"),
        (
            &[(
                "sink.serializer",
                "org.apache.flume.serialization.HeaderAndBodyTextEventSerializer$Builder",
            )],
            "0-1",
            "{k=v, l=w} body\n",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut sink = sink(directory.path(), properties);
        sink.start(&Arc::default()).await.unwrap();
        sink.deliver(&[event()]).await.unwrap();
        assert_eq!(
            contents(directory.path()),
            named(&[(name, text)]),
            "{properties:?}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(directory.path(), &[("sink.pathManager", "rolltime")]);
    sink.deliver(&[event()]).await.unwrap();
    let files = contents(directory.path());
    assert!(
        files[0].0.ends_with("-1") && files[0].0.len() == 16,
        "{files:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_a_file_stays_open() {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = sink(directory.path(), &[("sink.rollInterval", "-1")]);
    sink.deliver(&[Event::new("a")]).await.unwrap();
    assert_eq!(sink.next_tick(), None);
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    sink.deliver(&[Event::new("b")]).await.unwrap();
    assert_eq!(contents(directory.path()), named(&[("0-1", "a\nb\n")]));
}

#[test]
fn both_spellings_of_the_batch_size() {
    let directory = tempfile::tempdir().unwrap();
    for key in ["sink.batchSize", "batchSize"] {
        assert_eq!(
            sink(directory.path(), &[(key, "7")]).batch_size(),
            7,
            "{key}"
        );
    }
    assert_eq!(sink(directory.path(), &[]).batch_size(), 100);
}

#[tokio::test]
async fn a_missing_directory_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let error = sink(&missing, &[])
        .start(&Arc::default())
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(missing.to_str().unwrap()), "{cause}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    sink(&file, &[]).start(&Arc::default()).await.unwrap_err();
}

/// The sink recovers when the directory is back.
#[tokio::test]
async fn a_directory_that_goes_and_comes_back() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("events");
    let mut sink = sink(&directory, &[]);
    sink.deliver(&[Event::new("a")]).await.unwrap_err();
    std::fs::create_dir(&directory).unwrap();
    sink.deliver(&[Event::new("a")]).await.unwrap();
    assert_eq!(contents(&directory).len(), 1);
    assert_eq!(contents(&directory)[0].1, "a\n");
}

#[test]
fn configuration_mistakes_are_told() {
    let mut context = Context::of("a1.sinks.k1", &[("sink.serializer", "avro_event")]);
    assert!(configure(&mut context, &services()).is_none());
    let found: Vec<String> = context
        .finish()
        .into_iter()
        .map(|found| found.message)
        .collect();
    assert_eq!(
        found,
        [
            "`a1.sinks.k1` needs the key `sink.directory`",
            "`a1.sinks.k1.sink.serializer` cannot be `avro_event`",
        ]
    );
}
