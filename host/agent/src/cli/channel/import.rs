//! `channel import`: lines of JSON, as `export` writes them, become events that wait in a channel.
//!
//! The law: an event that is counted is safe on the disk. A put under way is bounded in bytes and
//! events, and so is the number of puts; a line that is no event ends the import in front of it, and
//! what was said to be imported before stays.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use bytes::Bytes;
use clap::Args;
use data_encoding::BASE64;
use flume_components::channel::file::write_event;
use flume_core::Event;
use flume_core::shell::{complain, print};
use flume_log::disk::Folders;
use flume_log::{Committed, Log, LogError, Options, Put, verify};
use serde::Deserialize;

use super::progress::Progress;
use super::{failed, unreadable};

/// Events in a put.
const MOST_EVENTS: u64 = 1000;

/// Bytes of lines in a put. (One line may have more.)
const MOST_BYTES: usize = 1 << 20;

/// The longest line. An event of this size fits into the log.
const MOST_LINE: u64 = 128 << 20;

/// Puts under way.
const MOST_PUTS: usize = 4;

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
            (Box::new(BufReader::with_capacity(MOST_BYTES, file)), all)
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
    let mut import = Import::new(&log, args.skip);
    let mut progress = Progress::new();
    let read = import.all(input, &mut |done| {
        if all > 0 {
            progress.show(verify::Progress { done, all });
        }
    });
    // What is under way is waited for, whatever has failed.
    let ended = read.and(import.wait(0));
    drop(progress);
    let (safe, lines) = (import.safe, args.skip + import.safe);
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
    Log(Arc<LogError>),
    #[error("the log ended before it answered")]
    CutOff,
}

type Answer = Receiver<Result<Committed, Arc<LogError>>>;

/// Events on their way into a log.
struct Import<'a> {
    log: &'a Log,
    /// Puts under way, and how many events each has.
    puts: VecDeque<(u64, Answer)>,
    skip: u64,
    /// Events that are safe, in the order of the lines.
    safe: u64,
    put: Put,
    events: u64,
    bytes: usize,
    head: Vec<u8>,
}

impl<'a> Import<'a> {
    fn new(log: &'a Log, skip: u64) -> Self {
        Self {
            log,
            puts: VecDeque::new(),
            skip,
            safe: 0,
            put: Put::new(),
            events: 0,
            bytes: 0,
            head: Vec::new(),
        }
    }

    fn all(
        &mut self,
        mut input: impl BufRead,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ImportError> {
        let (mut text, mut number, mut done) = (Vec::new(), 0, 0);
        loop {
            text.clear();
            let read = (&mut input).take(MOST_LINE).read_until(b'\n', &mut text)?;
            if read == 0 {
                return self.commit();
            }
            number += 1;
            done += read as u64;
            if number <= self.skip {
                continue;
            }
            let is_cut = read as u64 == MOST_LINE && !text.ends_with(b"\n");
            let event = match is_cut {
                true => Err(format!("it has more than {MOST_LINE} bytes")),
                false => event(&text),
            };
            let added = event.and_then(|event| self.add(&event, read));
            if let Err(error) = added {
                // What is before it is whole.
                self.commit()?;
                return Err(ImportError::Line {
                    line: number,
                    error,
                });
            }
            if self.events == MOST_EVENTS || self.bytes >= MOST_BYTES {
                self.commit()?;
                progress(done);
            }
        }
    }

    fn add(&mut self, event: &Event, bytes: usize) -> Result<(), String> {
        if !write_event(&mut self.put, event, &mut self.head) {
            return Err("the event is too large for the log".to_owned());
        }
        self.events += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Has the events committed that were added, and waits if too many puts are under way.
    fn commit(&mut self) -> Result<(), ImportError> {
        if self.events > 0 {
            let (tell, answer) = sync_channel(1);
            let put = std::mem::replace(&mut self.put, Put::with_room(self.bytes));
            // Who no longer waits has seen another one fail.
            let done = Box::new(move |answer| tell.send(answer).unwrap_or_default());
            self.log.put(put, done);
            self.puts.push_back((self.events, answer));
            (self.events, self.bytes) = (0, 0);
        }
        self.wait(MOST_PUTS)
    }

    /// Waits until not more puts than these are under way.
    fn wait(&mut self, most: usize) -> Result<(), ImportError> {
        while self.puts.len() > most {
            let Some((events, answer)) = self.puts.pop_front() else {
                break;
            };
            let answer = answer.recv().map_err(|_| ImportError::CutOff)?;
            answer.map_err(ImportError::Log)?;
            self.safe += events;
        }
        Ok(())
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
