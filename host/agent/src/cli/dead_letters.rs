//! `dead-letters`: what was given up and is in a file channel, without an agent.
//!
//! The law: `list` and `show` change nothing, and need no lock, as `channel export`. `replay` and
//! `discard` settle what was answered, or what was asked for, and nothing else; they need a channel
//! that no agent has open.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::letter::Filter;

mod letter;
mod list;
mod settle;
mod show;

/// Looks through the dead letters in a file channel, sends them on, or drops them.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Replay(settle::ReplayArgs),
    Discard(settle::DiscardArgs),
}

/// Which dead letters are meant; all, unless something is said.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Those whose reason has this text in it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Those that were given up so long ago: `90s`, `10m`, `12h`, `7d`.
    #[arg(long, value_name = "TIME", value_parser = letter::duration)]
    older_than: Option<std::time::Duration>,
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        Filter::new(self.reason.clone(), self.older_than)
    }

    fn is_empty(&self) -> bool {
        self.reason.is_none() && self.older_than.is_none()
    }
}

/// Runs the command.
pub(crate) fn run(args: &DeadLettersArgs) -> ExitCode {
    let done = match &args.command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Replay(args) => settle::replay(args),
        Command::Discard(args) => settle::discard(args),
    };
    done.unwrap_or_else(|code| code)
}
