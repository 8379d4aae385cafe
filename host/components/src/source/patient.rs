//! How a source that reads nothing while it waits puts its events: `exec`, and `seq`.
//!
//! The law: an event is tried again until it is in the channels, and dropped only if an interceptor
//! can never handle it. Both are counted, and logged with a limit.

use std::time::Duration;

use flume_core::{Event, ProcessError, SourceContext};
use tokio::time::sleep;

use crate::net::complaint::Refusals;

/// Puts events in their order, waiting as long as it takes. `what` an event is, for the log; the
/// pauses between tries are the first, doubling up to the second.
pub(super) async fn put(
    events: Vec<Event>,
    context: &SourceContext,
    (source, what): (&str, &str),
    refused: &Refusals,
    (first, longest): (Duration, Duration),
) {
    let mut pause = first;
    let mut put = context.channels.begin(events).await;
    while !put.is_complete() {
        let progress = put.advance().await;
        context.counters.event_accepted.add(progress.accepted);
        if progress.accepted > 0 {
            pause = first;
        }
        let Some(error) = progress.refused else {
            continue;
        };
        match &error {
            ProcessError::Channel { .. } => context.counters.channel_write_fail.increment(),
            ProcessError::Interceptor(_) => context.counters.generic_processing_fail.increment(),
        }
        let left_out = refused.admit(&error);
        let (_, by) = error.cause();
        if error.is_transient() {
            if let Some(left_out) = left_out {
                tracing::warn!(source, by, %error, left_out, "unable to put; trying again");
            }
            // A channel has its own wait for room.
            let is_channel = matches!(error, ProcessError::Channel { .. });
            sleep(if is_channel { first } else { pause }).await;
            pause = (pause * 2).min(longest);
        } else {
            if let Some(left_out) = left_out {
                tracing::error!(source, by, %error, left_out, "{what} dropped");
            }
            put.skip();
        }
    }
}
