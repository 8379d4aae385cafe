//! The program `flume-host`; its code is in the library.

use std::process::ExitCode;

use clap::Parser;
use flume_agent::{Cli, compile_if_child, set_up_allocator};

fn main() -> ExitCode {
    set_up_allocator();
    // Before anything else is set up: a compiler of policies limits itself.
    compile_if_child().unwrap_or_else(|| Cli::parse().execute())
}
