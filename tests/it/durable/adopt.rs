//! Goal: a node of Flume is replaced in place, and what was in its file channel is delivered once, in
//! order. Method: directories that real agents have left, with what is known to be in them.

use std::process::Command;

use flume_tests::{Landing, failing_disk, require};
use serde_json::Value;

use super::*;

/// The samples whose bodies are lines, and that hold nothing that may come twice.
const SAMPLES: [&str; 4] = [
    "01-clean-stop-1.8.0",
    "02-kill-under-load-1.8.0",
    "08-torn-commit-1.11.0",
    "16-clean-stop-while-delivering-1.8.0",
];

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/adopt/tests/data")
}

fn unpack(name: &str, into: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("-xzf")
        .arg(samples().join(format!("{name}.tar.gz")));
    let unpacked = tar.arg("-C").arg(into).status().expect("tar");
    assert!(unpacked.success());
    let folder = into.join(name);
    std::fs::rename(folder.join("data1"), folder.join("data")).unwrap();
}

/// The lines of a sample that were not delivered.
fn undelivered(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(samples().join(format!("{name}.json"))).unwrap();
    let known: Value = serde_json::from_str(&text).unwrap();
    let line = |event: &Value| {
        let hex = event["body"].as_str().expect("a short body");
        let byte = |pair: &[u8]| {
            let digits = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(digits, 16).unwrap()
        };
        String::from_utf8(hex.as_bytes().chunks(2).map(byte).collect()).unwrap()
    };
    known["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

/// An agent on these directories that writes lines to a folder.
fn successor(folder: &Path, lines: &Path) -> AgentFile {
    AgentFile::new("a1")
        .file_channel("c1", folder)
        .netcat("r1", ports::free())
        .file_roll("k1", lines, 100)
}

#[test]
fn what_flume_left_is_delivered_and_its_files_are_moved_away() {
    for name in SAMPLES {
        let scratch = Scratch::new();
        unpack(name, scratch.root());
        let expected = undelivered(name);
        let folder = scratch.root().join(name);
        let lines = scratch.folder("lines");
        let mut agent = Host::start(&scratch, "successor", &successor(&folder, &lines).text());
        let landed = Landing::Folder(lines);
        let all = || (landed.bodies().len() >= expected.len()).then(|| landed.bodies());
        let bodies = eventually("all have landed", PATIENCE, all);
        let bodies: Vec<String> = bodies
            .into_iter()
            .map(|body| String::from_utf8(body).unwrap())
            .collect();
        assert_eq!(bodies, expected, "{name}");
        assert!(
            agent.process().said("Flume's channel is adopted") == 1,
            "{name}"
        );
        for gone in ["data/log-1", "checkpoint/checkpoint"] {
            assert!(!folder.join(gone).exists(), "{name}: {gone}");
        }
        // The next start has nothing to adopt, and delivers nothing again.
        assert!(agent.term(PATIENCE).success());
        agent.restart();
        assert_eq!(agent.counter("CHANNEL.c1", "EventFoundCount"), 0, "{name}");
        assert_eq!(
            agent.process().said("Flume's channel is adopted"),
            0,
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_adopted_or_may_not_be_is_left_alone() {
    let encrypted = ("13-encrypted-1.8.0", "auto", "encrypt");
    let refused = ("01-clean-stop-1.8.0", "refuse", "`adopt` is `refuse`");
    for (name, adopt, why) in [encrypted, refused] {
        let scratch = Scratch::new();
        unpack(name, scratch.root());
        let folder = scratch.root().join(name);
        let before = listing(&folder);
        let text = successor(&folder, &scratch.folder("lines"))
            .set("channels.c1.adopt", adopt)
            .text();
        let file = scratch.file("successor.properties", &text);
        let mut agent = Host::begin(&scratch, "successor", &file, &[]);
        assert!(!agent.process().wait(PATIENCE).success(), "{name}");
        let log = agent.process().log();
        assert!(log.contains(why), "{name}: {log}");
        let mut after = listing(&folder);
        after.retain(|path| !path.ends_with("owner.lock"));
        assert!(
            before.iter().all(|path| after.contains(path)),
            "{name}: {after:?}"
        );
    }
}

/// Whatever fails for good in the midst of an adoption: it is said which file, and what to do, and a start with
/// a disk that works goes on.
#[test]
fn a_disk_that_fails_while_flumes_events_are_adopted_loses_and_doubles_none() {
    let name = "02-kill-under-load-1.8.0";
    let expected = undelivered(name);
    // A log tries another segment when one fails.
    let segments = || (1..10).map(|generation| format!("data/{generation:020}.log"));
    let log = || vec!["data/log-1".to_owned()];
    for (calls, files, nth) in [
        // Flume's events are read, written to our log, and its files moved away.
        ("read,pread64", log(), 1),
        ("pwritev", segments().collect(), 2),
        ("rename,renameat,renameat2", log(), 1),
    ] {
        let scratch = Scratch::new();
        unpack(name, scratch.root());
        let folder = scratch.root().join(name);
        let lines = scratch.folder("lines");
        let text = successor(&folder, &lines).text();
        let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(file)).collect();
        let mut program = require!(failing_disk::program((calls, &paths), "EIO", nth));
        let config = scratch.file("successor.properties", &text);
        let mut agent = Host::begin_by(&mut program, &scratch, "successor", &config, &[]);
        assert!(!agent.process().wait(PATIENCE).success(), "{calls}");
        let log = agent.process().log();
        for said in ["Input/output error", "the next start goes on"] {
            assert!(log.contains(said), "{calls}: {said}: {log}");
        }
        let folder = folder.join("data").display().to_string();
        assert!(log.contains(&folder), "{calls}: {log}");
        let mut next = Host::start(&scratch, "next", &text);
        next.await_delivered("c1", expected.len() as u64, PATIENCE);
        assert!(next.term(PATIENCE).success());
        let bodies = Landing::Folder(lines).bodies().into_iter();
        let bodies: Vec<String> = bodies
            .map(|body| String::from_utf8(body).unwrap())
            .collect();
        assert_eq!(bodies, expected, "{calls}");
    }
}

/// The files below a folder.
pub(super) fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(listing(&path)),
            false => all.push(path),
        }
    }
    all
}
