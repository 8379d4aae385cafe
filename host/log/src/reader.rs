//! Reads records in order, from the oldest that is not settled.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Damage, LogError};
use crate::frame::{self, Kind};
use crate::scan::Scan;
use crate::segment::{FIRST_FRAME, Named};
use crate::shared::{Segment, Shared};

/// Where a put is in a log: a reader can go on there ([`Reader::seek`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
}

impl Place {
    /// The place as numbers, to be kept.
    #[must_use]
    pub fn numbers(self) -> [u64; 3] {
        [self.generation, self.offset, self.sequence]
    }

    /// The place of these [numbers](Self::numbers). What a reader finds at a place that never was is damage.
    #[must_use]
    pub fn of([generation, offset, sequence]: [u64; 3]) -> Self {
        Self {
            generation,
            offset,
            sequence,
        }
    }
}

/// A place in a log, which moves on with each read.
#[derive(Debug)]
pub struct Reader {
    shared: Shared,
    /// Of the segment that is read.
    generation: u64,
    /// Of the next frame.
    at: u64,
    /// The sequence of the next record.
    next: u64,
    /// What cannot be read, until a put behind it is found.
    gap: Option<Range<u64>>,
    on_damage: OnDamage,
    /// Damage that was refused may be passed now.
    may_pass: bool,
    scan: Scan,
}

/// What a reader does when it comes to records that are lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// It tells it once, has them settled, and goes on behind them.
    #[default]
    Pass,
    /// It tells it at each read, until it is told to go on ([`Reader::pass_damage`]).
    Refuse,
}

/// Records of one put, without those that are settled.
#[derive(Default)]
pub struct Records {
    /// Their bytes, and others between them.
    pub bytes: Vec<u8>,
    /// Each record's sequence, and its place in the bytes.
    pub places: Vec<(u64, Range<usize>)>,
}

/// What was read.
#[derive(Debug)]
pub enum Read {
    /// Records, in order.
    Records(Records),
    /// Records that are lost. Unless that is refused, they are settled by this, and what comes behind
    /// them is read next.
    Damaged(Damage),
    /// All that is safe was read.
    End,
}

impl Reader {
    pub(crate) fn new(shared: Shared) -> Self {
        let next = shared.lock().settled.low();
        Self {
            shared,
            generation: 0,
            at: FIRST_FRAME,
            next,
            gap: None,
            on_damage: OnDamage::default(),
            may_pass: false,
            scan: Scan::new(0),
        }
    }

    /// Says what it does about records that are lost.
    #[must_use]
    pub fn on_damage(mut self, on_damage: OnDamage) -> Self {
        self.on_damage = on_damage;
        self
    }

    /// Lets it pass the damage that it has told: the next read tells it once more, and has it settled.
    pub fn pass_damage(&mut self) {
        self.may_pass = true;
    }

    /// Goes on at a put, and reads nothing of what is before it. If its segment was freed meanwhile, all
    /// of that was settled, and this goes on with the next one.
    pub fn seek(&mut self, place: Place) {
        self.generation = place.generation;
        self.at = place.offset;
        self.next = place.sequence;
        (self.gap, self.may_pass) = (None, false);
    }

    /// The sequence of the next record, or, if that is settled, of one before it. All records before it
    /// were read, or are settled.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Reads the next records.
    ///
    /// # Errors
    /// The disk failed. Another call tries again.
    pub fn read(&mut self) -> Result<Read, LogError> {
        while let Some((segment, is_last)) = self.segment() {
            if self.at >= segment.end {
                if let Some(damage) = self.lost(&segment, segment.next) {
                    return Ok(Read::Damaged(damage));
                }
                if is_last {
                    return Ok(Read::End);
                }
                self.generation = segment.generation + 1;
                (self.at, self.gap) = (FIRST_FRAME, None);
                continue;
            }
            let name = Named::Segment(segment.generation).name();
            let doing = || LogError::disk(format!("read {name}"));
            let file = segment.file.as_ref();
            let frame = self
                .scan
                .frame(file, self.at, segment.end)
                .map_err(doing())?;
            let Some(frame) = frame else {
                let behind = self.scan.next_whole(file, self.at, segment.end, |_| true);
                let behind = behind.map_err(doing())?.unwrap_or(segment.end);
                let from = self.gap.take().map_or(self.at, |gap| gap.start);
                self.gap = Some(from..behind);
                self.at = behind;
                continue;
            };
            // What ends behind the first record of the next segment was given up. (Where the head of
            // that one is damaged, its first record is in the midst of such a put, maybe.)
            if frame.head.kind == Kind::Put && frame.head.next() <= segment.next {
                if let Some(damage) = self.lost(&segment, frame.head.sequence) {
                    return Ok(Read::Damaged(damage));
                }
                self.gap = None;
                let records = self.unsettled(frame.head.sequence, frame.payload);
                self.next = self.next.max(frame.head.next());
                self.at = frame.end;
                if !records.places.is_empty() {
                    return Ok(Read::Records(records));
                }
            } else {
                self.at = frame.end;
            }
        }
        Ok(Read::End)
    }

    /// The segment to read, and whether it is the last one.
    fn segment(&mut self) -> Option<(Segment, bool)> {
        let state = self.shared.lock();
        let segment = state.from(self.generation)?.clone();
        let is_last = state.segments.back()?.generation == segment.generation;
        drop(state);
        if segment.generation != self.generation {
            self.generation = segment.generation;
            (self.at, self.gap) = (FIRST_FRAME, None);
        }
        self.scan.of(segment.generation);
        Some((segment, is_last))
    }

    /// Records between the next one and this sequence, which should have been read. They are settled,
    /// unless that is refused.
    fn lost(&mut self, segment: &Segment, sequence: u64) -> Option<Damage> {
        let state = self.shared.lock();
        let first = state.settled.first_open(self.next);
        let lost = state.settled.open(self.next, sequence);
        let aside = Arc::clone(&state.aside);
        drop(state);
        if lost == 0 {
            self.next = self.next.max(sequence);
            return None;
        }
        let file = Named::Segment(segment.generation).name();
        let bytes = self.gap.clone().unwrap_or(self.at..self.at);
        let kept = aside.keep(&file, segment.file.as_ref(), &bytes);
        if self.on_damage == OnDamage::Pass || std::mem::take(&mut self.may_pass) {
            self.shared.lock().settled.add(self.next, sequence);
            (self.next, self.gap) = (sequence, None);
        }
        Some(Damage {
            file,
            bytes,
            first,
            lost,
            kept,
        })
    }

    fn unsettled(&self, first: u64, bytes: Vec<u8>) -> Records {
        let state = self.shared.lock();
        let mut places = Vec::new();
        let mut at = 0;
        for (sequence, record) in (first..).zip(frame::records(&bytes)) {
            let place = at + 4..at + 4 + record.len();
            at = place.end;
            if sequence >= self.next && !state.settled.has(sequence) {
                places.push((sequence, place));
            }
        }
        drop(state);
        Records { bytes, places }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records", self.places.len())
    }
}

impl Records {
    /// Each record with its sequence.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let record = |place: &Range<usize>| self.bytes.get(place.clone()).unwrap_or_default();
        self.places
            .iter()
            .map(move |(sequence, place)| (*sequence, record(place)))
    }
}
