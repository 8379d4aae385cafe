//! The compiler of policies, which is this program again: `flume-host policy compile`.
//!
//! It is no command for people. Agents, and the commands for authors, start it for each file that is
//! not compiled yet; it limits itself, reads the file from standard input, and writes the code to
//! standard output.

use std::process::ExitCode;

use flume_policy::{ChildLimits, Compiler, ask_child, compile_as_child};

/// Compiles in children of this process.
pub(crate) fn compiler() -> Compiler {
    Compiler::in_children(ChildLimits::default())
}

/// Compiles, if this process is such a child. Then it has nothing else to do.
pub fn compile_if_child() -> Option<ExitCode> {
    let limits = ask_child(std::env::args())?;
    Some(compile_as_child(&limits))
}
