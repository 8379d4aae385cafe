//! What a folder holds, when a log is opened.
//!
//! Only the last segment is read as a whole: its frames say what is settled, and it is the only one
//! that may end in a torn frame. Where the others end is said by the segment after each. What is
//! damaged or missing is found, and told, by the reader.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::frame::{self, Kind};
use crate::scan::Scan;
use crate::segment::{FIRST_FRAME, Named, SegmentHead};
use crate::settled::Settled;
use crate::shared::Segment;
use crate::terms::Recovered;

/// Where a segment ends, if its successor does not say.
const UNKNOWN: u64 = u64::MAX;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) segments: Vec<Segment>,
    pub(crate) settled: Settled,
    /// The sequence of the next record.
    pub(crate) next: u64,
    /// The sequence behind all that was written, as far as it is known.
    until: u64,
    /// The largest generation of any file.
    pub(crate) generation: u64,
    pub(crate) spares: Vec<u64>,
    pub(crate) recovered: Recovered,
}

/// A segment as its file says, before it is known where it ends.
#[derive(Debug)]
struct Opened {
    head: SegmentHead,
    file: Arc<dyn DiskFile>,
    length: u64,
}

/// Looks at all files of a folder.
pub(crate) fn recover(disk: &dyn Disk) -> Result<Found, LogError> {
    let names = disk.list().map_err(LogError::disk("read the folder"))?;
    let names: Vec<Named> = names.iter().filter_map(|name| Named::of(name)).collect();
    let mut found = Found {
        generation: names
            .iter()
            .map(|name| name.generation())
            .max()
            .unwrap_or(0),
        ..Found::default()
    };
    let mut opened = BTreeMap::new();
    for name in names {
        match name {
            Named::Spare(generation) => found.spares.push(generation),
            Named::Segment(generation) => {
                if let Some(segment) = open(disk, generation)? {
                    opened.insert(generation, segment);
                } else {
                    // Making it was not finished, so nothing in it was ever acknowledged.
                    remove(disk, name)?;
                }
            }
        }
    }
    chain(disk, opened, &mut found)?;
    // Where syncs come later, what says that records were delivered may be there without them. Their
    // sequences are not used again.
    let (next, high) = (found.next, found.settled.high());
    found.recovered.torn += found.settled.open(next, found.until.max(high));
    found.settled.add(next, high);
    found.next = next.max(high);
    found.recovered.waiting = found.settled.open(0, found.next);
    Ok(found)
}

fn remove(disk: &dyn Disk, name: Named) -> Result<(), LogError> {
    let name = name.name();
    disk.remove(&name)
        .map_err(LogError::disk(format!("remove {name}")))
}

/// Opens a segment; `None` if nothing in it can count. A head that is damaged is made up from the
/// frames behind it.
fn open(disk: &dyn Disk, generation: u64) -> Result<Option<Opened>, LogError> {
    let name = Named::Segment(generation).name();
    let doing = |what: &str| LogError::disk(format!("{what} {name}"));
    let file = disk.open(&name).map_err(doing("open"))?;
    let length = file.length().map_err(doing("read"))?;
    let head = SegmentHead::read(file.as_ref(), generation).map_err(doing("read"))?;
    if let Some(head) = head {
        return Ok(Some(Opened { head, file, length }));
    }
    let Some(first) = first_record(file.as_ref(), generation, length).map_err(doing("read"))?
    else {
        return Ok(None);
    };
    tracing::error!(
        file = name,
        "the head of a segment is damaged; its records are there"
    );
    let head = SegmentHead {
        generation,
        first,
        previous: generation - 1,
        sealed: UNKNOWN,
    };
    Ok(Some(Opened { head, file, length }))
}

/// The first record of a segment with puts, as its frames tell it: the settle frame that was written
/// with the head, or else the first put that is whole.
fn first_record(file: &dyn DiskFile, generation: u64, length: u64) -> io::Result<Option<u64>> {
    let mut scan = Scan::new(generation);
    let is_put = |head: &frame::Head| head.kind == Kind::Put;
    let Some(put) = scan.next_whole(file, FIRST_FRAME - 1, length, is_put)? else {
        return Ok(None);
    };
    if let Some(frame) = scan.frame(file, FIRST_FRAME, length)?
        && frame.head.kind == Kind::Settle
    {
        return Ok(Some(frame::settled(&frame.payload).0));
    }
    let frame = scan.frame(file, put, length)?;
    Ok(frame.map(|frame| frame.head.sequence))
}

