//! Whether `FAILED` may be about an event of the batch.
//!
//! A collector answers `FAILED` for a batch that its channel has no room for, and, as Flume does, for
//! one with an event that an interceptor there cannot handle. The first is usual and passes. Of an
//! event that does not come as a batch (`append`) it says `FAILED` only if there is no room, and
//! else the reason in words.
//!
//! | `FAILED` for | the last refusal | to blame |
//! |---|---|---|
//! | a batch | none, or a batch's worth of events was delivered since | the place |
//! | a batch | less was delivered since | either: the runner searches |
//! | a single event, not as a batch | | the place: the channel has no room |
//! | anything, by a peer that takes batches alone | | the place |
//!
//! So a full collector is never taken for a bad event, however long it is full: the search begins
//! with a single event, and of that one the collector says what is wrong.

/// The refusals of late.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Events to be delivered before a refusal is the first again.
    until_first: usize,
    single: Single,
}

/// Whether the peer takes an event that is not a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Single {
    #[default]
    Unknown,
    Taken,
    Never,
}

impl Refusals {
    /// Notes that a batch was refused, which has up to so many events; says whether one of them may
    /// be to blame.
    pub(super) fn refuse(&mut self, most: usize) -> bool {
        let again = self.until_first > 0;
        self.until_first = most.max(1);
        again && self.single != Single::Never
    }

    /// Whether a single event is to be sent as one, so that the peer says what is wrong with it.
    pub(super) fn ask_for_reasons(&self) -> bool {
        match self.single {
            Single::Unknown => self.until_first > 0,
            Single::Taken => true,
            Single::Never => false,
        }
    }

    /// Whether the peer has taken a single event.
    pub(super) fn takes_single(&self) -> bool {
        self.single == Single::Taken
    }

    /// Notes whether the peer takes an event that is not a batch.
    pub(super) fn note_single(&mut self, taken: bool) {
        self.single = if taken { Single::Taken } else { Single::Never };
    }

    /// Notes events that were delivered.
    pub(super) fn deliver(&mut self, events: usize) {
        self.until_first = self.until_first.saturating_sub(events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_forgotten_after_a_batch_of_deliveries() {
        let mut refusals = Refusals::default();
        assert!(!refusals.refuse(10));
        assert!(refusals.refuse(10));
        refusals.deliver(9);
        assert!(refusals.refuse(10));
        refusals.deliver(9);
        refusals.deliver(1);
        assert!(!refusals.ask_for_reasons());
        assert!(!refusals.refuse(10));
    }

    #[test]
    fn a_peer_that_takes_batches_alone_cannot_give_reasons() {
        let mut refusals = Refusals::default();
        refusals.refuse(10);
        assert!(refusals.ask_for_reasons());
        refusals.note_single(false);
        assert!(!refusals.refuse(10));
        assert!(!refusals.ask_for_reasons());
    }
}
