//! Has a log that is stopped pass its damage.

use std::sync::Arc;

use super::{Progress, inspect};
use crate::disk::Disk;
use crate::error::{Damage, LogError};
use crate::log::open;
use crate::reader::{Read, Reader};
use crate::terms::Options;

/// Reads a log to its end; what is damaged is copied to files beside it, within limits, and its records
/// are settled, so that they are not missed when the log is opened next. Nothing else is settled. A damaged
/// head of a segment stays as it is: it is made up from the frames behind it whenever the log is opened, costs
/// no record, and is gone when its records are settled. To write into a damaged file is a risk without a gain.
/// Returns what was damaged. The disk must be owned, as for opening the log.
///
/// # Errors
/// The disk failed. What was done before it did, is.
pub fn repair(
    disk: &Arc<dyn Disk>,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Damage>, LogError> {
    let is_damaged = inspect(disk.as_ref(), progress)?.lost > 0;
    if !is_damaged {
        return Ok(Vec::new());
    }
    let (mut writer, shared, _) = open(Arc::clone(disk), options)?;
    let mut reader = Reader::new(shared);
    let mut damaged = Vec::new();
    loop {
        match reader.read()? {
            Read::Records(_) => {}
            Read::Damaged(damage) => damaged.push(damage),
            Read::End => break,
        }
    }
    writer.commit(&mut [])?;
    writer.sync()?;
    Ok(damaged)
}
