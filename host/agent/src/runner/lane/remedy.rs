//! What becomes of an event that a sink can never deliver: `on-error`, with its channel.

use std::fmt;
use std::sync::Arc;

use flume_core::clock::WallClock;
use flume_core::{Channel, Event, PutTransaction};

/// The header of a dead letter that names the sink.
pub(crate) const SINK: &str = "dead-letter.sink";
/// The header of a dead letter that says why.
pub(crate) const REASON: &str = "dead-letter.reason";
/// The header of a dead letter with the time, in milliseconds since 1970.
pub(crate) const TIME: &str = "dead-letter.time";

/// A reason in a header has at most about so many bytes.
const MOST_REASON: usize = 1000;

/// The last resort for an event, after its tries.
#[derive(Debug, Clone, Default)]
pub(crate) enum Remedy {
    /// It is tried again and again.
    #[default]
    Retry,
    /// It is dropped.
    Drop,
    /// It goes to another channel.
    DeadLetter(DeadLetters),
}

/// Where dead letters go.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    /// The channel.
    pub(crate) channel: Arc<dyn Channel>,
    /// For the header [`TIME`].
    pub(crate) wall: WallClock,
}

impl Remedy {
    /// Whether an event is given up at some time.
    pub(super) fn gives_up(&self) -> bool {
        !matches!(self, Self::Retry)
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry => f.write_str("retry"),
            Self::Drop => f.write_str("drop"),
            Self::DeadLetter(letters) => write!(f, "dead-letter:{}", letters.channel.name()),
        }
    }
}

impl DeadLetters {
    /// Puts an event into the channel if that has room now; says whether it did.
    pub(super) async fn put(&self, event: &Event, sink: &str, reason: &str) -> bool {
        let letter = event
            .clone()
            .with_header(SINK, sink)
            .with_header(REASON, shortened(reason))
            .with_header(TIME, self.wall.millis().to_string());
        let Ok(put) = PutTransaction::of(&self.channel, vec![letter]) else {
            return false;
        };
        match put.try_reserve() {
            Ok(reserved) => reserved.commit().await.is_ok(),
            Err(_) => false,
        }
    }
}

fn shortened(reason: &str) -> &str {
    reason
        .get(..reason.floor_char_boundary(MOST_REASON))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(shortened("no time"), "no time");
        let long = format!("x{}", "é".repeat(600));
        assert_eq!(shortened(&long).len(), MOST_REASON - 1);
    }
}
