//! Writes frames, and makes and frees segments.
//!
//! A commit is one write and one sync, however many puts it holds; with [`Sync::Interval`] it is a
//! write, and the sync comes later. If either fails, the segment is given up where it was last known
//! to be safe: after a failed sync nobody knows which of its pages are on the disk, and another sync
//! does not tell. What was to be written goes to a new segment; if that fails twice, the puts are
//! refused, and the next commit tries again.

use std::io::IoSlice;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::frame::{Draft, Sealed, Stamp};
use crate::reader::Place;
use crate::segment::Named;
use crate::shared::Shared;
use crate::terms::{Committed, Options, Sync};

mod segments;

use self::segments::{RESERVE, Wanted};

/// New segments that one commit tries. Where a log has several disks, one of them may be dying.
const ATTEMPTS: usize = 2;

/// The end of the log that is written.
#[derive(Debug)]
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    options: Options,
    shared: Shared,
    active: Option<Active>,
    last: Last,
    /// The largest generation that was ever used.
    generation: u64,
}

/// The segment before the next one.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    generation: u64,
    /// Where it ends.
    end: u64,
}

/// What is settled at one moment.
#[derive(Debug)]
struct SettleFrame {
    low: u64,
    frame: Sealed,
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    generation: u64,
    file: Arc<dyn DiskFile>,
    /// Up to where it is safe.
    safe: u64,
    /// The next frame goes here. Without [`Sync::Interval`] this is where it is safe.
    written: u64,
    length: u64,
    /// All records below are settled, and what says so was written.
    low: u64,
}

impl Active {
    fn name(&self) -> String {
        Named::Segment(self.generation).name()
    }

    /// Makes safe what was written.
    fn sync(&mut self) -> Result<(), LogError> {
        if self.safe < self.written {
            let doing = format!("sync {}", self.name());
            self.file.sync().map_err(LogError::disk(doing))?;
            self.safe = self.written;
        }
        Ok(())
    }
}

impl Writer {
    /// A writer that begins a segment after those that are there.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: Options,
        shared: Shared,
        generation: u64,
    ) -> Self {
        let state = shared.lock();
        let last = state.segments.back().map(|segment| Last {
            generation: segment.generation,
            end: segment.end,
        });
        drop(state);
        Self {
            disk,
            options,
            shared,
            active: None,
            last: last.unwrap_or_default(),
            generation,
        }
    }

    /// Has puts and what is settled written, and made safe unless that is left for later. Returns
    /// where each put is.
    pub(crate) fn commit(&mut self, puts: &mut [Sealed]) -> Result<Vec<Committed>, LogError> {
        let mut settle = self.settle_frame(puts);
        let room = puts.iter().map(Sealed::room).sum::<u64>() + settle.frame.room();
        if self.has_room(room, !puts.is_empty()) {
            match self.append(puts, &mut settle) {
                Ok(committed) => return Ok(committed),
                Err(error) => tracing::warn!(%error, "a segment of the log is given up"),
            }
        }
        let mut failed = LogError::Closed;
        for attempt in 0..ATTEMPTS {
            let wanted = Wanted {
                is_put: !puts.is_empty(),
                is_again: attempt > 0,
            };
            let begun = self.begin_segment(room, wanted);
            match begun.and_then(|()| self.append(puts, &mut settle)) {
                Ok(committed) => return Ok(committed),
                Err(error) if error.is_full() => return Err(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Makes safe what was written. If that fails, the segment is over, and what it held since the
    /// last sync may be lost; what is settled is said again in the next one.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        let Some(mut active) = self.active.take() else {
            return Ok(());
        };
        active.sync()?;
        let low = active.low;
        self.active = Some(active);
        self.free_below(low);
        Ok(())
    }

    /// Whether something was written that is not safe.
    pub(crate) fn is_behind(&self) -> bool {
        self.active
            .as_ref()
            .is_some_and(|active| active.safe < active.written)
    }

    /// What is settled, before these puts.
    fn settle_frame(&self, puts: &[Sealed]) -> SettleFrame {
        let state = self.shared.lock();
        let count: u64 = puts.iter().map(|put| u64::from(put.count())).sum();
        SettleFrame {
            low: state.settled.low(),
            frame: Draft::settle(state.next + count, &state.settled.ranges()),
        }
    }

    fn has_room(&self, room: u64, is_put: bool) -> bool {
        let reserve = if is_put { RESERVE } else { 0 };
        let active = self.active.as_ref();
        active.is_some_and(|active| active.written + room + reserve <= active.length)
    }

    /// Writes frames behind the others. If that fails, the segment is over.
    fn append(
        &mut self,
        puts: &mut [Sealed],
        settle: &mut SettleFrame,
    ) -> Result<Vec<Committed>, LogError> {
        let Some(mut active) = self.active.take() else {
            return Err(LogError::Closed);
        };
        let committed = self.stamp(&active, puts, settle);
        let frames = std::iter::once(&settle.frame).chain(puts.iter());
        let parts: Vec<_> = frames.map(|frame| IoSlice::new(frame.bytes())).collect();
        if let Err(error) = active.file.write(active.written, &parts) {
            let doing = format!("write to {}", active.name());
            self.give_up(active);
            return Err(LogError::disk(doing)(error));
        }
        active.written += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        active.low = settle.low;
        if self.options.sync == Sync::Always {
            active.sync()?;
        }
        self.last.end = active.written;
        let low = settle.low;
        self.active = Some(active);
        self.publish(puts);
        if !self.is_behind() {
            self.free_below(low);
        }
        Ok(committed)
    }

    /// Gives frames their places.
    fn stamp(
        &self,
        active: &Active,
        puts: &mut [Sealed],
        settle: &mut SettleFrame,
    ) -> Vec<Committed> {
        let mut stamp = Stamp {
            generation: active.generation,
            sequence: settle.low,
            safe: active.safe,
        };
        settle.frame.stamp(stamp);
        let mut offset = active.written + settle.frame.room();
        stamp.sequence = self.shared.lock().next;
        let mut committed = Vec::with_capacity(puts.len());
        for put in puts {
            put.stamp(stamp);
            committed.push(Committed {
                first: stamp.sequence,
                place: Place {
                    generation: active.generation,
                    offset,
                    sequence: stamp.sequence,
                },
            });
            offset += put.room();
            stamp.sequence += u64::from(put.count());
        }
        committed
    }

    /// What was written may be read.
    fn publish(&self, puts: &[Sealed]) {
        let mut state = self.shared.lock();
        state.next += puts.iter().map(|put| u64::from(put.count())).sum::<u64>();
        let next = state.next;
        if let Some(segment) = state.segments.back_mut() {
            segment.end = self.last.end;
            segment.next = next;
        }
    }

    /// Nothing more is written to this segment.
    fn give_up(&mut self, mut active: Active) {
        if let Err(error) = active.sync() {
            let bytes = active.written - active.safe;
            tracing::error!(
                %error, bytes, from = active.safe,
                "what was acknowledged since the last sync may be lost at a crash"
            );
        }
    }
}
