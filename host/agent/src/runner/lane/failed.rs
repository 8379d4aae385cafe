//! A batch that was not delivered, on its way to the one who decides what becomes of it.

use flume_core::{Blame, EventDeliveryError, TakeTransaction};

use super::under_way::UnderWay;

/// A failure, with the batch that it is about, if it is about one.
pub(super) struct Failed {
    pub(super) batch: Option<TakeTransaction>,
    pub(super) error: EventDeliveryError,
}

impl Failed {
    pub(super) fn with(batch: TakeTransaction, error: EventDeliveryError) -> Self {
        Self::of(Some(batch), error)
    }

    /// A failure that is about the batch that was taken last.
    pub(super) fn of(batch: Option<TakeTransaction>, error: EventDeliveryError) -> Self {
        Self { batch, error }
    }

    /// A failure that is about the oldest batch. The younger ones go back to the channel, unless the
    /// sink has answered for this one event by event.
    pub(super) fn of_oldest(under_way: &mut UnderWay, error: EventDeliveryError) -> Self {
        let batch = under_way.take_oldest();
        if !matches!(error.blame(), Blame::Refused(_)) {
            under_way.roll_back();
        }
        Self { batch, error }
    }
}

impl From<EventDeliveryError> for Failed {
    fn from(error: EventDeliveryError) -> Self {
        Self { batch: None, error }
    }
}
