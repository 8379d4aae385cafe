//! Dead letters: events that were given up, with headers that say by whom, why and when.
//!
//! | header | what |
//! |---|---|
//! | `dead-letter.sink`, `dead-letter.source` or `dead-letter.interceptor` | who gave it up; an interceptor as `source.interceptor` |
//! | `dead-letter.policy-digest` | of an interceptor: the SHA-256 of the policy that ran |
//! | `dead-letter.reason` | why, cut to [`MOST_REASON`] bytes |
//! | `dead-letter.time` | when, in milliseconds since 1970 |
//! | `dead-letter.attempts` | how often it was tried: by a sink, or in how many calls of a policy it was |
//!
//! The law: a dead letter has these headers of its last death alone.

use std::sync::Arc;

use crate::channel::Channel;
use crate::clock::WallClock;
use crate::event::{Event, Headers};

/// What the names of all these headers begin with.
pub const PREFIX: &str = "dead-letter.";
/// The header that names the sink.
pub const SINK: &str = "dead-letter.sink";
/// The header that names the source, which read what is no event.
pub const SOURCE: &str = "dead-letter.source";
/// The header that names the interceptor, behind its source.
pub const INTERCEPTOR: &str = "dead-letter.interceptor";
/// The header with the digest of a policy.
pub const POLICY_DIGEST: &str = "dead-letter.policy-digest";
/// The header that says why.
pub const REASON: &str = "dead-letter.reason";
/// The header with the time, in milliseconds since 1970.
pub const TIME: &str = "dead-letter.time";
/// The header with the number of tries.
pub const ATTEMPTS: &str = "dead-letter.attempts";

/// A reason in a header has at most about so many bytes.
pub const MOST_REASON: usize = 1000;

/// Where dead letters go.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// For the header [`TIME`].
    pub wall: WallClock,
}

/// Who gives an event up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// A sink.
    Sink(&'a str),
    /// A source.
    Source(&'a str),
    /// A policy in the place of an interceptor.
    Policy {
        /// The source, a dot, and the interceptor.
        place: &'a str,
        /// The digest of the version that ran.
        digest: &'a str,
    },
}

impl DeadLetters {
    /// The event as a dead letter.
    pub fn letter(&self, event: &Event, by: By<'_>, reason: &str, attempts: u32) -> Event {
        let mut headers = event.headers.clone();
        take_off(&mut headers);
        match by {
            By::Sink(name) => headers.insert(SINK, name),
            By::Source(name) => headers.insert(SOURCE, name),
            By::Policy { place, digest } => {
                headers.insert(INTERCEPTOR, place);
                headers.insert(POLICY_DIGEST, digest);
            }
        }
        headers.insert(REASON, shortened(reason));
        headers.insert(TIME, self.wall.millis().to_string());
        headers.insert(ATTEMPTS, attempts.to_string());
        let body = event.body.clone();
        Event { headers, body }
    }
}

/// Takes the headers of a dead letter off.
pub fn take_off(headers: &mut Headers) {
    headers.retain(|name, _| !name.starts_with(PREFIX));
}

fn shortened(reason: &str) -> &str {
    reason
        .get(..reason.floor_char_boundary(MOST_REASON))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::memory::{MemoryChannel, MemoryConfig};

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(shortened("no time"), "no time");
        let long = format!("x{}", "é".repeat(600));
        assert_eq!(shortened(&long).len(), MOST_REASON - 1);
    }

    #[test]
    fn a_letter_says_who_why_and_when_of_its_last_death() {
        let config = MemoryConfig::defaults(1 << 20);
        let letters = DeadLetters {
            channel: Arc::new(MemoryChannel::new("c9", &config)),
            wall: WallClock::fixed(77),
        };
        let event = Event::new("x").with_header("k", "v");
        let policy = By::Policy {
            place: "r1.i1",
            digest: "ab12",
        };
        let first = letters.letter(&event, policy, "a trap", 1);
        let shown = |letter: &Event| -> Vec<String> {
            let all = letter.headers.iter();
            all.map(|(name, value)| format!("{name}={value}")).collect()
        };
        let expected = [
            "k=v",
            "dead-letter.interceptor=r1.i1",
            "dead-letter.policy-digest=ab12",
            "dead-letter.reason=a trap",
            "dead-letter.time=77",
            "dead-letter.attempts=1",
        ];
        assert_eq!(shown(&first), expected);
        let again = letters.letter(&first, By::Sink("k1"), "too large", 10);
        let expected = [
            "k=v",
            "dead-letter.sink=k1",
            "dead-letter.reason=too large",
            "dead-letter.time=77",
            "dead-letter.attempts=10",
        ];
        assert_eq!(shown(&again), expected);
        let mut headers = again.headers;
        take_off(&mut headers);
        assert_eq!(headers, event.headers);
    }
}
