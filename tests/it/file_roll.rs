//! Goal: a `file_roll` sink with keys of the bucket writer puts lines into folders named by a
//! header, in files of a fixed number of events, and leaves no temporary name behind. Method:
//! numbered lines through netcat with a header from an interceptor; the agent is stopped, and the
//! lines in the folder are counted.

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

/// Events that Flume tries for ever: one with a name that no file system takes, and ones without the
/// time that their folder needs. Those behind them arrive, and they too.
#[test]
fn an_odd_event_does_not_stop_those_behind_it() {
    const EVENTS: u64 = 300;
    let scratch = Scratch::new();
    let (input, landed) = (ports::free(), scratch.folder("landed"));
    let file = AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .set("sources.r1.max-line-length", 10_000)
        .set("sources.r1.interceptors", "i1 i2")
        .set("sources.r1.interceptors.i1.type", "regex_extractor")
        .set("sources.r1.interceptors.i1.regex", "^host (\\\\S+)")
        .set("sources.r1.interceptors.i1.serializers", "s1")
        .set("sources.r1.interceptors.i1.serializers.s1.name", "host")
        .set("sources.r1.interceptors.i2.type", "regex_extractor")
        .set("sources.r1.interceptors.i2.regex", "at (\\\\d+)$")
        .set("sources.r1.interceptors.i2.serializers", "s1")
        .set(
            "sources.r1.interceptors.i2.serializers.s1.name",
            "timestamp",
        )
        .file_roll("k1", &landed, 100)
        .sink_keys(
            "k1",
            &[
                ("hdfs.path", "%Y/%{host}"),
                ("hdfs.withoutTimestamp", "now"),
            ],
        );
    let mut host = Host::start(&scratch, "agent", &file.text());
    let odd = ["h".repeat(300), "h/".repeat(3_000), "../x".to_owned()];
    let mut lines = String::new();
    for name in &odd {
        lines.push_str(&format!("host {name} at 1000\n"));
    }
    let sent = flume_tests::host::command(&["send", "--to", &format!("127.0.0.1:{input}")], &lines);
    assert!(sent.status.success(), "{}", sent.stderr);
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    host.await_delivered("c1", EVENTS + odd.len() as u64, PATIENCE);
    assert!(host.term(PATIENCE).success(), "the agent ends well");
    let here = |path: std::path::PathBuf| Landing::Folder(path);
    let years = std::fs::read_dir(&landed).unwrap();
    let years = years.map(|entry| here(entry.unwrap().path()));
    let years: Vec<Landing> = years.collect();
    let plain: usize = years.iter().map(|year| year.bodies().len()).sum();
    assert_eq!(
        plain as u64, EVENTS,
        "lines without a host and a time of their own"
    );
    let long = landed.join("1970");
    let names: Vec<String> = std::fs::read_dir(&long)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| name.len() == 200), "{names:?}");
}
