//! The directories that real Flume left behind, with the events that it had not delivered.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{Directories, Event, Found, Holds, Limits, Report, find};

/// All samples.
pub(super) const NAMES: &[&str] = &[
    "01-clean-stop-1.8.0",
    "02-kill-under-load-1.8.0",
    "05-bodies-and-headers-1.11.0",
    "08-torn-commit-1.11.0",
    "09-backup-checkpoint-1.11.0",
    "13-encrypted-1.8.0",
    "16-clean-stop-while-delivering-1.8.0",
];

/// A sample, unpacked.
pub(super) struct Sample {
    pub(super) directories: Directories,
    pub(super) said: Value,
    _folder: TempDir,
}

/// What counts of an event: sorted headers, and the body or its digest.
pub(super) type Shown = (Vec<(String, String)>, String);

impl Sample {
    pub(super) fn new(name: &str) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let folder = tempfile::tempdir().unwrap();
        let packed = File::open(data.join(format!("{name}.tar.gz"))).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(packed));
        archive.unpack(folder.path()).unwrap();
        let said = fs::read(data.join(format!("{name}.json"))).unwrap();
        Self {
            directories: Directories::within(&[folder.path().join(name)]).unwrap(),
            said: serde_json::from_slice(&said).unwrap(),
            _folder: folder,
        }
    }

    /// The log, of which each sample has one.
    pub(super) fn log(&self) -> PathBuf {
        self.directories.data[0].join("log-1")
    }

    /// The events that the sample is said to hold.
    pub(super) fn expected(&self) -> Vec<Shown> {
        let events = self.said["events"].as_array().unwrap();
        let shown = events.iter().map(|event| {
            let headers = event["headers"].as_object().unwrap();
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
            let body = event["body"].as_str().or(event["sha256"].as_str());
            (headers.collect(), body.unwrap().to_owned())
        });
        shown.collect()
    }
}

/// An event as the samples describe it.
pub(super) fn shown(event: &Event) -> Shown {
    let headers = event.headers.iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    headers.sort();
    let digest = Sha256::digest(&event.body);
    let bytes = if event.body.len() > 256 {
        &digest[..]
    } else {
        &event.body
    };
    (
        headers,
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    )
}

/// The channel that must be there.
pub(super) fn found(directories: &Directories) -> Box<Found> {
    match find(directories, Limits::default()).unwrap() {
        Holds::Channel(found) => found,
        other => panic!("{other:?}"),
    }
}

/// All events of a channel.
pub(super) fn read(directories: &Directories) -> (Vec<Event>, Report) {
    let mut events = Vec::new();
    let report = found(directories).read(0, |event| {
        events.push(event);
        Ok::<_, std::fmt::Error>(())
    });
    (events, report.unwrap())
}
