//! The allocator of guests: lists of free blocks, one for each power of two.
//!
//! A call allocates a few small blocks and frees them before it ends, several times per
//! microsecond. The allocator of the standard library is made to use memory well over hours of
//! mixed use; this one reuses the last freed block, in a few instructions. Its law: a block keeps
//! its size for ever, so memory is bounded by at most twice the largest amount that each size ever
//! needed at once. Large blocks go to the standard allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// The smallest block, as a power of two: 16 bytes, which is also how blocks are aligned.
const LEAST: u32 = 4;

/// The largest block, as a power of two: 16 KiB.
const MOST: u32 = 14;

/// Sizes of blocks.
const SIZES: usize = (MOST - LEAST + 1) as usize;

/// Blocks are cut from pieces of this size: a page of WebAssembly.
const PIECE: usize = 64 << 10;

/// Allocates for a guest, which has one thread.
pub(crate) struct Allocator(UnsafeCell<Lists>);

struct Lists {
    /// For each size, the block that was freed last; the first bytes of a free block point to the
    /// one before.
    free: [*mut u8; SIZES],
    /// The rest of the piece from which blocks are being cut.
    piece: *mut u8,
    left: usize,
}

// SAFETY: a guest has one thread; tests use each allocator from one thread.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// An allocator without any memory yet.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Lists {
            free: [null_mut(); SIZES],
            piece: null_mut(),
            left: 0,
        }))
    }
}

/// The list that a block belongs to; `None` if it belongs to the standard allocator.
#[inline]
fn list_of(layout: Layout) -> Option<usize> {
    let size = layout.size().max(1 << LEAST);
    if size > 1 << MOST || layout.align() > 1 << LEAST {
        return None;
    }
    Some((usize::BITS - (size - 1).leading_zeros() - LEAST) as usize)
}

impl Lists {
    /// A block of this list: the last one that was freed, or a new one.
    #[inline]
    unsafe fn take(&mut self, list: usize) -> *mut u8 {
        let block = self.free[list];
        if block.is_null() {
            // SAFETY: as here.
            return unsafe { self.cut(1 << (list as u32 + LEAST)) };
        }
        // SAFETY: a free block is at least 16 bytes, aligned, and begins with a pointer.
        self.free[list] = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    /// A new block; null if there is no memory.
    #[cold]
    unsafe fn cut(&mut self, size: usize) -> *mut u8 {
        if self.left < size {
            // The rest of the piece is wasted: less than one block of this size.
            let piece = Layout::from_size_align(PIECE, 1 << LEAST);
            let Ok(piece) = piece else { return null_mut() };
            // SAFETY: the layout is not empty.
            self.piece = unsafe { System.alloc(piece) };
            self.left = if self.piece.is_null() { 0 } else { PIECE };
            if self.left == 0 {
                return null_mut();
            }
        }
        let block = self.piece;
        // SAFETY: the piece has at least `size` bytes left.
        self.piece = unsafe { block.add(size) };
        self.left -= size;
        block
    }
}

// SAFETY: blocks do not overlap, because each is cut once from a piece and is either in use or in
// its list. Their size and alignment are at least those of their layouts (`list_of`). Null means
// that there is no memory.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match list_of(layout) {
            // SAFETY: there is one thread, and nothing below calls back.
            Some(list) => unsafe { (*self.0.get()).take(list) },
            // SAFETY: the caller's.
            None => unsafe { System.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match list_of(layout) {
            // SAFETY: the block is one of this list, and is free from now on; as above.
            Some(list) => unsafe {
                let lists = &mut *self.0.get();
                block.cast::<*mut u8>().write(lists.free[list]);
                lists.free[list] = block;
            },
            // SAFETY: the caller's; the same layout went to the standard allocator.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that this is a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (list_of(layout), list_of(wanted)) {
            // It fits where it is.
            (Some(from), Some(to)) if from == to => block,
            // SAFETY: the caller's.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            // SAFETY: both blocks have at least as many bytes as are copied, and do not overlap.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    block.copy_to_nonoverlapping(moved, size.min(layout.size()));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap_and_are_used_again() {
        let allocator = Allocator::new();
        let mut random = 1_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        let mut used: Vec<(*mut u8, Layout, u8)> = Vec::new();
        // Both ends of a block still have its mark.
        let check = |&(block, layout, mark): &(*mut u8, Layout, u8)| unsafe {
            assert_eq!(block as usize % layout.align(), 0);
            assert_eq!((*block, *block.add(layout.size() - 1)), (mark, mark));
        };
        let mark = |block: *mut u8, size: usize, mark: u8| unsafe {
            block.write(mark);
            block.add(size - 1).write(mark);
        };
        for round in 0..20_000_usize {
            let most = 1 << next(17);
            let size = 1 + next(most);
            let layout = Layout::from_size_align(size, 1 << next(7)).unwrap();
            match next(3) {
                0 if !used.is_empty() => {
                    let at = next(used.len());
                    let freed = used.swap_remove(at);
                    check(&freed);
                    unsafe { allocator.dealloc(freed.0, freed.1) };
                }
                1 if !used.is_empty() => {
                    let at = next(used.len());
                    let (block, old, known) = used[at];
                    check(&used[at]);
                    let block = unsafe { allocator.realloc(block, old, size) };
                    assert_eq!(unsafe { *block }, known);
                    mark(block, size, known);
                    used[at].0 = block;
                    used[at].1 = Layout::from_size_align(size, old.align()).unwrap();
                }
                _ if used.len() < 200 => {
                    let block = unsafe { allocator.alloc(layout) };
                    mark(block, size, round as u8);
                    used.push((block, layout, round as u8));
                }
                _ => {}
            }
        }
        used.iter().for_each(check);
        for (block, layout, _) in used {
            unsafe { allocator.dealloc(block, layout) };
        }
    }

    #[test]
    fn the_last_block_freed_is_the_next_one_taken() {
        let allocator = Allocator::new();
        let (small, near) = (Layout::new::<[u8; 100]>(), Layout::new::<[u8; 128]>());
        unsafe {
            let block = allocator.alloc(small);
            allocator.dealloc(block, small);
            let again = allocator.alloc(near);
            assert_eq!(block, again);
            assert_eq!(allocator.realloc(again, near, 65), again);
            allocator.dealloc(again, Layout::new::<[u8; 65]>());
        }
    }
}
