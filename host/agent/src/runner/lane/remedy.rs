//! What becomes of an event that a sink can never deliver: `on-error`, with its channel.

use std::fmt;

use flume_core::dead_letter::By;
use flume_core::{DeadLetters, Event, PutTransaction};

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

/// Puts a dead letter of a sink into its channel if that has room now; says whether it did.
pub(super) async fn put(
    to: &DeadLetters,
    event: &Event,
    (sink, reason, attempts): (&str, &str, u32),
) -> bool {
    let letter = to.letter(event, By::Sink(sink), reason, attempts);
    let Ok(put) = PutTransaction::of(&to.channel, vec![letter]) else {
        return false;
    };
    match put.try_reserve() {
        Ok(reserved) => reserved.commit().await.is_ok(),
        Err(_) => false,
    }
}
