//! `channel import`: lines of JSON, as `export` writes them, become events that wait in a channel.
//!
//! The law: an event that is counted is safe on the disk. A line that is no event ends the import in front of
//! it, and what was said to be imported before stays.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use data_encoding::BASE64;
use flume_components::channel::file::{Batch, BatchError};
use flume_core::Event;
use flume_core::shell::{complain, print};
use flume_log::disk::Folders;
use flume_log::{Log, Options, verify};
use serde::Deserialize;

use super::progress::Progress;
use super::{failed, unreadable};

/// Bytes that are read from a file at once.
const MOST_READ: usize = 1 << 20;

/// The longest line. An event of this size fits into the log.
const MOST_LINE: u64 = 128 << 20;

/// Puts events into a channel that is stopped, behind those that wait in it. Reads standard input
/// unless a file is named. After a failure it says how many events are in the channel; `--skip` goes
/// on behind them.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    folders: super::FolderArgs,
    /// The lines of this file.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Passes over this many lines.
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    skip: u64,
    /// Makes a channel where none is.
    #[arg(long)]
    new: bool,
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs) -> Result<ExitCode, ExitCode> {
    let folders = &args.folders.folders;
    let (input, all): (Box<dyn BufRead>, _) = match &args.file {
        Some(path) => {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let said = |error| unreadable(&format!("{}: {error}", path.display()));
            let (all, file) = opened.map_err(said)?;
            (Box::new(BufReader::with_capacity(MOST_READ, file)), all)
        }
        None => (Box::new(BufReader::new(io::stdin())), 0),
    };
    if !args.new && !has_channel(folders)? {
        let said = "there is no channel here; `--new` makes one";
        return Err(unreadable(&said));
    }
    let disk = Folders::own(folders).map_err(|error| failed(&error))?;
    let opened = Log::open(Arc::new(disk), Options::default());
    let (log, _) = opened.map_err(|error| failed(&error))?;
    let mut batch = Batch::new(&log);
    let mut progress = Progress::new();
    let read = put_all(&mut batch, input, args.skip, &mut |done| {
        if all > 0 {
            progress.show(verify::Progress { done, all });
        }
    });
    // What is before a line that is no event is whole.
    let finished = batch
        .finish()
        .map_err(|error| ImportError::Log(error.into()));
    let ended = read.and(finished);
    drop(progress);
    let safe = batch.written() as u64;
    let lines = args.skip + safe;
    log.close();
    match ended {
        Ok(()) => {
            print(&format!("imported: {safe}\n"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            complain(&format!(
                "error: {error}\nimported: {safe}; once that is mended, go on with --skip {lines}\n"
            ));
            Err(ExitCode::FAILURE)
        }
    }
}

/// Whether the folders hold a channel.
fn has_channel(folders: &[PathBuf]) -> Result<bool, ExitCode> {
    if !folders.iter().all(|folder| Path::is_dir(folder)) {
        return Ok(false);
    }
    let disk = Folders::look(folders).map_err(|error| unreadable(&error))?;
    verify::is_log(&disk).map_err(|error| unreadable(&error))
}

/// Why an import ends early.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("line {line}: {error}")]
    Line { line: u64, error: String },
    #[error("the input: {0}")]
    Input(#[from] io::Error),
    #[error("{0}")]
    Log(BatchError),
}

/// Puts the events of all lines but the first ones into a channel.
fn put_all(
    batch: &mut Batch<'_>,
    mut input: impl BufRead,
    skip: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ImportError> {
    let (mut text, mut number, mut done) = (Vec::new(), 0, 0);
    loop {
        text.clear();
        let read = (&mut input).take(MOST_LINE).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        done += read as u64;
        if number <= skip {
            continue;
        }
        let wrong = |error: String| ImportError::Line {
            line: number,
            error,
        };
        if read as u64 == MOST_LINE && !text.ends_with(b"\n") {
            return Err(wrong(format!("it has more than {MOST_LINE} bytes")));
        }
        let event = event(&text).map_err(wrong)?;
        let before = batch.written();
        batch.push(&event).map_err(|error| match error {
            BatchError::TooLarge => wrong(error.to_string()),
            BatchError::Log(_) => ImportError::Log(error),
        })?;
        if batch.written() > before {
            progress(done);
        }
    }
}

/// A line of `channel export`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
}

fn event(text: &[u8]) -> Result<Event, String> {
    let line: Line = serde_json::from_slice(text).map_err(|error| said(&error))?;
    let body = match (line.body, line.body_base64) {
        (Some(text), None) => Bytes::from(text),
        (None, Some(code)) => {
            let decoded = BASE64.decode(code.as_bytes());
            Bytes::from(decoded.map_err(|error| format!("bodyBase64: {error}"))?)
        }
        _ => return Err("there must be one of body and bodyBase64".to_owned()),
    };
    let mut event = Event::new(body);
    event.headers = line.headers.into_iter().collect();
    Ok(event)
}

/// The error without the line, which is 1 for each of them.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text.split(" at line ").next().unwrap_or_default();
    format!("column {}: {said}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event_or_says_why_not() {
        let text = br#"{"headers":{"k":"v"},"body":"a\nb"}"#;
        let wanted = Event::new("a\nb").with_header("k", "v");
        assert_eq!(event(text).unwrap(), wanted);
        let bytes = event(br#"{"bodyBase64":"/wA="}"#).unwrap();
        assert_eq!(bytes, Event::new(vec![0xff, 0]));
        for (line, error) in [
            (r#"{"headers":{}}"#, "one of body and bodyBase64"),
            (r#"{"body":"a","bodyBase64":"/wA="}"#, "one of body"),
            (r#"{"bodyBase64":"/w"}"#, "bodyBase64: invalid length"),
            (r#"{"body":"a","header":{}}"#, "column 20: unknown field"),
            (r#"{"body":1}"#, "column 9: invalid type"),
            ("", "column 0: EOF"),
        ] {
            let said = event(line.as_bytes()).unwrap_err();
            assert!(said.contains(error), "{line}: {said}");
        }
    }
}
