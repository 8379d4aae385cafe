//! The program `flume-host`; its code is in the library.

use std::process::ExitCode;

use clap::Parser;
use flume_agent::{Cli, set_up_allocator};

fn main() -> ExitCode {
    set_up_allocator();
    Cli::parse().execute()
}
