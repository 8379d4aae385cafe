//! Any bytes as the arguments of a call.

/// Bytes that are taken from the front. After the end there are zeros, so that short inputs mean
/// something, too.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number up to this one.
    pub(crate) fn up_to(&mut self, most: u8) -> usize {
        usize::from(self.byte() % (most + 1))
    }

    pub(crate) fn number(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// A number that is mostly small.
    pub(crate) fn small(&mut self) -> u32 {
        match self.byte() {
            255 => self.number(),
            byte => u32::from(byte),
        }
    }

    /// As many bytes as there are, up to this many.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn small_numbers(&mut self, most: u8) -> Vec<u32> {
        let count = self.up_to(most);
        (0..count).map(|_| self.small()).collect()
    }
}
