//! The audit log: who changed which policy, when, from which version to which, by which way, and what
//! became of it. A change that is refused is a line, too.
//!
//! Lines are in the ordinary log, under the target `audit`, whatever its level; with `--audit-log FILE`
//! also in a file, as one JSON object each:
//!
//! | key | value |
//! |---|---|
//! | `time` | when it was done or refused |
//! | `who` | a user (`uid 1000`), an address, `token NAME`, the owner of the file, or what decided it |
//! | `way` | [`Way`] |
//! | `action` | `upload`, `restore`, `rollback`, or `load` for the content of the file |
//! | `policy` | `agent/stem` |
//! | `from`, `to` | digests: what ran, and what runs now or was refused; null where there is none |
//! | `result` | `done`; `failed`, after a trial; `refused`, without one |
//! | `why` | why it was not done |
//! | `left-out` | refusals before it that were not written |
//!
//! The law: the line of a change over the admin port or socket is written before its answer is sent. A
//! line that cannot be written is counted, and said in the ordinary log; the change holds. Refusals
//! without a trial are limited, since anybody can cause them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flume_core::{LogLimit, clock};
use parking_lot::Mutex;
use serde::Serialize;

pub(crate) use self::by::{By, Way};
use self::file::AuditFile;
use crate::logging;

mod by;
mod file;

/// Refusals that are written in each interval.
const MOST_REFUSED: u32 = 10;

/// The interval.
const REFUSED_EVERY: Duration = Duration::from_secs(10);

/// How often it is said that the file cannot be written.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// What was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Another version, over the admin port.
    Upload,
    /// Back to the version of the file.
    Restore,
    /// Back to the version before.
    RollBack,
    /// The content of the file.
    Load,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Restore => "restore",
            Self::RollBack => "rollback",
            Self::Load => "load",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// It was done.
    Done,
    /// It was tried, and what ran goes on.
    Failed(&'a str),
    /// It was not even tried.
    Refused(&'a str),
}

/// A change, or one that was not made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub by: &'a By,
    pub action: Action,
    pub policy: &'a str,
    /// The digest of the version that ran.
    pub from: Option<&'a str>,
    /// That of the version that runs now, or was to.
    pub to: Option<&'a str>,
    pub outcome: Outcome<'a>,
}

/// A line of the file.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    time: &'a str,
    who: &'a str,
    way: &'a str,
    action: &'a str,
    policy: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
}

/// The audit log of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Mutex<Option<AuditFile>>,
    failed: AtomicU64,
    refused: Mutex<LogLimit>,
    said: Mutex<LogLimit>,
}

impl Default for Audit {
    /// Without a file.
    fn default() -> Self {
        Self(Arc::new(Inner {
            file: Mutex::default(),
            failed: AtomicU64::new(0),
            refused: Mutex::new(LogLimit::new(MOST_REFUSED, REFUSED_EVERY)),
            said: Mutex::new(LogLimit::new(1, SAID_EVERY)),
        }))
    }
}

impl Audit {
    /// Has lines written to this file, too, from now on.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(crate) fn write_to(&self, path: &Path) -> io::Result<()> {
        let file = AuditFile::open(path)?;
        *self.0.file.lock() = Some(file);
        Ok(())
    }

    /// Opens the file again: the one that was open may have been moved away. This may block.
    pub(crate) fn reopen(&self) {
        if let Some(file) = &mut *self.0.file.lock()
            && let Err(error) = file.reopen()
        {
            let path = file.path().display();
            tracing::error!(%path, %error, "the audit log cannot be opened again, and goes on in the old file");
        }
    }

    /// Lines that could not be written.
    pub(crate) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Writes a line. This may block.
    pub(crate) fn record(&self, entry: &Entry<'_>) {
        let (result, why, left_out) = match entry.outcome {
            Outcome::Done => ("done", None, None),
            Outcome::Failed(why) => ("failed", Some(why), None),
            Outcome::Refused(why) => match self.0.refused.lock().admit(clock::now()) {
                None => return,
                Some(left_out) => ("refused", Some(why), Some(left_out).filter(|n| *n > 0)),
            },
        };
        let line = Line {
            time: &logging::timestamp(),
            who: &entry.by.who,
            way: entry.by.way.name(),
            action: entry.action.name(),
            policy: entry.policy,
            from: entry.from,
            to: entry.to,
            result,
            why,
            left_out,
        };
        log(&line);
        self.append(&line);
    }

    fn append(&self, line: &Line<'_>) {
        let mut file = self.0.file.lock();
        let Some(file) = &mut *file else {
            return;
        };
        let text = serde_json::to_string(line).map_err(io::Error::from);
        let appended = text.and_then(|text| file.append(&format!("{text}\n")));
        let Err(error) = appended else {
            return;
        };
        self.0.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(left_out) = self.0.said.lock().admit(clock::now()) {
            let path = file.path().display();
            tracing::error!(%path, %error, left_out, "the audit log cannot be written: this line is in this log alone");
        }
    }
}

/// A line of the ordinary log.
fn log(line: &Line<'_>) {
    let Line {
        who,
        way,
        action,
        policy,
        from,
        to,
        result,
        why,
        left_out,
        ..
    } = line;
    match why {
        None => tracing::info!(
            target: "audit", who, way, action, policy, from, to, result, "audit: a policy was changed"
        ),
        Some(why) => tracing::warn!(
            target: "audit", who, way, action, policy, from, to, result, why, left_out,
            "audit: a policy was not changed"
        ),
    }
}

#[cfg(test)]
pub(crate) mod tests;
