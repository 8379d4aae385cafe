//! `channel`: what the folders of a file channel hold, without an agent.
//!
//! The law: only `repair` and `import` change anything, and they need a channel that is stopped. The others read
//! with [`flume_log::verify`], which shares no code with the reader that delivers, and need no lock.
//! Of a channel that runs they see some moment: what was delivered just before may still wait.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use flume_core::shell::{EXIT_NO_INPUT, complain, print};
use flume_log::disk::{Disk, Folders};
use flume_log::verify::{self, Inspection};
use flume_log::{LogError, Options};

pub(super) use self::progress::Progress;
use self::report::Holds;
pub(super) use self::waiting::each_waiting;

mod adopt;
mod export;
mod import;
mod progress;
mod report;
mod waiting;

/// Bytes of the segment that a repair makes, to say what is passed over: a disk that is nearly full
/// has room for it.
const REPAIR_BYTES: u64 = 1 << 20;

/// Looks that a channel that runs may spoil: a segment is renamed while the folder is read.
const MOST_LOOKS: usize = 10;

/// Looks into the folders of a file channel, or into those that a Flume has left.
#[derive(Debug, Args)]
pub(crate) struct ChannelArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what the folders hold: segments, events that wait, damage. The channel may run.
    Inspect(LookArgs),
    /// Reads everything, and lists what is damaged. Exits with 1 if events are lost. The channel
    /// may run.
    Verify(LookArgs),
    /// Puts copies of what is damaged into files beside it, and has the channel pass over it. A damaged
    /// head of a file stays: it costs no event. The channel must be stopped.
    Repair(FolderArgs),
    /// Writes the events that wait as lines of JSON to standard output, in the order in which the channel
    /// would deliver them, and changes nothing. A body that is no text is in `bodyBase64`.
    Export(FolderArgs),
    Import(import::ImportArgs),
    Adopt(adopt::AdoptArgs),
}

#[derive(Debug, Args)]
struct LookArgs {
    #[command(flatten)]
    folders: FolderArgs,
    /// One object of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct FolderArgs {
    /// The folders of the channel's `dataDirs`, all of them.
    #[arg(value_name = "DIR", required = true)]
    pub(super) folders: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &ChannelArgs) -> ExitCode {
    let done = match &args.command {
        Command::Inspect(args) => inspected(args).map(|_| ExitCode::SUCCESS),
        Command::Verify(args) => inspected(args).map(|holds| match holds.lost {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }),
        Command::Repair(args) => repair(&args.folders),
        Command::Export(args) => export::run(&args.folders),
        Command::Import(args) => import::run(args),
        Command::Adopt(args) => Ok(adopt::run(args)),
    };
    done.unwrap_or_else(|code| code)
}

/// Says that something failed, and gives the exit status for it.
pub(super) fn failed(error: &dyn Display) -> ExitCode {
    complain(&format!("error: {error}\n"));
    ExitCode::FAILURE
}

pub(super) fn unreadable(error: &dyn Display) -> ExitCode {
    complain(&format!("error: {error}\n"));
    ExitCode::from(EXIT_NO_INPUT)
}

fn inspected(args: &LookArgs) -> Result<Inspection, ExitCode> {
    let folders = &args.folders.folders;
    let (inspection, kept) = look(folders, |disk, progress| {
        verify::inspect(disk, &mut |now| progress.show(now))
    })?;
    let holds = Holds::new(&inspection, &kept);
    print(&match args.json {
        true => format!("{}\n", holds.json()),
        false => holds.to_string(),
    });
    Ok(inspection)
}

/// Reads folders without a lock; returns what was found, and the copies of damage that are there.
fn look(
    folders: &[PathBuf],
    mut read: impl FnMut(&dyn Disk, &mut Progress) -> Result<Inspection, LogError>,
) -> Result<(Inspection, Vec<String>), ExitCode> {
    let mut looks = 0;
    loop {
        looks += 1;
        let disk = existing(folders)?;
        let kept = report::kept(&disk).map_err(|error| unreadable(&error))?;
        match read(&disk, &mut Progress::new()) {
            Ok(found) => return Ok((found, kept)),
            Err(error) if looks < MOST_LOOKS && is_gone(&error) => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

/// The folders of a channel, to look at. Whoever opens one asks first: a folder with a misspelt name
/// would be made. (An open channel has a segment, and so has a closed one.)
pub(super) fn existing(folders: &[PathBuf]) -> Result<Folders, ExitCode> {
    let disk = Folders::look(folders).map_err(|error| unreadable(&error))?;
    if verify::is_log(&disk).map_err(|error| unreadable(&error))? {
        return Ok(disk);
    }
    let advice = "for those of Flume there is `channel adopt`";
    let said = format!("there is no segment of a file channel here; {advice}");
    Err(unreadable(&said))
}

fn is_gone(error: &LogError) -> bool {
    matches!(error, LogError::Disk { error, .. } if error.kind() == io::ErrorKind::NotFound)
}

fn repair(folders: &[PathBuf]) -> Result<ExitCode, ExitCode> {
    existing(folders)?;
    let disk = Folders::own(folders).map_err(|error| failed(&error))?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let mut progress = Progress::new();
    let options = Options {
        segment_bytes: REPAIR_BYTES,
        ..Options::default()
    };
    let repaired = verify::repair(&disk, options, &mut |now| progress.show(now));
    drop(progress);
    let damaged = repaired.map_err(|error| failed(&error))?;
    let lost: u64 = damaged.iter().map(|damage| damage.lost).sum();
    for damage in &damaged {
        print(&format!("{damage}\n"));
    }
    print(&match damaged.len() {
        0 => "no event is lost; nothing was changed\n".to_owned(),
        ranges => format!("damaged ranges passed over from now on: {ranges}, lost: {lost}\n"),
    });
    Ok(ExitCode::SUCCESS)
}
