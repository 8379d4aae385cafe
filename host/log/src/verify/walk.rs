//! From frame to frame through one segment.

use std::io;

use super::Each;
use super::chain::Link;
use super::format::{FRAMES, STEP, number};
use super::ranges::Ranges;

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The sequence behind its last record.
    pub(super) next: u64,
    /// Where its frames end.
    pub(super) end: u64,
    pub(super) frames: u64,
    pub(super) gaps: Vec<Gap>,
    /// What is settled, as the last frame that says so has it; and the sequence behind the puts that
    /// were written with it.
    pub(super) settle: Option<(Ranges, u64)>,
    /// Up to where it was safe when its last frame was written.
    safe: u64,
    /// The first record that it should have.
    first: u64,
}

/// Bytes that are no frames, and the records that are missing because of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) first: u64,
    pub(super) end: u64,
}

impl Walk {
    /// Takes the gaps of the last segment that are no damage: nothing was written behind them when they
    /// were safe. Returns the records.
    pub(super) fn take_torn(&mut self) -> Vec<(u64, u64)> {
        let is_torn = |gap: &Gap| gap.from >= self.safe && gap.from < gap.to;
        let torn = self.gaps.iter().filter(|gap| is_torn(gap));
        let torn = torn
            .map(|gap| (gap.first.max(self.first), gap.end))
            .collect();
        let (safe, first) = (self.safe, self.first);
        self.gaps
            .retain(|gap| gap.from < safe || gap.from == gap.to || gap.first < first);
        torn
    }
}

/// Reads all frames of a segment. `expected` is the record after the last one of the segments before. `None`
/// if `each` broke it off.
pub(super) fn walk(link: &mut Link, expected: u64, each: Each<'_>) -> io::Result<Option<Walk>> {
    let limit = link.sealed.map_or(link.source.length, |(end, _)| end);
    let mut walk = Walk {
        next: expected,
        end: FRAMES,
        safe: FRAMES,
        first: link.first,
        ..Walk::default()
    };
    let mut at = FRAMES;
    // Where bad bytes begin and end, until a put behind them is found.
    let mut bad: Option<(u64, u64)> = None;
    while at < limit {
        let Some(frame) = link.source.frame(link.generation, at, limit)? else {
            at += STEP;
            bad = Some((bad.map_or(at - STEP, |bad| bad.0), at));
            continue;
        };
        // Bytes behind the last frame are not bad, but unused.
        walk.frames += 1;
        walk.safe = walk.safe.max(frame.safe);
        (at, walk.end) = (frame.end(), frame.end());
        if !frame.is_put {
            let said = link.source.payload(&frame)?;
            let mut settled = Ranges::below(frame.sequence);
            for at in (8..said.len()).step_by(16) {
                settled.add(number(&said, at, 8), number(&said, at + 8, 8));
            }
            walk.settle = Some((settled, number(&said, 0, 8)));
            continue;
        }
        if frame.next() > link.until {
            continue;
        }
        walk.gap(&mut bad, frame.offset, frame.sequence);
        walk.next = walk.next.max(frame.next());
        if each(&frame, &link.source)?.is_break() {
            return Ok(None);
        }
    }
    match link.sealed {
        Some((end, next)) => {
            walk.end = end;
            walk.gap(&mut bad, end, next);
            walk.next = walk.next.max(next);
        }
        None => {
            let end = walk.end;
            bad = bad
                .filter(|bad| bad.0 < end)
                .map(|bad| (bad.0, bad.1.min(end)));
            let next = walk.next.max(link.first);
            walk.gap(&mut bad, end, next);
            walk.next = next;
        }
    }
    Ok(Some(walk))
}

impl Walk {
    /// Notes what is missing before a place where this record comes.
    fn gap(&mut self, bad: &mut Option<(u64, u64)>, to: u64, sequence: u64) {
        let bad = bad.take();
        if bad.is_some() || self.next < sequence {
            let (from, to) = bad.unwrap_or((to, to));
            self.gaps.push(Gap {
                from,
                to,
                first: self.next,
                end: sequence.max(self.next),
            });
        }
    }
}
