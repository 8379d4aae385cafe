//! `channel export`: the events that wait, as lines of JSON.

use std::io::{self, BufWriter, Write, stdout};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use data_encoding::BASE64;
use flume_components::channel::file::event_of;
use flume_core::Event;
use flume_core::shell::complain;
use serde_json::{Map, Value, json};

use super::{each_waiting, failed};

/// Runs the command.
pub(super) fn run(folders: &[PathBuf]) -> Result<ExitCode, ExitCode> {
    let mut out = Out::new(BufWriter::new(stdout().lock()));
    let found = each_waiting(folders, |_, record| out.record(record))?;
    if !out.finish().map_err(|error| failed(&error))? {
        return Ok(ExitCode::SUCCESS);
    }
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
    strange: u64,
    written: io::Result<()>,
}

impl<W: Write> Out<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            strange: 0,
            written: Ok(()),
        }
    }

    fn record(&mut self, record: &[u8]) -> ControlFlow<()> {
        match event_of(Bytes::copy_from_slice(record)) {
            Some(event) => self.written = writeln!(self.to, "{}", line(&event)),
            None => self.strange += 1,
        }
        match self.written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Says whether all was read: a reader that goes away early (`| head`) is not a failure.
    fn finish(&mut self) -> io::Result<bool> {
        let written = std::mem::replace(&mut self.written, Ok(()));
        match written.and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
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
    fn each_record_is_written_or_counted_as_no_event() {
        let mut out = Out::new(Vec::new());
        assert!(out.record(&[0, 0, 0, 0, b'x']).is_continue());
        assert!(out.record(&[1]).is_continue());
        assert!(out.finish().unwrap());
        assert_eq!(out.strange, 1);
        assert_eq!(out.to, b"{\"body\":\"x\",\"headers\":{}}\n");
    }

    #[test]
    fn nothing_is_read_on_when_nobody_takes_it() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut out = Out::new(writer);
        assert!(out.record(&[0, 0, 0, 0, b'x']).is_break());
        assert!(!out.finish().unwrap());
    }
}
