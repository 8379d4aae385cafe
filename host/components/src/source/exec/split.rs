//! Lines of bytes, ended as in Java's `readLine`: by LF, CR or CRLF.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

/// Splits one stream. Lines are copied, since they are few and a shared buffer would live long.
#[derive(Debug)]
pub(super) struct ByteLines {
    buffer: BytesMut,
    /// First bytes of the buffer that hold no line end.
    scanned: usize,
    most: usize,
    /// The last line ended with CR: an LF that follows is a part of its end.
    after_cr: bool,
}

impl ByteLines {
    /// A splitter that cuts lines of more than `most` bytes into pieces.
    pub(super) fn new(most: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            most,
            after_cr: false,
        }
    }

    /// Where to read to.
    pub(super) fn space(&mut self, room: usize) -> &mut BytesMut {
        self.buffer.reserve(room);
        &mut self.buffer
    }

    /// The next line; at the end of the stream (`last`) also one without an end.
    pub(super) fn next_line(&mut self, last: bool) -> Option<Bytes> {
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            if self.buffer.first() == Some(&b'\n') {
                self.buffer.advance(1);
            }
        }
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let end = memchr2(b'\n', b'\r', fresh).map(|at| self.scanned + at);
        match end {
            Some(end) if end <= self.most => {
                self.after_cr = self.buffer.get(end) == Some(&b'\r');
                Some(self.cut(end, 1))
            }
            _ if self.buffer.len() > self.most => Some(self.cut(self.most, 0)),
            _ if last && !self.buffer.is_empty() => Some(self.cut(self.buffer.len(), 0)),
            _ => {
                self.scanned = self.buffer.len();
                None
            }
        }
    }

    fn cut(&mut self, len: usize, end: usize) -> Bytes {
        let line = Bytes::copy_from_slice(self.buffer.get(..len).unwrap_or_default());
        self.buffer.advance(len + end);
        self.scanned = 0;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(most: usize, input: &[u8], piece: usize) -> Vec<Bytes> {
        let mut lines = ByteLines::new(most);
        let mut seen = Vec::new();
        for piece in input.chunks(piece) {
            lines.space(piece.len()).extend_from_slice(piece);
            seen.extend(std::iter::from_fn(|| lines.next_line(false)));
        }
        seen.extend(std::iter::from_fn(|| lines.next_line(true)));
        seen
    }

    #[test]
    fn all_three_ends_end_a_line_however_it_is_cut() {
        for piece in 1..20 {
            let lines = split(100, b"a\nb\rc\r\nd\n\r\n\re", piece);
            assert_eq!(
                lines,
                ["a", "b", "c", "d", "", "", "e"],
                "pieces of {piece}"
            );
            assert_eq!(split(100, b"a\n", piece), ["a"]);
            assert_eq!(split(100, b"", piece), [""; 0]);
        }
    }

    #[test]
    fn long_lines_come_in_pieces() {
        for piece in 1..20 {
            let lines = split(4, b"abcd\nefghij\nk\n1234567890", piece);
            assert_eq!(lines, ["abcd", "efgh", "ij", "k", "1234", "5678", "90"]);
        }
    }
}
