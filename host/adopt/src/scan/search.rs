//! Finding the next record behind damage, and telling a torn end from damage.

use std::io;

use super::{Found, Scan};
use crate::record::{FILL, FRAMING, RECORD};

/// A record that was searched for may be this much older than those before it: threads draw their
/// place in the order before they write. What is older is a leftover of another file.
const INVERSION: u64 = 10_000;
/// Zeros at the end of a payload that only a torn write leaves: whole records end with five at
/// most.
const ZEROS: usize = 9;
/// What a record has behind its length.
const BEGINNING: &[u8] = &[0x17, 0x0D];

impl Scan {
    /// The next place where a whole record is.
    pub(super) fn search(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at < self.length() {
            let piece = self.window.piece(at)?;
            let Some(candidate) = memchr::memchr(RECORD, piece) else {
                at += to_u64(piece.len()).max(1);
                continue;
            };
            at += to_u64(candidate);
            if self.is_record(at)? {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }

    fn is_record(&mut self, at: u64) -> io::Result<bool> {
        if self.window.get(at + FRAMING, 2)? != BEGINNING {
            return Ok(false);
        }
        let announced = self.announced(at)?;
        Ok(match self.read(at)? {
            Found::Whole { head, length, .. } => {
                announced == Some(length) && head.order.saturating_add(INVERSION) >= self.order
            }
            Found::Broken { .. } => false,
        })
    }

    /// Whether something other than fill comes at this place or behind it.
    pub(super) fn content(&mut self, from: u64) -> io::Result<bool> {
        let mut at = from;
        while at < self.length() {
            let piece = self.window.piece(at)?;
            if piece.iter().any(|byte| *byte != FILL) {
                return Ok(true);
            }
            at += to_u64(piece.len()).max(1);
        }
        Ok(false)
    }

    /// Where the fill begins that the log ends with.
    pub(super) fn end_of_content(&mut self, from: u64) -> io::Result<u64> {
        let (mut at, mut end) = (from, from + 1);
        while at < self.length() {
            let piece = self.window.piece(at)?;
            if let Some(last) = piece.iter().rposition(|byte| *byte != FILL) {
                end = at + to_u64(last) + 1;
            }
            at += to_u64(piece.len()).max(1);
        }
        Ok(end)
    }

    /// Whether the last record was cut off where the file ends. Fill at the end means that it had
    /// room, so its length is wrong instead.
    pub(super) fn is_cut(&mut self, at: u64) -> io::Result<bool> {
        let last = self.length() - 1;
        let is_begun = self.window.get(at, 1)? == [RECORD];
        let is_short = self.announced(at)?.is_none();
        let start = self.window.get(at + FRAMING, BEGINNING.len())?;
        let fits = BEGINNING.starts_with(start);
        let ends_in_fill = last > at + FRAMING && self.window.get(last, 1)? == [FILL];
        Ok(is_begun && is_short && fits && !ends_in_fill)
    }

    /// Whether this is the last record, and its end was never written.
    pub(super) fn is_torn(&mut self, at: u64, next: u64) -> io::Result<bool> {
        if self.content(next)? {
            return Ok(false);
        }
        let count = ZEROS.min(usize::try_from(next - at - FRAMING).unwrap_or(ZEROS));
        let end = self.window.get(next - to_u64(count), count)?;
        Ok(end.last() == Some(&FILL) || (count == ZEROS && end.iter().all(|byte| *byte == 0)))
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
