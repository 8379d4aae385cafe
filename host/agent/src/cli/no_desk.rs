//! `policy` in a program built without the feature `desk`: reports that.

use std::process::ExitCode;

use clap::Args;
use flume_core::shell::{EXIT_USAGE, complain};

/// Not in this program: it was built without the feature `desk`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct PolicyArgs {
    /// The arguments of the missing command.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<std::ffi::OsString>,
}

/// Refuses the command.
pub(crate) fn run(_: &PolicyArgs) -> ExitCode {
    complain(
        "error: this program was built without the commands for authors of policies; \
         build it with `--features desk`\n",
    );
    ExitCode::from(EXIT_USAGE)
}
