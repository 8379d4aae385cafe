//! The program `flume-host`; everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use flume_agent::allocator;
use flume_agent::cli::Cli;

fn main() -> ExitCode {
    allocator::set_up();
    Cli::parse().execute()
}
