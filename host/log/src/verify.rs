//! A second reader of the format: what a log's files hold, without opening it.
//!
//! It follows the tables of `segment.rs` and `frame.rs`, and shares no code with the reader that
//! delivers, so that each can be checked by the other. It changes nothing, and needs no lock: of a log
//! that is written meanwhile it sees some moment. [`repair`] alone opens the log.

use std::io;
use std::ops::{ControlFlow, Range};

use crate::disk::Disk;
use crate::error::LogError;

mod chain;
mod format;
mod ranges;
mod repair;
mod walk;

use self::chain::Chain;
use self::format::{Frame, Source};
use self::ranges::Ranges;
pub use self::repair::repair;
use self::walk::{Gap, Walk};

/// How far a look at all files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were looked at.
    pub done: u64,
    /// Bytes in all.
    pub all: u64,
}

/// What the files of a log hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Segments in order.
    pub segments: Vec<SegmentReport>,
    /// Segments that were begun and never used, or of which nothing can be read.
    pub unused: Vec<String>,
    /// Files that are kept to be used again.
    pub spares: Vec<String>,
    /// The sequence of the next record.
    pub next: u64,
    /// All records below are settled.
    pub settled_low: u64,
    /// Settled records above: the first of each range, and its end.
    pub settled: Vec<(u64, u64)>,
    /// Records that are not settled, the lost ones included.
    pub waiting: u64,
    /// Records that are lost: those of all damaged ranges.
    pub lost: u64,
    /// Records of the last commits, which were not finished.
    pub torn: u64,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub file: String,
    /// Its number; each life of a file has its own.
    pub generation: u64,
    /// Whether its head can be read. If not, it was made up from the frames.
    pub has_head: bool,
    /// The sequence of its first record.
    pub first: u64,
    /// The sequence behind its last record.
    pub next: u64,
    /// Where its frames end.
    pub end: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Whole frames.
    pub frames: u64,
    /// What cannot be read, in order.
    pub damaged: Vec<DamagedRange>,
}

/// Bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRange {
    /// Where they are. Empty where a segment before is missing.
    pub bytes: Range<u64>,
    /// The first record that is lost, or the next one that is not.
    pub first: u64,
    /// Records that are lost. What was settled is not among them.
    pub lost: u64,
}

/// Whether there is a log, whatever its files hold.
///
/// # Errors
/// The folder cannot be read.
pub fn is_log(disk: &dyn Disk) -> Result<bool, LogError> {
    let names = disk.list().map_err(LogError::disk("read the folder"))?;
    Ok(names.iter().any(|name| chain::is_segment(name)))
}

/// Looks at all files of a log.
///
/// # Errors
/// A file cannot be read.
pub fn inspect(
    disk: &dyn Disk,
    progress: &mut dyn FnMut(Progress),
) -> Result<Inspection, LogError> {
    Ok(look(disk, progress)?.0)
}

