//! What a folder holds, when a log is opened.
//!
//! Only the last segment is read as a whole: its frames say what is settled, and it is the only one
//! that may end in a torn frame. Where the others end is said by the segment after each. What is
//! damaged or missing is found, and told, by the reader.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::frame::{self, Kind};
use crate::log::Recovered;
use crate::scan::Scan;
use crate::segment::{FIRST_FRAME, Named, SegmentHead};
use crate::settled::Settled;
use crate::shared::Segment;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) segments: Vec<Segment>,
    pub(crate) settled: Settled,
    /// The sequence of the next record.
    pub(crate) next: u64,
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
    let low = found.settled.low();
    found.next = found.next.max(low);
    found.recovered.waiting = found.next - low;
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
    let mut scan = Scan::new(generation);
    let is_put = |head: &frame::Head| head.kind == Kind::Put;
    let first = scan.next_whole(file.as_ref(), FIRST_FRAME - 1, length, is_put);
    let Some(first) = first.map_err(doing("read"))? else {
        return Ok(None);
    };
    let frame = scan
        .frame(file.as_ref(), first, length)
        .map_err(doing("read"))?;
    tracing::error!(
        file = name,
        "the head of a segment is damaged; its records are there"
    );
    Ok(frame.map(|frame| Opened {
        head: SegmentHead {
            generation,
            first: frame.head.sequence,
            previous: generation - 1,
            sealed: u64::MAX,
        },
        file,
        length,
    }))
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
    let mut before = (last.head.previous, last.head.sealed, last.head.first);
    let tail = tail(last, &mut found.settled, &mut found.recovered)?;
    found.next = tail.next;
    let mut segments = vec![tail];
    while let Some((generation, segment)) = opened.pop_last() {
        let (previous, sealed, next) = before;
        if generation > previous {
            // It was begun, could not be used, and another one was begun instead.
            remove(disk, Named::Segment(generation))?;
            continue;
        }
        before = (
            segment.head.previous,
            segment.head.sealed,
            segment.head.first,
        );
        if generation == previous && sealed != u64::MAX {
            segments.push(Segment {
                generation,
                end: sealed.min(segment.length),
                next,
                length: segment.length,
                file: segment.file,
            });
            continue;
        }
        // The one after it is missing, or does not say where this one ends.
        segments.push(self::tail(
            segment,
            &mut Settled::default(),
            &mut found.recovered,
        )?);
    }
    segments.reverse();
    found.segments = segments;
    Ok(())
}

/// Reads a segment to its end. Records that are not there were torn off if no frame behind them was
/// written when they were safe already; otherwise they are damaged, and the reader tells it.
fn tail(
    segment: Opened,
    settled: &mut Settled,
    recovered: &mut Recovered,
) -> Result<Segment, LogError> {
    let Opened { head, file, length } = segment;
    let name = Named::Segment(head.generation).name();
    let doing = || LogError::disk(format!("read {name}"));
    let mut scan = Scan::new(head.generation);
    let (mut at, mut next, mut until) = (FIRST_FRAME, head.first, head.first);
    let mut gap = None;
    loop {
        let frame = scan.frame(file.as_ref(), at, length).map_err(doing())?;
        match frame {
            Some(frame) if frame.head.kind == Kind::Settle => {
                let (behind, ranges) = frame::settled(&frame.payload);
                *settled = Settled::new(frame.head.sequence, &ranges);
                (at, until) = (frame.end, behind);
            }
            Some(frame) => {
                if gap.take().is_some_and(|gap| frame.head.safe <= gap) {
                    recovered.torn += frame.head.sequence.saturating_sub(next);
                }
                next = next.max(frame.head.next());
                at = frame.end;
            }
            None => {
                let behind = scan.next_whole(file.as_ref(), at, length, |_| true);
                let Some(behind) = behind.map_err(doing())? else {
                    break;
                };
                gap.get_or_insert(at);
                at = behind;
            }
        }
    }
    recovered.torn += until.saturating_sub(next);
    Ok(Segment {
        generation: head.generation,
        end: at,
        next,
        length,
        file,
    })
}
