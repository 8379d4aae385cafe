//! The patience with a client that is silent: `idle-timeout` of a source.

use std::future::pending;
use std::time::Duration;

use flume_core::Context;
use tokio::time::sleep;

/// Reads `idle-timeout`: seconds without input or room for output; 0 (the default) is never. `None`
/// leaves an error.
pub(crate) fn configure(context: &mut Context) -> Option<Option<Duration>> {
    let seconds = context.number("idle-timeout", 0, 0..=u64::from(u32::MAX))?;
    Some((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// Returns after this time, or never.
pub(crate) async fn waited(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}
