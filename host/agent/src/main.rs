//! The agent.

use std::process::ExitCode;

use clap::Parser;
use flume_agent::cli::{check, components, convert};

/// Runs Flume's configuration files.
#[derive(Debug, Parser)]
enum Command {
    Check(check::CheckArgs),
    Convert(convert::ConvertArgs),
    Components(components::ComponentsArgs),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Check(args) => check::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Components(args) => components::run(&args),
    }
}
