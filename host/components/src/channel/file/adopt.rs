//! What a Flume has left in the folders of a file channel is taken over when the channel is opened.
//!
//! Its undelivered events go into our log, in order; then its files are moved away, so that a Flume that is
//! started there by mistake finds an empty channel. How a kill in the middle is made good:
//! [`flume_adopt`].

use flume_adopt::{Directories, Found, Holds, Limits, ReadError, Refusal, Report, find};
use flume_core::{ComponentError, Event, Headers};
use flume_log::Log;

use super::batch::{Batch, BatchError};
use super::keys::Place;

/// What is said of a disk that fails.
const GOES_ON: &str = "nothing is lost: once the disk is well, the next start goes on";

/// Takes over what is there; returns how many events were put into the log.
///
/// # Errors
/// What is there cannot be taken over, or may not be.
pub(super) fn adopt(channel: &str, place: &Place, log: &Log) -> Result<u64, ComponentError> {
    let directories = Directories {
        checkpoint: place.checkpoint.clone(),
        data: place.data.clone(),
        backup: place.backup.clone(),
    };
    let refused = |error| {
        let said = "what Flume has left in its folders cannot be adopted";
        let said = match error {
            Refusal::Io { .. } => format!("{said} ({GOES_ON})"),
            _ => said.to_owned(),
        };
        ComponentError::caused_by(said, error)
    };
    let mut adopted = 0;
    loop {
        match find(&directories, Limits::default()).map_err(refused)? {
            Holds::Nothing => return Ok(adopted),
            Holds::Adopted(aside) => {
                say_moved(channel, &aside.move_files().map_err(refused)?);
            }
            Holds::Channel(_) if !place.adopts => {
                let text = "its folders hold a channel of Flume, and `adopt` is `refuse`";
                return Err(ComponentError::new(text));
            }
            Holds::Channel(mut found) => {
                let first = found.begin(log.next()).map_err(refused)?;
                let safe = log.next().saturating_sub(first);
                let report = copy(&found, safe, log)?;
                adopted += report.events.saturating_sub(safe);
                tracing::info!(channel, "Flume's channel is adopted: {report}");
                let aside = found.mark_safe().map_err(refused)?;
                say_moved(channel, &aside.move_files().map_err(refused)?);
            }
        }
    }
}

fn say_moved(channel: &str, into: &[std::path::PathBuf]) {
    for folder in into {
        let folder = folder.display().to_string();
        tracing::info!(
            channel,
            folder,
            "Flume's files are here now; nothing needs them any more"
        );
    }
}

/// Puts the events into the log, without the first ones, which are safe.
fn copy(found: &Found, safe: u64, log: &Log) -> Result<Report, ComponentError> {
    let failed = |error: ReadError<BatchError>| {
        let said = format!("Flume's events could not be copied ({GOES_ON})");
        ComponentError::caused_by(said, error)
    };
    let mut batch = Batch::new(log);
    let report = found.read(safe, |event| batch.push(&ours(event)));
    let report = report.map_err(failed)?;
    let finished = batch.finish();
    finished.map_err(|error| failed(ReadError::Taker(error.into())))?;
    Ok(report)
}

/// The event, as ours.
fn ours(event: flume_adopt::Event) -> Event {
    Event {
        headers: Headers::from_pairs(event.headers),
        body: event.body,
    }
}
