//! Goal: a wall clock that jumps by days, forward and back, changes what is named by time and nothing
//! else: no event is lost or doubled, nothing waits for a day, nothing is counted as a day old.
//! Method: an agent with a clock of its own (libfaketime), under load. Lines get the header
//! `timestamp` and go into a folder by that day, and to a group of which one collector is missing.
//! Every line's folder is compared with the order of the jumps.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flume_tests::{
    AgentFile, Faketime, Feed, Host, Landing, Lines, Scratch, collector, eventually, host, landing,
    ports, require, say,
};
use jiff::Timestamp;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

/// No age or time since an event is longer; a jump is a day or more.
const SANE: u64 = 600;

const DAY: i64 = 24 * 3_600;

/// The distance to the real day, in days, one after the other.
const DAYS: [i64; 5] = [0, 1, -1, -5, 0];

const RATE: u64 = 500;

/// Lines that are acknowledged before each jump.
const SOME: u64 = 1_000;

/// Seconds until noon, so that no day ends by itself, and the day that is reached by a jump.
fn noon(days: i64) -> (i64, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.expect("a time after 1970").as_secs()).expect("a time");
    let distance = DAY / 2 - now % DAY + days * DAY;
    let then = Timestamp::from_second(now + distance).expect("a time");
    (distance, then.strftime("%Y-%m-%d").to_string())
}

fn sender(input: u16, dated: &str, plain: &Path, works: u16, missing: u16) -> AgentFile {
    AgentFile::new("a1")
        .memory("c1", 100_000, 1_000)
        .memory("c2", 100_000, 1_000)
        .memory("c3", 100_000, 1_000)
        .netcat("r1", input)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "timestamp")
        .lines_in("k1", &format!("file://{dated}/%Y-%m-%d"), 100)
        .rolls("k1", 2, 0, 0)
        .sink_keys("k1", &[("hdfs.idleTimeout", "2")])
        .file_roll("k2", plain, 100)
        .drains("k2", "c2")
        .avro_sink("k3", works, 50)
        .avro_sink("k4", missing, 50)
        .drains("k3", "c3")
        .drains("k4", "c3")
        .group(
            "k3 k4",
            &[
                ("type", "load_balance"),
                ("backoff", "true"),
                ("selector.maxTimeOut", "2000"),
            ],
        )
}

/// Every number that says how long ago something was, or how long it will take.
fn assert_sane(host: &Host, began: Instant) {
    let metrics = host.metrics();
    for channel in ["CHANNEL.c1", "CHANNEL.c2", "CHANNEL.c3"] {
        let age = metrics[channel]["OldestEventAge"].as_str();
        let age: f64 = age.and_then(|text| text.parse().ok()).expect("an age");
        assert!((0.0..SANE as f64).contains(&age), "{channel}: {age}");
    }
    let groups = host.page("/groups").expect("an answer").1;
    let groups: Value = serde_json::from_str(&groups).expect("JSON");
    for group in groups["a1"].as_object().expect("groups").values() {
        for sink in group["sinks"].as_array().expect("sinks") {
            for time in ["since", "last-success", "last-error"] {
                let ago = sink[time]["seconds-ago"].as_u64().unwrap_or(0);
                assert!(ago <= began.elapsed().as_secs(), "{time}: {sink}");
            }
            assert!(sink["penalty-ms"].as_u64().unwrap_or(0) <= 2_000, "{sink}");
        }
    }
    // "failing sink k4 of a1 for 12 s: …"
    let text = host.page("/healthz").expect("an answer").1;
    let mut times = text
        .lines()
        .filter_map(|line| line.split_once(" a1 for ")?.1.split_once(" s"));
    let since: u64 = times
        .next()
        .and_then(|(time, _)| time.parse().ok())
        .unwrap_or_else(|| panic!("no trouble with its time: {text}"));
    assert!(since <= began.elapsed().as_secs(), "{text}");
}

