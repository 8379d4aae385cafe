//! The command line: one module for each command.

use std::io::{self, Write};
use std::process::ExitCode;

pub mod check;
pub mod components;
pub mod convert;

/// What the shell is told if the configuration is wrong: `EX_CONFIG` of sysexits.
pub const EXIT_CONFIG: u8 = 78;

/// What the shell is told if a file cannot be read: `EX_NOINPUT` of sysexits.
pub const EXIT_NO_INPUT: u8 = 66;

/// Writes to standard output. A reader that goes away early (`| head`) is no failure.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "standard output is closed");
    }
}

/// Says on standard error that a file cannot be read.
fn unreadable(path: &std::path::Path, error: &io::Error) -> ExitCode {
    complain(&format!("error: cannot read {}: {error}\n", path.display()));
    ExitCode::from(EXIT_NO_INPUT)
}

/// Writes to standard error.
fn complain(text: &str) {
    if let Err(error) = io::stderr().write_all(text.as_bytes()) {
        tracing::debug!(%error, "standard error is closed");
    }
}
