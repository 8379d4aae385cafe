//! What a channel holds at most.

/// The most events of puts that are under way at once.
pub const MOST_UNDER_WAY: usize = 100_000;

/// The most bytes of them, as `byteCapacity` of other channels counts.
pub const MOST_BYTES_UNDER_WAY: u64 = 64 << 20;

/// The most events that are read and not taken.
pub const MOST_READ: usize = 10_000;

/// No more is read while those have so many bytes.
pub const MOST_BYTES_READ: usize = 16 << 20;
