//! `dead-letters replay` and `discard`: letters leave the channel.
//!
//! The law: a letter is settled when the source has answered for it, or when it was asked to be
//! dropped. What is settled is safe on the disk before the next batch is sent: a kill doubles one
//! batch at most.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use clap::Args;
use flume_components::net::address::Address;
use flume_core::shell::{complain, print};
use flume_core::{Context, Event, chain, dead_letter};
use flume_log::disk::Folders;
use flume_log::{Log, OnDamage, Options, Read};
use serde_json::json;

use super::super::avro_client::OneSource;
use super::super::channel::{FolderArgs, existing, failed};
use super::FilterArgs;
use super::letter::{Filter, Letter};

/// Letters in a batch.
const MOST_LETTERS: usize = 100;

/// Bytes in a batch. (One letter may have more.)
const MOST_BYTES: usize = 1 << 20;

/// Sends dead letters to an avro source, and takes those out that it has answered for. The headers
/// that make them dead letters are taken off. No agent may have the channel open. Exits with 1 if one
/// was not answered: it stays.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    folders: FolderArgs,
    #[command(flatten)]
    which: FilterArgs,
    /// Where the source listens.
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Leaves the headers on.
    #[arg(long)]
    keep_headers: bool,
    /// One object of JSON.
    #[arg(long)]
    json: bool,
}

/// Drops dead letters. No agent may have the channel open.
#[derive(Debug, Args)]
pub(super) struct DiscardArgs {
    #[command(flatten)]
    folders: FolderArgs,
    #[command(flatten)]
    which: FilterArgs,
    /// All of them, whatever their reason and age.
    #[arg(long)]
    all: bool,
    /// One object of JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `replay`.
pub(super) fn replay(args: &ReplayArgs) -> Result<ExitCode, ExitCode> {
    let mut context = Context::of("dead-letters", &[("to", &args.to)]);
    let Some(address) = Address::read(&mut context, "to") else {
        let said = format!("--to is not HOST:PORT: {}", args.to);
        return Err(failed(&said));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&format!("cannot start: {error}")))?;
    let log = owned(&args.folders.folders)?;
    let client = runtime.block_on(OneSource::connect(address));
    let mut client = client.map_err(|error| failed(&chain(&error)))?;
    let send = &mut |letters: &[Letter]| {
        let event = |letter: &Letter| plain(letter, args.keep_headers);
        let events: Vec<Event> = letters.iter().map(event).collect();
        let sent = runtime.block_on(client.send(&events));
        sent.map_err(|error| chain(&error))
    };
    let done = each_batch(&log, &args.which.filter(), send);
    runtime.block_on(client.close());
    log.close();
    conclude("replayed", &done, args.json)
}

/// Runs `discard`.
pub(super) fn discard(args: &DiscardArgs) -> Result<ExitCode, ExitCode> {
    if args.which.is_empty() != args.all {
        let said = match args.all {
            true => "--all is all of them: take --reason and --older-than away, or --all",
            false => "say which with --reason or --older-than, or --all",
        };
        return Err(failed(&said));
    }
    let log = owned(&args.folders.folders)?;
    let done = each_batch(&log, &args.which.filter(), &mut |_| Ok(()));
    log.close();
    conclude("discarded", &done, args.json)
}

/// The event that a letter was, or the letter.
fn plain(letter: &Letter, keep_headers: bool) -> Event {
    let mut event = letter.event.clone();
    if !keep_headers {
        dead_letter::take_off(&mut event.headers);
    }
    event
}

/// Opens a channel that no agent has open.
fn owned(folders: &[PathBuf]) -> Result<Log, ExitCode> {
    existing(folders)?;
    let disk = Folders::own(folders).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => failed(&format!(
            "{error}: stop that agent, or take the channel off its file and reload it (`list` and \
             `show` work meanwhile)"
        )),
        _ => failed(&error),
    })?;
    let opened = Log::open(Arc::new(disk), Options::default());
    let (log, _) = opened.map_err(|error| failed(&error))?;
    Ok(log)
}

/// What became of the letters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    /// Those that are out of the channel.
    settled: u64,
    /// Those that were looked at and stay.
    left: u64,
    /// Why it ended early.
    error: Option<String>,
}

/// Hands the letters that are meant to `act`, batch by batch, and settles those for which it did its
/// work. Ends with the first that fails.
fn each_batch(
    log: &Log,
    filter: &Filter,
    act: &mut dyn FnMut(&[Letter]) -> Result<(), String>,
) -> Done {
    let mut done = Done::default();
    let ended = settle_all(log, filter, act, &mut done);
    done.error = ended.err();
    done
}

