//! How bytes get onto a simulated disk.

use fastrand::Rng;

/// Bytes that a disk usually writes at once or not at all.
const SECTOR: u64 = 512;

/// Writes some sectors of these bytes, of which one may end at any byte.
pub(super) fn tear(into: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Rng) {
    // All, none, or some of them.
    let share = random.choice([0, 50, 100]).unwrap_or(100);
    let mut at = 0;
    while at < bytes.len() {
        let place = offset + at as u64;
        let rest = usize::try_from(SECTOR - place % SECTOR).unwrap_or(1);
        let end = (at + rest).min(bytes.len());
        let cut = match random.u32(0..100) {
            0..5 if share == 50 => random.usize(at..end),
            chance if chance < share => end,
            _ => at,
        };
        put(into, place, bytes.get(at..cut).unwrap_or_default());
        at = end;
    }
}

/// Writes these bytes.
pub(super) fn put(into: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    if into.len() < at + bytes.len() {
        into.resize(at + bytes.len(), 0);
    }
    if let Some(place) = into.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
