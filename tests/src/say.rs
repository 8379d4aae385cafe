//! Output of a passing scenario: why it was skipped, or what it measured.

use std::io::Write as _;

/// Writes a line to standard error past the test runner's capture, which affects only the printing
/// macros. It is one write, so that lines of concurrent tests stay whole.
///
/// # Panics
/// When standard error is closed.
pub fn line(text: &str) {
    let line = format!("{}\n", text.trim_end());
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error is open");
}
