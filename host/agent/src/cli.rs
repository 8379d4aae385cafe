//! The command line: one module for each command.
//!
//! Without a command it runs agents, so that `flume-host -n a1 -f FILE` reads like
//! `flume-ng agent -n a1 -f FILE`.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | done; of `run`: stopped with empty channels |
//! | 1 | failed at run time; of `run`: events were left in channels; of `channel verify`: events are lost |
//! | 2 | the command line is wrong |
//! | 65 | of `policy`: the file is not a policy, or breaks the contract |
//! | 66 | a file cannot be read |
//! | 78 | the configuration is wrong |
//! | 130, 143 | ended at once by a second signal |

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) mod avro_client;
pub(crate) mod channel;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod components;
pub(crate) mod convert;
pub(crate) mod dead_letters;
pub(crate) mod metrics;
#[cfg(not(feature = "desk"))]
pub(crate) mod no_desk;
#[cfg(feature = "desk")]
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod send;

#[cfg(not(feature = "desk"))]
use no_desk as policy;

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
    /// Run the agents of a file until a signal ends them.
    #[command(visible_alias = "agent")]
    Run(run::RunArgs),
    AvroClient(avro_client::AvroClientArgs),
    Channel(channel::ChannelArgs),
    Check(check::CheckArgs),
    Convert(convert::ConvertArgs),
    DeadLetters(dead_letters::DeadLettersArgs),
    Components(components::ComponentsArgs),
    Metrics(metrics::MetricsArgs),
    Policy(policy::PolicyArgs),
    Send(send::SendArgs),
}

impl Cli {
    /// Runs the command.
    pub fn execute(self) -> ExitCode {
        match self.command {
            None => run::run(&self.run),
            Some(Command::Run(args)) => run::run(&args),
            Some(Command::AvroClient(args)) => avro_client::run(&args),
            Some(Command::Channel(args)) => channel::run(&args),
            Some(Command::Check(args)) => check::run(&args),
            Some(Command::Convert(args)) => convert::run(&args),
            Some(Command::DeadLetters(args)) => dead_letters::run(&args),
            Some(Command::Components(args)) => components::run(&args),
            Some(Command::Metrics(args)) => metrics::run(&args),
            Some(Command::Policy(args)) => policy::run(&args),
            Some(Command::Send(args)) => send::run(&args),
        }
    }
}