fn settle_all(
    log: &Log,
    filter: &Filter,
    act: &mut dyn FnMut(&[Letter]) -> Result<(), String>,
    done: &mut Done,
) -> Result<(), String> {
    let mut reader = log.reader().on_damage(OnDamage::Refuse);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let records = match reader.read().map_err(|error| error.to_string())? {
            Read::Records(records) => records,
            Read::Damaged(damage) => {
                settle_batch(log, &mut batch, act, done)?;
                let remedy = "have `flume-host channel repair` pass over it, and go on";
                return Err(format!("{damage}: {remedy}"));
            }
            Read::End => return settle_batch(log, &mut batch, act, done),
        };
        for (number, record) in records.iter() {
            match Letter::of(number, record).filter(|letter| filter.takes(letter)) {
                Some(letter) => batch.push(letter),
                None => {
                    done.left += 1;
                    continue;
                }
            }
            bytes += record.len();
            if batch.len() == MOST_LETTERS || bytes >= MOST_BYTES {
                settle_batch(log, &mut batch, act, done)?;
                bytes = 0;
            }
        }
    }
}

/// Has a batch done, and settles it for good.
fn settle_batch(
    log: &Log,
    batch: &mut Vec<Letter>,
    act: &mut dyn FnMut(&[Letter]) -> Result<(), String>,
    done: &mut Done,
) -> Result<(), String> {
    if batch.is_empty() {
        return Ok(());
    }
    if let Err(error) = act(batch) {
        done.left += batch.len() as u64;
        return Err(error);
    }
    for letter in &*batch {
        log.settle(letter.number, letter.number + 1);
    }
    let (tell, answer) = sync_channel(1);
    log.flush(Box::new(move |flushed| {
        tell.send(flushed).unwrap_or_default()
    }));
    let flushed = answer.recv().map_err(|error| error.to_string())?;
    flushed.map_err(|error| format!("what was done is not noted, and comes again: {error}"))?;
    done.settled += batch.len() as u64;
    batch.clear();
    Ok(())
}

fn conclude(what: &str, done: &Done, as_json: bool) -> Result<ExitCode, ExitCode> {
    let Done {
        settled,
        left,
        error,
    } = done;
    print(&match as_json {
        true => format!("{}\n", json!({what: settled, "left": left, "error": error})),
        false if error.is_some() => format!("{what}: {settled}\n"),
        false => format!("{what}: {settled}, left: {left}\n"),
    });
    match error {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => {
            complain(&format!(
                "error: {error}\nwhat is not {what} stays in the channel\n"
            ));
            Err(ExitCode::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use flume_components::channel::file::Batch;

    use super::*;

    /// A channel with so many letters; each second one is too large.
    fn letters(folder: &std::path::Path, count: u64) -> Log {
        let disk = Folders::own(&[folder.to_owned()]).unwrap();
        let (log, _) = Log::open(Arc::new(disk), Options::default()).unwrap();
        let mut batch = Batch::new(&log);
        for number in 0..count {
            let reason = if number % 2 == 0 {
                "no time"
            } else {
                "too large"
            };
            let event = Event::new(number.to_string()).with_header(dead_letter::REASON, reason);
            batch.push(&event).unwrap();
        }
        batch.finish().unwrap();
        log
    }

    fn bodies(log: &Log) -> Vec<String> {
        let mut all = Vec::new();
        let mut note = |letters: &[Letter]| {
            let body = |letter: &Letter| String::from_utf8_lossy(&letter.event.body).into_owned();
            all.extend(letters.iter().map(body));
            Err("only looked at".to_owned())
        };
        assert_eq!(each_batch(log, &Filter::default(), &mut note).settled, 0);
        all
    }

    #[test]
    fn what_is_meant_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let log = letters(folder.path(), 10);
        let filter = Filter::new(Some("large".to_owned()), None);
        let mut seen = 0;
        let done = each_batch(&log, &filter, &mut |letters| {
            seen += letters.len();
            Ok(())
        });
        let expected = Done {
            settled: 5,
            left: 5,
            error: None,
        };
        assert_eq!((done, seen), (expected, 5));
        assert_eq!(bodies(&log), ["0", "2", "4", "6", "8"]);
        log.close();
        let disk = Folders::look(&[folder.path().to_owned()]).unwrap();
        assert_eq!(
            flume_log::verify::inspect(&disk, &mut |_| {})
                .unwrap()
                .waiting,
            5,
            "it is on the disk"
        );
    }

    #[test]
    fn a_batch_that_fails_stays_and_those_before_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let log = letters(folder.path(), 250);
        let mut batches = 0;
        let done = each_batch(&log, &Filter::default(), &mut |letters| {
            batches += 1;
            match batches {
                3 => Err(format!("no answer for {}", letters.len())),
                _ => Ok(()),
            }
        });
        assert_eq!(done.settled, 2 * MOST_LETTERS as u64);
        assert_eq!(done.error.as_deref(), Some("no answer for 50"));
        assert_eq!(bodies(&log).first().map(String::as_str), Some("200"));
        let all = each_batch(&log, &Filter::default(), &mut |_| Ok(()));
        assert_eq!((all.settled, all.left, bodies(&log).len()), (50, 0, 0));
    }
}
