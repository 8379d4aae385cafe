//! `channel export`: the events that wait, as lines of JSON.

use std::io::{self, BufWriter, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use data_encoding::BASE64;
use flume_components::channel::file::event_of;
use flume_core::Event;
use flume_core::shell::complain;
use flume_log::verify;
use serde_json::{Map, Value, json};

use super::{failed, look};

/// Runs the command.
pub(super) fn run(folders: &[PathBuf]) -> Result<ExitCode, ExitCode> {
    let mut out = Out::new(BufWriter::new(stdout().lock()));
    let (found, _) = look(folders, |disk, progress| {
        let each = &mut |sequence, record: &[u8]| out.record(sequence, record);
        verify::export(disk, &mut |now| progress.show(now), each)
    })?;
    out.finish().map_err(|error| failed(&error))?;
    let (lost, strange) = (found.lost, out.strange);
    if lost + strange > 0 {
        complain(&format!(
            "{lost} events are lost, {strange} records are no events\n"
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes lines until that fails.
struct Out<W> {
    to: W,
    /// The sequence of the next record: after a look that was spoiled, all come again.
    next: u64,
    strange: u64,
    written: io::Result<()>,
}

impl<W: Write> Out<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            next: 0,
            strange: 0,
            written: Ok(()),
        }
    }

    fn record(&mut self, sequence: u64, record: &[u8]) {
        if sequence < self.next {
            return;
        }
        self.next = sequence.saturating_add(1);
        let Some(event) = event_of(Bytes::copy_from_slice(record)) else {
            self.strange += 1;
            return;
        };
        if self.written.is_ok() {
            self.written = writeln!(self.to, "{}", line(&event));
        }
    }

    /// A reader that goes away early (`| head`) is not a failure.
    fn finish(&mut self) -> io::Result<()> {
        let written = std::mem::replace(&mut self.written, Ok(()));
        match written.and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

fn line(event: &Event) -> Value {
    let headers = event.headers.iter();
    let headers: Map<String, Value> = headers
        .map(|(name, value)| (name.to_string(), Value::from(&**value)))
        .collect();
    match std::str::from_utf8(&event.body) {
        Ok(body) => json!({"headers": headers, "body": body}),
        Err(_) => json!({"headers": headers, "bodyBase64": BASE64.encode(&event.body)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_text_is_in_base64() {
        let text = Event::new("a\"b\n").with_header("k", "v");
        assert_eq!(
            line(&text),
            json!({"headers": {"k": "v"}, "body": "a\"b\n"})
        );
        let bytes = Event::new(vec![0xff, 0]);
        assert_eq!(line(&bytes), json!({"headers": {}, "bodyBase64": "/wA="}));
    }

    #[test]
    fn each_record_is_written_once_or_counted_as_no_event() {
        let mut out = Out::new(Vec::new());
        for _ in 0..2 {
            out.record(4, &[0, 0, 0, 0, b'x']);
            out.record(6, &[1]);
        }
        out.finish().unwrap();
        assert_eq!(out.strange, 1);
        assert_eq!(out.to, b"{\"body\":\"x\",\"headers\":{}}\n");
    }
}
