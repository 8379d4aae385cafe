//! Goal: a `file_roll` sink with keys of the bucket writer puts lines into folders of headers, in
//! files of so many events, and leaves no file under its name in use.
//! Method: numbered lines through netcat with a header from an interceptor; the agent is ended and
//! the folder counted.

use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, landing, ports};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn file_roll_takes_folders_and_counts_of_the_bucket_writer() {
    const EVENTS: u64 = 2_500;
    let scratch = Scratch::new();
    let (input, landed) = (ports::free(), scratch.folder("landed"));
    let file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "static")
        .set("sources.r1.interceptors.i1.key", "kind")
        .set("sources.r1.interceptors.i1.value", "web")
        .file_roll("k1", &landed, 100)
        .sink_keys(
            "k1",
            &[
                ("hdfs.path", "by/%{kind}"),
                ("hdfs.rollCount", "1000"),
                ("hdfs.filePrefix", "lines"),
                ("hdfs.fileSuffix", ".log"),
            ],
        );
    let mut host = Host::start(&scratch, "agent", &file.text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    host.await_delivered("c1", EVENTS, PATIENCE);
    assert!(host.term(PATIENCE).success(), "the agent ends well");

    let folder = landed.join("by/web");
    let names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "files of a thousand events: {names:?}");
    for name in &names {
        let number = name.strip_prefix("lines.").unwrap();
        let number = number.strip_suffix(".log").unwrap();
        assert!(number.parse::<u64>().is_ok(), "a time in {name}");
    }
    landing::count(&[&Landing::Folder(folder)], "n", EVENTS).assert_exact("lines on disk");
}