/// Hands out all records that are not settled, with their sequences, until that breaks; and says what the
/// files hold. (All is looked at before, as what is settled is said at the end.)
///
/// They come in order; but those of `first` come before all others, up to the first one there that is lost.
///
/// # Errors
/// A file cannot be read.
pub fn export(
    disk: &dyn Disk,
    first: Range<u64>,
    progress: &mut dyn FnMut(Progress),
    each: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<Inspection, LogError> {
    let (inspection, settled) = look(disk, &mut |_| {})?;
    let first = first.start..whole_until(&inspection, &first);
    let turns: &[bool] = match first.is_empty() {
        true => &[false],
        false => &[true, false],
    };
    let (mut before, count) = (0, turns.len() as u64);
    for &is_first in turns {
        let progress = &mut |Progress { done, all }| {
            let (done, all) = (before * all + done, count * all);
            progress(Progress { done, all });
        };
        let each = &mut |frame: &Frame, source: &Source| {
            if is_first && (frame.next() <= first.start || first.end <= frame.sequence) {
                return Ok(ControlFlow::Continue(()));
            }
            for (sequence, record) in frame.records(&source.payload(frame)?) {
                let is_its_turn = first.contains(&sequence) == is_first;
                if is_its_turn && !settled.has(sequence) && each(sequence, record).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        if walks(&mut Chain::of(disk)?, progress, each)?.is_none() {
            break;
        }
        before += 1;
    }
    Ok(inspection)
}

/// Up to where nothing of a range is lost.
fn whole_until(inspection: &Inspection, range: &Range<u64>) -> u64 {
    let damaged = inspection.segments.iter().flat_map(|it| &it.damaged);
    let lost = damaged.filter(|damaged| damaged.lost > 0 && range.contains(&damaged.first));
    lost.map(|damaged| damaged.first).min().unwrap_or(range.end)
}

/// What is called with each put frame and the file in which it is.
type Each<'a> = &'a mut dyn FnMut(&Frame, &Source) -> io::Result<ControlFlow<()>>;

/// Walks through all segments; `None` if `each` broke that off.
fn walks(
    chain: &mut Chain,
    progress: &mut dyn FnMut(Progress),
    each: Each<'_>,
) -> Result<Option<Vec<Walk>>, LogError> {
    let all = chain.links.iter().map(|link| link.source.length).sum();
    let (mut done, mut expected) = (0, 0);
    let mut walks: Vec<Walk> = Vec::new();
    for link in &mut chain.links {
        let walk = walk::walk(link, expected, each);
        let walk = walk.map_err(LogError::disk(format!("read {}", link.name)))?;
        let Some(walk) = walk else { return Ok(None) };
        done += link.source.length;
        progress(Progress { done, all });
        expected = walk.next;
        walks.push(walk);
    }
    Ok(Some(walks))
}

fn look(
    disk: &dyn Disk,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Inspection, Ranges), LogError> {
    let mut chain = Chain::of(disk)?;
    let goes_on = &mut |_: &Frame, _: &Source| Ok(ControlFlow::Continue(()));
    let mut walks = walks(&mut chain, progress, goes_on)?.unwrap_or_default();
    let expected = walks.last().map_or(0, |walk| walk.next);
    let mut inspection = Inspection {
        unused: chain.unused,
        spares: chain.spares,
        next: expected,
        ..Inspection::default()
    };
    let said = walks.iter().rev().find_map(|walk| walk.settle.clone());
    let (mut settled, until) = match said {
        Some((settled, until)) => (settled, until),
        None => {
            let first = chain.links.first().map_or(0, |link| link.first);
            (Ranges::below(first), 0)
        }
    };
    let is_said_by_last = walks.last().is_some_and(|walk| walk.settle.is_some());
    let until = if is_said_by_last { until } else { 0 };
    let torn = walks.last_mut().map(Walk::take_torn).unwrap_or_default();
    for (first, end) in torn {
        inspection.torn += settled.missing(first, end);
        settled.add(first, end);
    }
    let high = settled.high();
    inspection.torn += settled.missing(expected, until.max(high));
    settled.add(expected, high);
    inspection.next = expected.max(high);
    inspection.waiting = settled.missing(0, inspection.next);
    for (link, walk) in chain.links.iter().zip(walks) {
        let damaged: Vec<_> = walk.gaps.iter().map(|gap| damaged(gap, &settled)).collect();
        inspection.lost += damaged.iter().map(|range| range.lost).sum::<u64>();
        inspection.segments.push(SegmentReport {
            file: link.name.clone(),
            generation: link.generation,
            has_head: link.has_head,
            first: link.first,
            next: walk.next,
            end: walk.end,
            bytes: link.source.length,
            frames: walk.frames,
            damaged,
        });
    }
    (inspection.settled_low, inspection.settled) = settled.clone().parts();
    Ok((inspection, settled))
}

fn damaged(gap: &Gap, settled: &Ranges) -> DamagedRange {
    DamagedRange {
        bytes: gap.from..gap.to,
        first: settled.next_missing(gap.first),
        lost: settled.missing(gap.first, gap.end),
    }
}
