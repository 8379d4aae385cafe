//! The records that wait in a channel, in the order in which it would deliver them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use flume_components::channel::file::comes_first;
use flume_log::verify::{self, Inspection};

use super::look;

/// Hands out the records that wait, each once, with their sequences, until that breaks; and says what the
/// folders hold. Needs no lock.
pub(in crate::cli) fn each_waiting(
    folders: &[PathBuf],
    mut each: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<Inspection, ExitCode> {
    let first = comes_first(folders);
    // After a look that was spoiled, all come again: the next sequences of those that come first, and of others.
    let mut next = [0, 0];
    let (found, _) = look(folders, |disk, progress| {
        let record = &mut |sequence: u64, record: &[u8]| {
            let [firsts, others] = &mut next;
            let next = match first.contains(&sequence) {
                true => firsts,
                false => others,
            };
            if sequence < *next {
                return ControlFlow::Continue(());
            }
            *next = sequence.saturating_add(1);
            each(sequence, record)
        };
        verify::export(disk, first.clone(), &mut |now| progress.show(now), record)
    })?;
    Ok(found)
}
