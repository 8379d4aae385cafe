//! The values seen: a bounded memory that forgets the oldest first.
//!
//! A ring of entries in order of arrival, and a table that finds them by hash. Both have their full
//! size from the start and are never rebuilt. A `HashSet` with as many removals as insertions would
//! be rebuilt now and then, in the middle of a batch.

/// The hash that represents a value.
pub(crate) type Digest = [u64; 2];

/// An entry: a value and its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    pub(crate) at: u64,
}

/// The entries within the window.
#[derive(Debug)]
pub(crate) struct Seen {
    ring: Box<[Entry]>,
    /// Where the oldest entry is.
    head: usize,
    len: usize,
    /// Places in the ring, counted from 1; 0 is free. Open addressing, linear probing, at most
    /// half full.
    slots: Box<[u32]>,
}

impl Seen {
    /// Room for this many entries, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            ring: vec![Entry::default(); capacity].into(),
            head: 0,
            len: 0,
            slots: vec![0; (2 * capacity).next_power_of_two()].into(),
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        (0..self.len).map(|place| &self.ring[(self.head + place) % self.ring.len()])
    }

    /// The oldest entry.
    pub(crate) fn oldest(&self) -> Option<Entry> {
        (self.len > 0).then(|| self.ring[self.head])
    }

    /// Adds an entry unless the value is already present; returns whether it was new.
    pub(crate) fn insert(&mut self, entry: Entry) -> bool {
        if self.slots[self.slot(entry.digest)] != 0 {
            return false;
        }
        if self.len == self.ring.len() {
            self.forget_oldest();
        }
        let place = (self.head + self.len) % self.ring.len();
        self.ring[place] = entry;
        self.len += 1;
        // Looked up again, because forgetting moves slots.
        let slot = self.slot(entry.digest);
        self.slots[slot] = place as u32 + 1;
        true
    }

    /// Forgets the oldest entry, if there is one.
    pub(crate) fn forget_oldest(&mut self) {
        let Some(oldest) = self.oldest() else {
            return;
        };
        let mut free = self.slot(oldest.digest);
        let mut next = free;
        // Later entries that it had displaced move up.
        loop {
            next = self.after(next);
            let place = self.slots[next];
            if place == 0 {
                break;
            }
            let home = self.home(self.ring[place as usize - 1].digest);
            if self.distance(home, next) >= self.distance(free, next) {
                self.slots[free] = place;
                free = next;
            }
        }
        self.slots[free] = 0;
        self.head = (self.head + 1) % self.ring.len();
        self.len -= 1;
    }

    /// The slot of a value, or the free one where it would be.
    fn slot(&self, digest: Digest) -> usize {
        let mut slot = self.home(digest);
        loop {
            match self.slots[slot] {
                0 => return slot,
                place if self.ring[place as usize - 1].digest == digest => return slot,
                _ => slot = self.after(slot),
            }
        }
    }

    fn home(&self, digest: Digest) -> usize {
        digest[0] as usize & (self.slots.len() - 1)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Compared with a list that is searched linearly. The digests share few slots, so that probing
    /// and moving up happen all the time.
    #[test]
    fn a_memory_is_as_good_as_a_list() {
        let mut random = 7_u64;
        for capacity in [1, 2, 5, 16] {
            let mut seen = Seen::new(capacity);
            let mut list: VecDeque<Entry> = VecDeque::new();
            for at in 0..20_000 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let value = (random >> 40) % 40;
                if random >> 60 == 0 {
                    seen.forget_oldest();
                    list.pop_front();
                    continue;
                }
                let digest = [value % 7, value];
                let is_new = !list.iter().any(|known| known.digest == digest);
                assert_eq!(seen.insert(Entry { digest, at }), is_new);
                if is_new {
                    if list.len() == capacity {
                        list.pop_front();
                    }
                    list.push_back(Entry { digest, at });
                }
                assert!(seen.iter().eq(&list) && seen.len() == list.len());
                assert_eq!(seen.oldest().as_ref(), list.front());
            }
        }
    }
}
