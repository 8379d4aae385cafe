//! Flume's `TEXT` and `HEADER_AND_TEXT`.

use std::io::{self, Write};

use flume_core::{Event, JavaMap};

use super::Encoder;

pub(super) struct TextEncoder {
    pub(super) headers: bool,
    pub(super) newline: bool,
}

impl Encoder for TextEncoder {
    fn begin(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn append(&mut self, event: &Event, _: u64, out: &mut Vec<u8>) -> io::Result<()> {
        if self.headers {
            write!(out, "{} ", JavaMap(&event.headers))?;
        }
        out.extend_from_slice(&event.body);
        if self.newline {
            out.push(b'\n');
        }
        Ok(())
    }

    fn flush(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}