/// Puts the segments in order, from the last one back, each of which names the one before it.
fn chain(
    disk: &dyn Disk,
    mut opened: BTreeMap<u64, Opened>,
    found: &mut Found,
) -> Result<(), LogError> {
    let Some((_, last)) = opened.pop_last() else {
        return Ok(());
    };
    let mut after = last.head;
    // A process may have ended and left to the system to write what others wait for: what is read now
    // must be there after the next crash as well.
    if let Err(error) = last.file.refresh() {
        let name = Named::Segment(after.generation).name();
        tracing::warn!(file = name, %error, "the end of the log could not be written before");
    }
    let tail = tail(last, UNKNOWN)?;
    found.next = tail.segment.next;
    found.until = tail.until;
    let torn = tail.torn;
    let mut settled = tail.settled;
    let mut segments = vec![tail.segment];
    while let Some((generation, segment)) = opened.pop_last() {
        let SegmentHead {
            previous, sealed, ..
        } = after;
        if generation > previous {
            // It was begun, could not be used, and another one was begun instead.
            remove(disk, Named::Segment(generation))?;
            continue;
        }
        let next = after.first;
        after = segment.head;
        let is_sealed = generation == previous && sealed != UNKNOWN;
        if is_sealed && settled.is_some() {
            segments.push(Segment {
                generation,
                end: sealed.min(segment.length),
                next,
                length: segment.length,
                file: segment.file,
            });
            continue;
        }
        // The one after it is missing, or does not say where this one ends, or what is settled.
        let tail = self::tail(segment, next)?;
        settled = settled.or(tail.settled);
        segments.push(match is_sealed {
            true => Segment {
                end: sealed.min(tail.segment.length),
                next,
                ..tail.segment
            },
            false => tail.segment,
        });
    }
    segments.reverse();
    found.settled = settled.unwrap_or_else(|| Settled::new(after.first, &[]));
    for (first, end) in torn {
        found.recovered.torn += found.settled.open(first, end);
        found.settled.add(first, end);
    }
    found.segments = segments;
    Ok(())
}

/// A segment that was read to its end.
struct Tail {
    segment: Segment,
    /// What its last settle frame says.
    settled: Option<Settled>,
    /// The sequence behind all that was written, as far as a settle frame says it.
    until: u64,
    /// Records between others that were never safe, and are not there. They count as settled.
    torn: Vec<(u64, u64)>,
}

/// Reads a segment to its end. What cannot be read behind the place that was safe when the last frame
/// was written, was torn; before it, it is damaged, and the reader tells it. A put that does not end
/// before `limit`, the first record of the next segment, was given up.
fn tail(segment: Opened, limit: u64) -> Result<Tail, LogError> {
    let Opened { head, file, length } = segment;
    let name = Named::Segment(head.generation).name();
    let doing = || LogError::disk(format!("read {name}"));
    let mut scan = Scan::new(head.generation);
    let first = head.first.min(limit);
    let (mut at, mut next, mut until) = (FIRST_FRAME, first, head.first);
    let (mut safe, mut settled) = (FIRST_FRAME, None);
    // Where each gap begins, and the records that are not in the log because of it.
    let (mut gaps, mut gap) = (Vec::new(), None);
    loop {
        let frame = scan.frame(file.as_ref(), at, length).map_err(doing())?;
        let Some(frame) = frame else {
            let behind = scan.next_whole(file.as_ref(), at, length, |_| true);
            let Some(behind) = behind.map_err(doing())? else {
                break;
            };
            gap.get_or_insert(at);
            at = behind;
            continue;
        };
        safe = safe.max(frame.head.safe);
        at = frame.end;
        if frame.head.kind == Kind::Settle {
            let (behind, ranges) = frame::settled(&frame.payload);
            settled = Some(Settled::new(frame.head.sequence, &ranges));
            until = behind;
        } else if frame.head.next() <= limit {
            if let Some(gap) = gap.take() {
                gaps.push((gap, next, frame.head.sequence));
            }
            next = next.max(frame.head.next());
        }
    }
    let torn = gaps.into_iter().filter(|(gap, ..)| *gap >= safe);
    Ok(Tail {
        segment: Segment {
            generation: head.generation,
            end: at,
            next,
            length,
            file,
        },
        settled,
        until,
        torn: torn.map(|(_, first, end)| (first, end)).collect(),
    })
}
