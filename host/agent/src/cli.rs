//! The command line: one module for each command.
//!
//! Without a command it runs agents, so that `flume-host -n a1 -f FILE` reads like
//! `flume-ng agent -n a1 -f FILE`.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | done; of `run`: stopped with empty channels |
//! | 1 | failed at run time; of `run`: events were left in channels |
//! | 2 | the command line is wrong |
//! | 65 | of `policy`: the file is no policy, or breaks the contract |
//! | 66 | a file cannot be read |
//! | 78 | the configuration is wrong |
//! | 130 | ended at once by a second signal |

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod avro_client;
pub mod check;
pub mod components;
pub mod convert;
pub mod policy;
pub mod run;
pub mod send;

/// Runs Apache Flume agents: sources, channels and sinks from a Flume 1.8 file or from TOML.
#[derive(Debug, Parser)]
#[command(name = "flume-host", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run agents of a file until a signal ends them.
    #[command(visible_alias = "agent")]
    Run(run::RunArgs),
    AvroClient(avro_client::AvroClientArgs),
    Check(check::CheckArgs),
    Convert(convert::ConvertArgs),
    Components(components::ComponentsArgs),
    Policy(policy::PolicyArgs),
    Send(send::SendArgs),
}

impl Cli {
    /// Does what the command line says.
    pub fn execute(self) -> ExitCode {
        match self.command {
            None => run::run(&self.run),
            Some(Command::Run(args)) => run::run(&args),
            Some(Command::AvroClient(args)) => avro_client::run(&args),
            Some(Command::Check(args)) => check::run(&args),
            Some(Command::Convert(args)) => convert::run(&args),
            Some(Command::Components(args)) => components::run(&args),
            Some(Command::Policy(args)) => policy::run(&args),
            Some(Command::Send(args)) => send::run(&args),
        }
    }
}

/// What the shell is told if the command line is wrong, as clap does.
pub const EXIT_USAGE: u8 = 2;

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