/// The days of all lines, in the order of the lines, each once.
fn days_in_order(dated: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(dated).expect("the folder of the days") {
        let path = entry.expect("a day").path();
        let day = path
            .file_name()
            .expect("a day")
            .to_string_lossy()
            .into_owned();
        for body in Landing::Folder(path).bodies() {
            let text = String::from_utf8(body).expect("a line");
            let number = text
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse::<u64>().ok());
            lines.push((number.expect("a number"), day.clone()));
        }
    }
    lines.sort();
    lines.dedup_by(|(_, next), (_, day)| next == day);
    lines.into_iter().map(|(_, day)| day).collect()
}

/// Every line is in the folder of its day, once, and all files are closed.
fn assert_dated(dated: &str, sent: u64) {
    // Also those of days that are over were closed by their intervals.
    let jumps = DAYS.map(|days| noon(days).1);
    let folders = || jumps.iter().map(|day| PathBuf::from(dated).join(day));
    let open = |path: &PathBuf| path.extension().is_some_and(|end| end == "tmp");
    eventually("all files are closed", PATIENCE, || {
        let files = folders()
            .flat_map(|day| landing::files(&day))
            .collect::<Vec<_>>();
        (!files.iter().any(open)).then_some(())
    });
    let dated_landed: Vec<Landing> = folders().map(Landing::Folder).take(4).collect();
    let all: Vec<&Landing> = dated_landed.iter().collect();
    landing::await_count(&all, "n", sent, PATIENCE).assert_exact("dated folders");
    assert_eq!(days_in_order(dated), jumps);
}

#[test]
fn a_clock_that_jumps_moves_nothing_but_names() {
    let faketime = require!(Faketime::resolve());
    let scratch = Scratch::new();
    let [input, works, missing] = std::array::from_fn(|_| ports::free());
    let (dated, plain) = (scratch.folder("dated"), scratch.folder("plain"));
    let dated = dated.display().to_string();
    let (_works, works_landed) = collector(&scratch, "works", works);
    let file = sender(input, &dated, &plain, works, missing);
    let text = file.text();
    let text = text.replace("k2.sink.rollInterval = 0", "k2.sink.rollInterval = 2");
    let file = scratch.file("sender.properties", &text);
    let mut command = host::program();
    let clock = faketime.set(command.env("TZ", "UTC"), scratch.path("clock"));
    clock.jump(noon(0).0);
    let began = Instant::now();
    let sender = Host::run_by(&mut command, &scratch, "sender", &file, &[]);
    let feed = Feed::start(input, Lines::new("n", 1_000_000).rate(RATE));
    let failures = || sender.counter("SINK.k4", "EventWriteFail");
    for days in DAYS {
        let (distance, day) = noon(days);
        clock.jump(distance);
        let before = failures();
        feed.await_acknowledged(feed.acknowledged() + SOME, PATIENCE);
        let folder = PathBuf::from(&dated).join(&day);
        eventually(&format!("lines of {day}"), PATIENCE, || {
            folder.is_dir().then_some(())
        });
        eventually("the penalty ends", PATIENCE, || {
            (failures() > before).then_some(())
        });
        assert_sane(&sender, began);
    }
    let tries = failures();
    let seconds = began.elapsed().as_secs();
    assert!(
        tries <= seconds + 5,
        "{tries} tries of a missing collector in {seconds} s"
    );
    let (_missing, missing_landed) = collector(&scratch, "missing", missing);
    eventually("the missing collector is used", PATIENCE, || {
        (!missing_landed.bodies().is_empty()).then_some(())
    });
    let replies = feed.stop(PATIENCE);
    replies.assert_all_acknowledged();
    let sent = replies.acknowledged.len() as u64;
    let both = [&works_landed, &missing_landed];
    landing::await_count(&both, "n", sent, PATIENCE).assert_exact("through the group");
    let plain = Landing::Folder(plain);
    landing::await_count(&[&plain], "n", sent, PATIENCE).assert_exact("file_roll");

    assert_dated(&dated, sent);
    let files = sender.counter("SINK.k2", "ConnectionCreatedCount");
    let seconds = began.elapsed().as_secs();
    say::line(&format!(
        "{seconds} s, {sent} lines, {tries} tries, {files} files of file_roll"
    ));
    assert!(
        (3..=seconds).contains(&files),
        "{files} files of 2 s in {seconds} s"
    );
}
