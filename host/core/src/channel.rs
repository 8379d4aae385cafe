//! The channel contract: where events rest between a source and a sink.
//!
//! [`Channel`] is what anybody may ask. [`Steps`] is the implementor's side, in small steps: *reserve
//! room, append* for puts; *take, settle or give back* for takes. Only the values of
//! [`transaction`](crate::transaction) call them, and they keep the laws: each reservation is
//! appended or released once, and each taken event is settled or given back once, also when the
//! transaction is just dropped.

use std::sync::Arc;
use std::{fmt, vec};

use async_trait::async_trait;

use crate::counters::ChannelCounter;
use crate::error::ComponentError;
use crate::event::Event;

pub mod bounded;
mod commit;
pub mod memory;
mod recipe;
pub mod room;
mod taken;

pub use commit::Commit;
pub use recipe::ChannelRecipe;
pub use taken::{Taken, UNMARKED};

/// A queue of events with transactional put and take.
///
/// Laws: what was appended is taken in order; what was taken and given back is taken again first,
/// in its old order; events taken but not settled still occupy room.
#[async_trait]
pub trait Channel: Steps + Send + Sync + fmt::Debug {
    /// The name in the configuration.
    fn name(&self) -> &str;

    /// The most events that the channel holds, taken but not settled ones included.
    fn capacity(&self) -> usize;

    /// The most events in one put transaction and in one take transaction.
    fn transaction_capacity(&self) -> usize;

    /// Events that wait in it. Some may have to be read first.
    fn depth(&self) -> usize;

    /// Whether one of them can be taken now. If not, [`ready`](Self::ready) waits until one can.
    fn has_events(&self) -> bool;

    /// Whether there is no room at all, be it for events or for their bytes.
    fn is_full(&self) -> bool {
        self.depth() >= self.capacity()
    }

    /// Bytes that its events hold, as its limit of bytes counts them; `None` if it does not count.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// The channel's counters.
    fn counters(&self) -> &Arc<ChannelCounter>;

    /// Waits until an event can be taken. Another taker may still be faster.
    async fn ready(&self);

    /// Whether a put waits for room. Always `false` for a channel whose puts never wait.
    fn is_short_of_room(&self) -> bool {
        false
    }

    /// Returns once a put waits for room. A taker that is holding events back then completes them.
    /// Never returns for a channel whose puts never wait.
    async fn short_of_room(&self) {
        std::future::pending().await
    }

    /// Whether [`resize`](Self::resize) is enough to make this the channel of a recipe. If not, another
    /// channel has to be made.
    fn can_become(&self, recipe: &dyn ChannelRecipe) -> bool;

    /// Has a channel in use keep to the limits of a recipe that it can become. A channel that holds
    /// more than a limit takes nothing in until it holds less.
    fn resize(&self, recipe: &dyn ChannelRecipe);

    /// Whether a put can fail when it is committed, or has to wait for that. If not, all commits are done at
    /// once.
    fn can_fail(&self) -> bool {
        false
    }

    /// Whether its events are there again after the process was stopped and started.
    fn outlives_stop(&self) -> bool {
        false
    }

    /// Whether all of them are, also after it was killed.
    fn outlives_kill(&self) -> bool {
        false
    }

    /// Makes the channel ready to be used. Nothing is put or taken before.
    ///
    /// # Errors
    /// It cannot be used. It may be opened again.
    async fn open(&self) -> Result<(), ComponentError> {
        Ok(())
    }

    /// Ends the use of the channel: what it has to write is written, and what it holds is let go.
    /// Nothing is put or taken after. Returns how many events are lost that should
    /// [outlive](Self::outlives_stop) this.
    async fn close(&self) -> usize {
        0
    }

    /// What is wrong with it, for operators; `None` if nothing is.
    fn fault(&self) -> Option<ChannelFault> {
        None
    }
}

/// What is wrong with the place of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelFault {
    /// What, in words.
    pub cause: String,
    /// Whether it takes no event in.
    pub refuses_puts: bool,
}

/// The steps of transactions over a channel. Who uses a channel does not call them.
#[async_trait]
pub trait Steps {
    /// What a transaction is called in the words for clients, as Flume has them.
    fn transaction_name(&self) -> &'static str;

    /// Reserves room for as many of the first events as fit now, and returns how many.
    fn try_reserve(&self, events: &[Event]) -> usize;

    /// Reserves room for all events, waiting no longer than the channel's `keep-alive`.
    /// Nothing stays reserved when it fails or when the future is dropped.
    async fn reserve(&self, events: &[Event]) -> Result<(), ChannelError>;

    /// Releases the room reserved for these events.
    fn release(&self, events: &[Event]);

    /// Turns a reservation for some events into one for others, in one step, if there is room; says
    /// whether it did. It always does if the others are no more and no larger.
    fn exchange(&self, reserved: &[Event], wanted: &[Event]) -> bool;

    /// Stores events for which room was reserved, all at once, and counts them as attempts and, once
    /// they are stored, as successes. (Who gives up a put counts its events as attempts.) They can be
    /// taken when the commit is done. If it fails, they are not there, and their room is free.
    fn append(&self, events: Vec<Event>) -> Commit;

    /// Stores the first so many events of a batch, for which room was reserved, as [`append`](Self::append)
    /// does, if that is done at once and cannot fail; says whether it did. If not, nothing has changed.
    fn append_now(&self, _batch: &mut vec::IntoIter<Event>, _count: usize) -> bool {
        false
    }

    /// Moves up to `most` events to the end of `into` and returns how many. Never waits.
    fn take(&self, most: usize, into: &mut Taken) -> usize;

    /// Frees the room of taken events: they are delivered. If the commit fails, they may come again
    /// when the channel is opened the next time.
    fn settle(&self, taken: Taken) -> Commit;

    /// Puts taken events back at the head in their old order.
    fn give_back(&self, taken: Taken);
}

/// Why a channel refuses. The texts are Flume's, because clients see them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The put list of a transaction is full: the batch is larger than `transactionCapacity`.
    #[error(
        "Put queue for {transaction} of capacity {capacity} full, consider committing more \
         frequently, increasing capacity or increasing thread count"
    )]
    PutListFull {
        /// What Flume calls the transaction of such a channel.
        transaction: &'static str,
        /// The channel's `transactionCapacity`.
        capacity: usize,
    },
    /// No room for the bodies within `keep-alive`.
    #[error(
        "Cannot commit transaction. Byte capacity allocated to store event body {byte_capacity} \
         reached. Please increase heap space/byte capacity allocated to the channel as the sinks \
         may not be keeping up with the sources"
    )]
    BytesFull {
        /// Bytes that the channel may hold.
        byte_capacity: u64,
    },
    /// No room for the events within `keep-alive`.
    #[error("{words}")]
    Full {
        /// What Flume says of such a channel.
        words: &'static str,
    },
    /// The batch has more bytes than can be stored at once.
    #[error("the batch has more than {limit} bytes")]
    TooLarge {
        /// The most bytes.
        limit: usize,
    },
    /// The place of the channel failed, or is not open: a disk, a broker.
    #[error("{reason}")]
    Place {
        /// What failed, and why.
        reason: Arc<str>,
    },
}

impl ChannelError {
    /// Whether the same put can succeed later without a change of configuration.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::PutListFull { .. } | Self::TooLarge { .. })
    }

    /// In two words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PutListFull { .. } | Self::TooLarge { .. } => "batch too large",
            Self::BytesFull { .. } => "bytes full",
            Self::Full { .. } => "channel full",
            Self::Place { .. } => "channel failed",
        }
    }
}
