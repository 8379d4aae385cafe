//! Writes frames, and makes and frees segments.
//!
//! A commit is one write and one sync, however many puts it holds. If either fails, the segment is
//! given up where it was last known to be safe: after a failed sync nobody knows which of its pages
//! are on the disk, and another sync does not tell. What was to be written goes to a new segment,
//! once; if that fails too, the puts are refused, and the next commit tries again.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::LogError;
use crate::frame::{Draft, Place};
use crate::log::Options;
use crate::segment::{FIRST_FRAME, Named, SegmentHead};
use crate::shared::{Segment, Shared};

/// Room at the end of a segment that puts may not use: what was delivered can be said even when there
/// is no room for another segment, and that is what makes room.
pub(crate) const RESERVE: u64 = 64 << 10;

/// Files that are kept to be used again. Writing over blocks that are there takes half of the time.
const MOST_SPARES: usize = 2;

/// The end of the log that is written.
#[derive(Debug)]
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    options: Options,
    shared: Shared,
    active: Option<Active>,
    /// The segment before the next one, and where it ends.
    last: (u64, u64),
    /// The largest generation that was ever used.
    generation: u64,
    /// Files to be used again.
    spares: Vec<u64>,
    buffer: Vec<u8>,
}

/// What is settled at one moment.
#[derive(Debug)]
struct SettleFrame {
    low: u64,
    frame: Draft,
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    generation: u64,
    file: Arc<dyn DiskFile>,
    /// Up to where it is safe. The next frame goes here.
    safe: u64,
    length: u64,
}

impl Writer {
    /// A writer that begins a segment after these.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: Options,
        shared: Shared,
        generation: u64,
        spares: Vec<u64>,
    ) -> Self {
        let last = shared
            .lock()
            .segments
            .back()
            .map_or((0, 0), |segment| (segment.generation, segment.end));
        Self {
            disk,
            options,
            shared,
            active: None,
            last,
            generation,
            spares,
            buffer: Vec::new(),
        }
    }

    /// Makes puts safe, with what is settled. Returns the sequence of the first record.
    pub(crate) fn commit(&mut self, puts: &[Draft]) -> Result<u64, LogError> {
        let settle = self.settle_frame(puts);
        let room = puts.iter().map(Draft::room).sum::<u64>() + settle.frame.room();
        if self.has_room(room, !puts.is_empty()) && self.write(puts, &settle).is_ok() {
            return Ok(self.committed(puts, &settle));
        }
        self.begin_segment(room)?;
        self.write(puts, &settle)?;
        Ok(self.committed(puts, &settle))
    }

    /// Begins a segment, so that nothing is ever appended to what another life has left.
    pub(crate) fn begin(&mut self) -> Result<(), LogError> {
        self.begin_segment(0)
    }

    /// What is settled, before these puts.
    fn settle_frame(&self, puts: &[Draft]) -> SettleFrame {
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
        active.is_some_and(|active| active.safe + room + reserve <= active.length)
    }

    /// Writes frames behind what is safe, and makes them safe. If that fails, the segment is over.
    fn write(&mut self, puts: &[Draft], settle: &SettleFrame) -> Result<(), LogError> {
        let Some(active) = self.active.take() else {
            return Err(LogError::Closed);
        };
        let mut sequence = self.shared.lock().next;
        let mut place = Place {
            generation: active.generation,
            sequence: settle.low,
            safe: active.safe,
        };
        self.buffer.clear();
        settle.frame.write(place, &mut self.buffer);
        for put in puts {
            place.sequence = sequence;
            put.write(place, &mut self.buffer);
            sequence += u64::from(put.count());
        }
        let name = Named::Segment(active.generation).name();
        let doing = |what| format!("{what} {name}");
        let written = active.file.write(active.safe, &self.buffer);
        written.map_err(LogError::disk(doing("write to")))?;
        active.file.sync().map_err(LogError::disk(doing("sync")))?;
        let safe = active.safe + self.buffer.len() as u64;
        self.last = (active.generation, safe);
        self.active = Some(Active { safe, ..active });
        Ok(())
    }

    /// What was written may be read, and what is settled may be freed.
    fn committed(&mut self, puts: &[Draft], settle: &SettleFrame) -> u64 {
        let mut state = self.shared.lock();
        let first = state.next;
        state.next += puts.iter().map(|put| u64::from(put.count())).sum::<u64>();
        let next = state.next;
        if let Some(segment) = state.segments.back_mut() {
            (segment.end, segment.next) = (self.last.1, next);
        }
        // Only what is safely settled: more may have been settled meanwhile.
        let low = settle.low;
        let mut done = Vec::new();
        while state.segments.len() > 1
            && let Some(segment) = state.segments.pop_front_if(|oldest| oldest.next <= low)
        {
            done.push(segment);
        }
        drop(state);
        done.iter().for_each(|segment| self.free(segment));
        first
    }

    /// A file that is done with is kept for later, or removed. If that fails it is found at the next
    /// start, and is as settled then as it is now.
    fn free(&mut self, segment: &Segment) {
        let named = Named::Segment(segment.generation);
        let is_usual = segment.length == self.options.segment_bytes;
        let freed = if is_usual && self.spares.len() < MOST_SPARES {
            let spare = Named::Spare(segment.generation).name();
            let renamed = self.disk.rename(&named.name(), &spare);
            renamed.map(|()| self.spares.push(segment.generation))
        } else {
            self.disk.remove(&named.name())
        };
        if let Err(error) = freed {
            tracing::warn!(file = named.name(), %error, "a delivered segment was not freed");
        }
    }

    fn begin_segment(&mut self, room: u64) -> Result<(), LogError> {
        self.active = None;
        self.generation += 1;
        let generation = self.generation;
        let head = SegmentHead {
            generation,
            first: self.shared.lock().next,
            previous: self.last.0,
            sealed: self.last.1,
        };
        let settle = self.settle_frame(&[]);
        let needed = FIRST_FRAME + settle.frame.room() + room + RESERVE;
        let length = needed.max(self.options.segment_bytes);
        let name = Named::Segment(generation).name();
        let file = self.file(&name, length)?;
        let mut bytes = head.bytes();
        let place = Place {
            generation,
            sequence: settle.low,
            safe: FIRST_FRAME,
        };
        settle.frame.write(place, &mut bytes);
        let doing = |what| format!("{what} {name}");
        let written = file.write(0, &bytes);
        written.map_err(LogError::disk(doing("write to")))?;
        file.sync().map_err(LogError::disk(doing("sync")))?;
        let named = self.disk.sync_names();
        named.map_err(LogError::disk(doing("make a name of")))?;
        let safe = bytes.len() as u64;
        self.shared.lock().segments.push_back(Segment {
            generation,
            end: safe,
            next: head.first,
            length,
            file: Arc::clone(&file),
        });
        self.last = (generation, safe);
        self.active = Some(Active {
            generation,
            file,
            safe,
            length,
        });
        Ok(())
    }

    /// A file of this length, under this name: one that was used before, or a new one.
    fn file(&mut self, name: &str, length: u64) -> Result<Arc<dyn DiskFile>, LogError> {
        if length == self.options.segment_bytes
            && let Some(spare) = self.spares.pop()
        {
            let spare = Named::Spare(spare).name();
            let renamed = self.disk.rename(&spare, name);
            if let Ok(file) = renamed.and_then(|()| self.disk.open(name)) {
                return Ok(file);
            }
        }
        let made = self.disk.create(name, length);
        made.map_err(LogError::disk(format!("make {name}")))
    }
}
