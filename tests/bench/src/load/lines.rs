//! The bodies: lines of a fixed size that begin with their number.
//!
//! A block of lines is built once; what changes from write to write are the ten digits at the start
//! of each line. The rest looks like a log, so that patterns have work to do: every second line has
//! a near match for [`SECRET`], and every tenth line has the secret itself.

/// Digits of a number.
pub const DIGITS: usize = 10;

/// The text that the interceptors mask, in every tenth line.
pub const SECRET: &str = "4111-1111-1111-1111";

/// A near match that begins like it, in every second line.
const CANDIDATE: &str = "4111-1111-1111-ABCD";

/// The least size of a block, in bytes; smaller ones would cost the sender too many writes.
const BLOCK: usize = 128 * 1024;

/// The size of the events, and how they travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a body, without the line end.
    pub size: usize,
    /// Events in a batch of a sink, or of a sender of batches.
    pub batch: u32,
    /// Whether a netcat source answers each line.
    pub ack: bool,
    /// Connections that send at the same time.
    pub connections: u32,
}

impl Shape {
    /// The shape that the targets are set for: 500 bytes, batches of 100, no answer,
    /// one connection.
    pub const USUAL: Self = Self {
        size: 500,
        batch: 100,
        ack: false,
        connections: 1,
    };
}

/// A body that begins with room for its number.
///
/// # Panics
/// When `size` has no room for a number.
#[must_use]
pub fn body(size: usize, place: usize) -> Vec<u8> {
    assert!(
        size >= DIGITS,
        "a body of {size} bytes has no room for its number"
    );
    let mark = match place % 10 {
        9 => SECRET,
        place if place % 2 == 1 => CANDIDATE,
        _ => "no card number here",
    };
    let mut text = format!(
        "0000000000 2026-03-01T12:00:00Z web{place:03} checkout[4711]: card {mark} accepted \
         method=POST path=/basket/checkout status=200 bytes=5321 agent=\"Mozilla/5.0 (X11)\" "
    )
    .into_bytes();
    let filler = b"lorem ipsum dolor sit amet consetetur sadipscing elitr sed diam nonumy ";
    while text.len() < size {
        let more = filler.len().min(size - text.len());
        text.extend_from_slice(&filler[..more]);
    }
    text.truncate(size);
    text
}

/// Lines that are written together.
pub struct Block {
    bytes: Vec<u8>,
    line: usize,
}

impl Block {
    /// Lines of this size, as many as one write should have.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self::of(size, BLOCK.div_ceil(size + 1).next_multiple_of(10))
    }

    /// A block with this number of lines of this size.
    #[must_use]
    pub fn of(size: usize, lines: usize) -> Self {
        let mut bytes = Vec::with_capacity(lines * (size + 1));
        for place in 0..lines {
            bytes.extend(body(size, place));
            bytes.push(b'\n');
        }
        Self {
            bytes,
            line: size + 1,
        }
    }

    /// How many lines it has.
    #[must_use]
    pub fn lines(&self) -> u64 {
        (self.bytes.len() / self.line) as u64
    }

    /// The lines, numbered from `first`; at most `most` of them.
    pub fn numbered(&mut self, first: u64, most: u64) -> &[u8] {
        let lines = self.lines().min(most) as usize;
        let bytes = &mut self.bytes[..lines * self.line];
        for (number, line) in (first..).zip(bytes.chunks_exact_mut(self.line)) {
            write_number(&mut line[..DIGITS], number);
        }
        bytes
    }
}

/// Writes a number over ten bytes.
pub fn write_number(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The number that a body begins with.
#[must_use]
pub fn read_number(body: &[u8]) -> Option<u64> {
    let digits: &[u8; DIGITS] = body.first_chunk()?;
    let mut number = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_numbered_lines_of_one_size() {
        let mut block = Block::new(100);
        let all = block.lines();
        assert!(block.numbered(7, u64::MAX).len() >= BLOCK);
        let lines: Vec<&[u8]> = block.bytes.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len() as u64, all + 1);
        assert!(
            lines[..lines.len() - 1]
                .iter()
                .all(|line| line.len() == 100)
        );
        assert_eq!(read_number(lines[3]), Some(10));
        assert_eq!(block.numbered(0, 3).len(), 303);
    }

    #[test]
    fn a_number_is_read_as_written_and_other_text_is_refused() {
        let mut digits = [b'x'; DIGITS];
        write_number(&mut digits, 9_876_543_210);
        assert_eq!(read_number(&digits), Some(9_876_543_210));
        assert_eq!(read_number(b"123456789"), None);
        assert_eq!(read_number(b"12345678 0"), None);
    }

    #[test]
    fn every_tenth_body_has_a_secret() {
        let secret = SECRET.as_bytes();
        let has = |place: &usize| {
            body(200, *place)
                .windows(secret.len())
                .any(|at| at == secret)
        };
        assert_eq!((0..30).filter(has).collect::<Vec<_>>(), [9, 19, 29]);
    }
}
