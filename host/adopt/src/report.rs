//! What was found: how many events, what may come twice, and what is damaged.

use std::fmt;
use std::path::PathBuf;

/// Places that a report lists; more are counted.
pub(crate) const LISTED: usize = 1000;

/// What was found in the directories of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that are not delivered.
    pub events: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Logs that were read.
    pub logs: u64,
    /// Their bytes, with the fill.
    pub log_bytes: u64,
    /// Records in them.
    pub records: u64,
    /// From which state on the logs count.
    pub start: Start,
    /// Checkpoints that are there and were not used, and why.
    pub unused: Vec<(PathBuf, String)>,
    /// Events that may have been delivered, or never acknowledged, by reason.
    pub doubles: Doubles,
    /// Events that were not delivered, and can no longer be read.
    pub unreadable: u64,
    /// Events that Flume's integrity tool has taken out.
    pub voided: u64,
    /// Events with a text in a header that is no text any more; it was replaced as far as needed.
    pub repaired_headers: u64,
    /// Records about events, or transactions, that are nowhere: some field of a record is damaged.
    pub strays: u64,
    /// Damaged places, at most a thousand of them.
    pub damages: Vec<Damage>,
    /// All damaged places.
    pub damaged_places: u64,
    /// Numbers of logs that are missing among the others: deleted, or in a directory that was not
    /// named.
    pub missing_logs: Vec<u32>,
    /// Nobody could tell whether a Flume still has the files open.
    pub is_running_unknown: bool,
}

/// From which state on the logs count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// The checkpoint.
    Checkpoint,
    /// The copy of an older checkpoint.
    Backup,
    /// The beginning of the logs.
    #[default]
    Logs,
}

/// Events that were adopted though they may come twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doubles {
    /// Taken by a sink that had not committed: as after any kill of Flume.
    pub in_flight: u64,
    /// Put by a transaction whose commit may be in a damaged place.
    pub put_in_damage: u64,
    /// At most so many may have been taken by records in damaged places.
    pub taken_in_damage: u64,
    /// Put before the oldest log of another data directory, and without a checkpoint: a log with
    /// their takes may have been deleted.
    pub taken_in_deleted: u64,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The log.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// What it does.
    pub harm: Harm,
}

/// What damage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The last record was begun and not finished. Nobody was told that it is safe.
    Torn,
    /// An event that cannot be read.
    Event,
    /// An event that is larger than the limit.
    TooLarge,
    /// The length of a record; it was read nevertheless.
    Length,
    /// A record that is no event: a take, a rollback or a commit.
    Record,
    /// Whatever was there.
    Lost,
}

impl Harm {
    /// Whether a take or a commit may be hidden there.
    pub(crate) fn hides(self) -> bool {
        matches!(self, Self::Record | Self::Lost)
    }
}

impl Report {
    /// Whether every event is known to be there exactly once, apart from those that were in flight.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        let Doubles {
            in_flight: _,
            put_in_damage,
            taken_in_damage,
            taken_in_deleted,
        } = self.doubles;
        put_in_damage + taken_in_damage + taken_in_deleted == 0
            && self.unreadable + self.repaired_headers + self.strays + self.voided == 0
            && !self.damages.iter().any(|place| place.harm != Harm::Torn)
            && self.missing_logs.is_empty()
    }

    pub(crate) fn damage(&mut self, damage: Damage) {
        self.damaged_places += 1;
        if self.damages.len() < LISTED {
            self.damages.push(damage);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, bytes) = (Count(self.events, "event"), self.body_bytes);
        writeln!(f, "{events} not delivered, {bytes} bytes of bodies")?;
        let (logs, records) = (Count(self.logs, "log"), Count(self.records, "record"));
        writeln!(f, "read {logs}, {} bytes, {records}", self.log_bytes)?;
        writeln!(f, "{}", self.start)?;
        for (path, why) in &self.unused {
            writeln!(f, "not used: {}: {why}", path.display())?;
        }
        self.doubles.fmt(f)?;
        for (count, what) in [
            (self.unreadable, "that can no longer be read"),
            (self.voided, "taken out by Flume's integrity tool"),
            (self.repaired_headers, "with damaged texts in headers"),
        ] {
            if count > 0 {
                writeln!(f, "{} {what}", Count(count, "event"))?;
            }
        }
        if self.strays > 0 {
            let strays = Count(self.strays, "record");
            writeln!(f, "{strays} about events or transactions that are nowhere")?;
        }
        for damage in &self.damages {
            writeln!(f, "{damage}")?;
        }
        let listed = u64::try_from(self.damages.len()).unwrap_or(u64::MAX);
        if self.damaged_places > listed {
            let more = self.damaged_places - listed;
            writeln!(f, "{} more", Count(more, "damaged place"))?;
        }
        if let Some((first, others)) = self.missing_logs.split_first() {
            write!(f, "not there: log-{first}")?;
            others.iter().try_for_each(|log| write!(f, ", log-{log}"))?;
            writeln!(f, ": deleted, or in a data directory that is not named")?;
        }
        if self.is_running_unknown {
            writeln!(f, "nobody can tell here whether a Flume still runs")?;
        }
        Ok(())
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "began at the checkpoint",
            Self::Backup => "began at the backup of a checkpoint",
            Self::Logs => "began at the beginning of the logs, without a checkpoint",
        })
    }
}

impl fmt::Display for Doubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, why) in [
            (self.in_flight, "a sink was delivering when Flume ended"),
            (self.put_in_damage, "the commit may be in a damaged place"),
            (self.taken_in_deleted, "a deleted log may have had the take"),
        ] {
            if count > 0 {
                writeln!(f, "{} may come twice: {why}", Count(count, "event"))?;
            }
        }
        if self.taken_in_damage > 0 {
            let most = Count(self.taken_in_damage, "event");
            writeln!(f, "at most {most} may come twice: takes may be in damage")?;
        }
        Ok(())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, bytes) = (self.file.display(), Count(self.length, "byte"));
        let what = match self.harm {
            Harm::Torn => "a record that was not finished",
            Harm::Event => "an event that cannot be read",
            Harm::TooLarge => "an event that is too large",
            Harm::Length => "the length of a record, which was read nevertheless",
            Harm::Record => "a take, a rollback or a commit that cannot be read",
            Harm::Lost => "unknown",
        };
        write!(f, "{file}: {bytes} at {} damaged: {what}", self.offset)
    }
}

/// A number of things, in words.
struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {what}{plural}")
    }
}
