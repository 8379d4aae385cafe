//! Segments are begun, given back, and used again.

use std::io::IoSlice;
use std::sync::Arc;

use super::{Active, Last, Writer};
use crate::disk::DiskFile;
use crate::error::LogError;
use crate::frame::Stamp;
use crate::segment::{FIRST_FRAME, Named, SegmentHead};
use crate::shared::Segment;

/// Room at the end of a segment that puts may not use: what was delivered can be said even when there
/// is no room for another segment, and that is what makes room.
pub(super) const RESERVE: u64 = 64 << 10;

/// Files that are kept to be used again. Writing over blocks that are there takes half of the time.
const MOST_SPARES: usize = 2;

/// What a segment is for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// Puts, and not only what was delivered.
    pub(super) is_put: bool,
    /// Another one has failed. The spares may be on the disk that failed, so none of them is used.
    pub(super) is_again: bool,
}

impl Writer {
    /// Begins a segment, so that nothing is ever appended to what another life has left. On a full
    /// disk there is none, until there is room: what is there can be read all the same.
    pub(crate) fn begin(&mut self) -> Result<(), LogError> {
        match self.begin_segment(0, Wanted::default()) {
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "the log can be read, and takes no puts");
                Ok(())
            }
            begun => begun,
        }
    }

    /// Begins a segment with this much room; a small one, if there is no room for a usual one and it
    /// is only to say what was delivered.
    pub(super) fn begin_segment(&mut self, room: u64, wanted: Wanted) -> Result<(), LogError> {
        if let Some(active) = self.active.take() {
            self.give_up(active);
        }
        let settle = self.settle_frame(&[]);
        let needed = FIRST_FRAME + settle.frame.room() + room + RESERVE;
        let usual = self.try_segment(needed.max(self.options.segment_bytes), wanted);
        match usual {
            Err(error) if error.is_full() && !wanted.is_put => self.try_segment(needed, wanted),
            begun => begun,
        }
    }

    fn try_segment(&mut self, length: u64, wanted: Wanted) -> Result<(), LogError> {
        self.generation += 1;
        let name = Named::Segment(self.generation).name();
        let file = self.file(&name, length, wanted)?;
        let begun = self.write_head(&name, &file, length);
        if begun.is_err()
            && let Err(error) = self.disk.remove(&name)
        {
            // The next start finds it, and that it was not used.
            tracing::warn!(file = name, %error, "a segment that was not begun is left");
        }
        begun
    }

    fn write_head(
        &mut self,
        name: &str,
        file: &Arc<dyn DiskFile>,
        length: u64,
    ) -> Result<(), LogError> {
        let generation = self.generation;
        let mut settle = self.settle_frame(&[]);
        settle.frame.stamp(Stamp {
            generation,
            sequence: settle.low,
            safe: FIRST_FRAME,
        });
        let head = SegmentHead {
            generation,
            first: self.shared.lock().next,
            previous: self.last.generation,
            sealed: self.last.end,
        };
        let bytes = head.bytes();
        let parts = [IoSlice::new(&bytes), IoSlice::new(settle.frame.bytes())];
        let doing = |what| format!("{what} {name}");
        let written = file.write(0, &parts);
        written.map_err(LogError::disk(doing("write to")))?;
        file.sync().map_err(LogError::disk(doing("sync")))?;
        let named = self.disk.sync_name(name);
        named.map_err(LogError::disk(doing("make a name of")))?;
        let end = FIRST_FRAME + settle.frame.room();
        self.shared.lock().segments.push_back(Segment {
            generation,
            end,
            next: head.first,
            length,
            file: Arc::clone(file),
        });
        self.last = Last { generation, end };
        self.active = Some(Active {
            generation,
            file: Arc::clone(file),
            safe: end,
            written: end,
            length,
            low: settle.low,
        });
        Ok(())
    }

    /// A file of this length, under this name: one that was used before, or a new one.
    fn file(
        &mut self,
        name: &str,
        length: u64,
        wanted: Wanted,
    ) -> Result<Arc<dyn DiskFile>, LogError> {
        let may_use = length == self.options.segment_bytes && !wanted.is_again;
        let spare = may_use.then(|| self.shared.lock().spares.pop_front());
        if let Some(spare) = spare.flatten() {
            let spare = Named::Spare(spare).name();
            match self.again(&spare, name, length) {
                Ok(Some(file)) => return Ok(file),
                Ok(None) => {}
                Err(error) => tracing::warn!(file = spare, %error, "a spare segment is of no use"),
            }
        }
        let made = self.disk.create(name, length);
        made.map_err(LogError::disk(format!("make {name}")))
    }

    /// A spare under a new name; `None`, and it is gone, if it is not of this length.
    fn again(
        &self,
        spare: &str,
        name: &str,
        length: u64,
    ) -> std::io::Result<Option<Arc<dyn DiskFile>>> {
        if self.disk.open(spare)?.length()? != length {
            self.disk.remove(spare)?;
            return Ok(None);
        }
        // Not every file system keeps the order of renames: with only the second of two, the file would
        // have its first name as well.
        self.disk.sync_name(spare)?;
        self.disk.rename(spare, name)?;
        self.disk.open(name).map(Some)
    }

    /// Frees segments of which all is settled, and safely so. The last one is kept.
    pub(super) fn free_below(&self, low: u64) {
        let mut state = self.shared.lock();
        let mut done = Vec::new();
        while state.segments.len() > 1
            && let Some(segment) = state.segments.pop_front_if(|oldest| oldest.next <= low)
        {
            done.push(segment);
        }
        drop(state);
        done.iter().for_each(|segment| self.free(segment));
    }

    /// A file that is done with is kept for later, or removed. If that fails it is found at the next
    /// start, and is as settled then as it is now.
    fn free(&self, segment: &Segment) {
        let named = Named::Segment(segment.generation);
        let is_usual = segment.length == self.options.segment_bytes;
        let freed = if is_usual && self.shared.lock().spares.len() < MOST_SPARES {
            let spare = Named::Spare(segment.generation).name();
            let renamed = self.disk.rename(&named.name(), &spare);
            renamed.map(|()| self.shared.lock().spares.push_back(segment.generation))
        } else {
            self.disk.remove(&named.name())
        };
        if let Err(error) = freed {
            tracing::warn!(file = named.name(), %error, "a delivered segment was not freed");
        }
    }
}
