//! The log in a real folder whose system calls fail, as `strace` makes them: what was acknowledged is
//! there, or told to be lost.
//!
//! Each test has this program run one of its tests again, under `strace`.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use super::say;
use crate::disk::Folder;
use crate::tests::*;
use crate::{Log, tests};

/// The test that is run again.
const AGAIN: &str = "tests::full::strace::puts_into_a_folder_are_acknowledged";

/// Puts of two records each; a segment has room for about ten.
const PUTS: u64 = 40;

const ROOMY: Options = Options {
    segment_bytes: 128 << 10,
    sync: Sync::Always,
};

fn open(folder: &Path) -> Result<Log, LogError> {
    let disk = Folder::own(folder).map_err(LogError::disk("own the folder"))?;
    Ok(Log::open(Arc::new(disk), ROOMY)?.0)
}

#[test]
fn puts_into_a_folder_are_acknowledged() {
    let given = std::env::var_os("FLUME_LOG_FOLDER");
    let made = tempfile::tempdir().unwrap();
    let log = open(given.as_deref().map_or(made.path(), Path::new)).unwrap();
    for number in 0..PUTS {
        let (done, told) = mpsc::channel();
        let put = tests::put(number * 2..number * 2 + 2, 3_000);
        log.put(put, Box::new(move |put| done.send(put).unwrap()));
        match told.recv().unwrap() {
            Ok(_) => say(&format!("acked {number}")),
            Err(error) if given.is_some() => say(&format!("refused {number} {error}")),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What became of a run under `strace`.
struct Run {
    acked: Vec<u64>,
    refused: usize,
    /// What is there after it, and what is told to be lost.
    there: Vec<u64>,
    lost: Vec<u64>,
}

impl Run {
    /// Of a call and what becomes of it; `None` if there is no `strace`.
    fn with(call: &str, fault: &str) -> Option<Self> {
        // Some machines have it, and do not let it look at another process.
        let mut tried = Command::new("strace");
        tried.args(["-qq", "-o", "/dev/null", "true"]);
        let missing = match tried.output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = missing {
            let required = std::env::var("FLUME_TESTS_REQUIRE_PEERS").is_ok_and(|is| is == "1");
            assert!(!required, "strace: {why}");
            say(&format!("skipped: {call}:{fault}: strace: {}", why.trim()));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={call}"))
            .arg("-e")
            .arg(format!("inject={call}:{fault}"))
            .arg(std::env::current_exe().unwrap())
            .args([AGAIN, "--exact", "--nocapture", "--test-threads=1"])
            .env("FLUME_LOG_FOLDER", folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let numbers = |word: &str| -> Vec<u64> {
            let lines = said.lines().filter_map(|line| line.strip_prefix(word));
            let first = lines.filter_map(|line| line.split(' ').next()?.parse().ok());
            first.collect()
        };
        let (acked, refused) = (numbers("acked "), numbers("refused ").len());
        assert!(!acked.is_empty(), "{said}");
        let mut reader = open(folder.path()).unwrap().reader();
        let (mut there, mut lost) = (Vec::new(), Vec::new());
        loop {
            match reader.read().unwrap() {
                Read::Records(records) => {
                    there.extend(records.iter().map(|(_, bytes)| number(bytes)));
                }
                Read::Damaged(damage) => lost.extend(damage.first..damage.first + damage.lost),
                Read::End => break,
            }
        }
        let run = Self {
            acked,
            refused,
            there,
            lost,
        };
        run.check(&format!("{call}:{fault}"));
        Some(run)
    }

    /// What was acknowledged is there, once and in order, or told to be lost.
    fn check(&self, what: &str) {
        let there = &self.there;
        assert!(there.is_sorted_by(|a, b| a < b), "{what}: {there:?}");
        let acked = self.acked.iter().flat_map(|put| [put * 2, put * 2 + 1]);
        let missing = acked.filter(|record| !there.contains(record)).count();
        assert_eq!(missing, self.lost.len(), "{what}: {:?}", self.lost);
    }

    /// No put was refused, and none lost.
    fn assert_all(self) {
        assert_eq!((self.acked.len() as u64, self.refused), (PUTS, 0));
        assert_eq!(self.lost, [0; 0]);
    }

    /// Some puts were refused, and none lost.
    fn assert_some(self) {
        assert_eq!((self.acked.len() + self.refused) as u64, PUTS);
        assert!(self.refused > 0 && self.lost.is_empty(), "{:?}", self.lost);
    }
}

#[test]
fn a_call_that_fails_once_refuses_no_put() {
    for (call, fault) in [
        ("fdatasync", "error=EIO:when=3"),
        ("pwritev", "error=ENOSPC:when=5"),
        ("pwritev", "error=EINTR:when=5"),
        // Nothing is written, and no error is said.
        ("pwritev", "retval=0:when=5"),
        ("fsync", "error=EIO:when=2"),
        ("fallocate", "error=EIO:when=2"),
    ] {
        let Some(run) = Run::with(call, fault) else {
            return;
        };
        run.assert_all();
    }
}

#[test]
fn calls_that_fail_on_and_on_refuse_puts_and_lose_none() {
    for (call, fault) in [
        ("fdatasync", "error=EIO:when=3+"),
        ("pwritev", "error=ENOSPC:when=5+"),
        ("fsync", "error=EIO:when=2+"),
        ("fallocate", "error=ENOSPC:when=2+"),
    ] {
        let Some(run) = Run::with(call, fault) else {
            return;
        };
        run.assert_some();
    }
}

#[test]
fn a_process_that_is_killed_in_a_call_has_what_it_acknowledged() {
    for call in ["fdatasync", "pwritev", "fsync"] {
        let Some(run) = Run::with(call, "signal=KILL:when=2") else {
            return;
        };
        assert_eq!((run.refused, run.lost.len()), (0, 0));
        assert!((run.acked.len() as u64) < PUTS);
    }
}

#[test]
fn what_a_system_says_it_wrote_and_did_not_is_told() {
    let Some(run) = Run::with("pwritev", "retval=100:when=5") else {
        return;
    };
    assert_eq!((run.acked.len() as u64, run.refused), (PUTS, 0));
    assert_eq!(run.lost.len(), 2, "the records of one put");
}
