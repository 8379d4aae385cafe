//! The output of a command: standard output, standard error, and the exit status.
//!
//! Shared by the commands of the program and those of the desk, so that their statuses agree.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The exit status if the command line is wrong; the same as clap's.
pub const EXIT_USAGE: u8 = 2;

/// The exit status if a file is not a policy, or breaks the contract: `EX_DATAERR` of sysexits.
pub const EXIT_DATA: u8 = 65;

/// The exit status if a file cannot be read: `EX_NOINPUT` of sysexits.
pub const EXIT_NO_INPUT: u8 = 66;

/// The exit status if properties or limits are wrong: `EX_CONFIG` of sysexits.
pub const EXIT_CONFIG: u8 = 78;

/// Writes to standard output. A reader that goes away early (`| head`) is not a failure.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "standard output is closed");
    }
}

/// Writes to standard error.
pub fn complain(text: &str) {
    if let Err(error) = io::stderr().write_all(text.as_bytes()) {
        tracing::debug!(%error, "standard error is closed");
    }
}

/// Reports on standard error that a file cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> ExitCode {
    complain(&format!("error: cannot read {}: {error}\n", path.display()));
    ExitCode::from(EXIT_NO_INPUT)
}
