//! `channel adopt --dry-run`: what a channel would take over from a Flume.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flume_adopt::{Directories, Holds, Limits, ReadError, Refusal, find};
use flume_core::shell::{EXIT_NO_INPUT, complain, print};

/// Says what a file channel of Apache Flume (1.3 to 1.11) holds that was not delivered, what of it
/// may have been, and what is damaged. Flume must have ended.
#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// Only look: nothing is changed. It must be given; a file channel adopts when its agent
    /// starts.
    #[arg(long, required = true)]
    dry_run: bool,
    /// The directory of the channel's directories, or each of them: `checkpointDir`, all
    /// `dataDirs`, `backupCheckpointDir`.
    #[arg(required = true)]
    directories: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &AdoptArgs) -> ExitCode {
    match look(&args.directories) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("error: {error}\n"));
            match error {
                ReadError::Io { .. } | ReadError::Refused(Refusal::Io { .. }) => {
                    ExitCode::from(EXIT_NO_INPUT)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Nobody takes the events, so nobody fails at it.
type Error = ReadError<std::convert::Infallible>;

fn look(directories: &[PathBuf]) -> Result<String, Error> {
    let directories = Directories::within(directories)?;
    let found = match find(&directories, Limits::default())? {
        Holds::Nothing => return Ok("no channel of Flume is there\n".to_owned()),
        Holds::Adopted(_) => {
            return Ok("all events are adopted; some files are not moved away yet\n".to_owned());
        }
        Holds::Channel(found) => found,
    };
    let report = found.read(u64::MAX, |_| Ok(()))?;
    let mut text = String::new();
    for (key, path) in places(&directories) {
        line(&mut text, key, path);
    }
    text.push_str(&report.to_string());
    for file in found.files() {
        line(&mut text, "would be moved aside", file);
    }
    Ok(text)
}

fn places(directories: &Directories) -> impl Iterator<Item = (&'static str, &Path)> {
    let data = directories.data.iter().map(|path| ("dataDirs", path));
    let backup = directories.backup.iter();
    std::iter::once(("checkpointDir", &directories.checkpoint))
        .chain(data)
        .chain(backup.map(|path| ("backupCheckpointDir", path)))
        .map(|(key, path)| (key, path.as_path()))
}

fn line(text: &mut String, what: &str, path: &Path) {
    // Writing to a text cannot fail.
    writeln!(text, "{what}: {}", path.display()).unwrap_or_default();
}
