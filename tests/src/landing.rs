//! Where a scenario's events end up, and how to wait until they have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::eventually::within;
use crate::tally::Tally;

/// How long to wait for duplicates after the count is complete.
const SETTLE: Duration = Duration::from_millis(500);

/// How long to wait between two counts: each reads everything that has landed.
const BETWEEN_COUNTS: Duration = Duration::from_millis(100);

/// A place that keeps what has arrived.
#[derive(Clone, Debug)]
pub enum Landing {
    /// A folder into which `file_roll` writes bodies as lines.
    Folder(PathBuf),
    /// A file into which the avsc server writes events as JSON lines.
    Events(PathBuf),
}

/// An event as the avsc server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// `append` or `appendBatch`.
    pub call: String,
    /// The call's number: events of one batch share it.
    pub number: u64,
    /// Names and values, sorted.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Landing {
    /// The bodies that have arrived. A line that is still being written is left for the next time.
    #[must_use]
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Folder(folder) => files(folder).iter().flat_map(|path| lines(path)).collect(),
            Self::Events(_) => self.events().into_iter().map(|event| event.body).collect(),
        }
    }

    /// The events that the avsc server has written.
    ///
    /// # Panics
    /// For a folder: `file_roll` keeps bodies only.
    #[must_use]
    pub fn events(&self) -> Vec<Arrived> {
        let Self::Events(path) = self else {
            panic!("{self:?} has bodies only")
        };
        lines(path).iter().map(|line| event(line)).collect()
    }

    /// How many bytes have landed: it changes when something arrives.
    fn size(&self) -> u64 {
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        match self {
            Self::Folder(folder) => files(folder).iter().map(length).sum(),
            Self::Events(path) => length(path),
        }
    }
}

/// Counts what has landed in all of `landings` together.
#[must_use]
pub fn count(landings: &[&Landing], prefix: &str, count: u64) -> Tally {
    let mut tally = Tally::new(prefix, count);
    for body in landings.iter().flat_map(|landing| landing.bodies()) {
        tally.add(&body);
    }
    tally
}

/// Waits until each of `expected` events has landed, or `patience` is over, then a moment longer
/// for duplicates, and returns the count, which the scenario checks.
#[must_use]
pub fn await_count(
    landings: &[&Landing],
    prefix: &str,
    expected: u64,
    patience: Duration,
) -> Tally {
    await_tally(landings, prefix, expected, patience, |tally| {
        tally.arrived() == expected
    })
}

/// Waits until the last of `expected` events has landed, whether or not others are missing:
/// channels keep their order, so an event that is missing then will not arrive.
#[must_use]
pub fn await_last(landings: &[&Landing], prefix: &str, expected: u64, patience: Duration) -> Tally {
    await_tally(landings, prefix, expected, patience, |tally| {
        tally.has(expected - 1)
    })
}

/// Waits until the count is as `wanted`, or `patience` is over, then a moment longer for
/// duplicates, and returns the count.
#[must_use]
pub fn await_tally(
    landings: &[&Landing],
    prefix: &str,
    expected: u64,
    patience: Duration,
    wanted: impl Fn(&Tally) -> bool,
) -> Tally {
    let size = || -> u64 { landings.iter().map(|landing| landing.size()).sum() };
    let mut seen = None;
    let found = within(patience, || {
        std::thread::sleep(BETWEEN_COUNTS);
        let now = size();
        if seen.replace(now) == Some(now) {
            return None;
        }
        wanted(&count(landings, prefix, expected)).then_some(())
    });
    if found.is_some() {
        std::thread::sleep(SETTLE);
    }
    count(landings, prefix, expected)
}

/// The files of a folder, sorted.
///
/// # Panics
/// When there is no such folder.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of a landing exists");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let whole = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |last| last + 1);
    let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| line[..line.len() - 1].to_vec()).collect()
}

fn event(line: &[u8]) -> Arrived {
    let value: Value = serde_json::from_slice(line).expect("the avsc server writes JSON lines");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let headers = value["headers"].as_object().expect("headers are an object");
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    headers.sort();
    Arrived {
        call: text(&value["call"]),
        number: value["number"].as_u64().expect("a call's number"),
        headers,
        body: unhex(value["hex"].as_str().expect("a body in hexadecimal")),
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits
        .map(|digits| pair(digits).expect("hexadecimal digits"))
        .collect()
}
