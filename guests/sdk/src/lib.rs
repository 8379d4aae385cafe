//! Write a policy for flume-host: a type, a trait, and one line of export.
//!
//! | to write | implement | export with |
//! |---|---|---|
//! | a sink selector | [`SinkSelector`] | [`export_selector!`] |
//! | an interceptor | [`Interceptor`] | [`export_interceptor!`] |
//!
//! The traits are plain Rust: a policy's logic is tested natively, with the stand-ins of
//! [`testing`]. Columns and bindings, which cross the boundary, are hidden.

#[cfg(any(test, all(target_family = "wasm", feature = "allocator")))]
mod allocator;
mod backoff;
mod batch;
mod column;
mod ewma;
mod export;
mod glue;
mod hash;
mod interceptor;
pub mod log;
mod properties;
mod random;
mod selector;
mod shares;
pub mod testing;
pub mod words;

#[doc(hidden)]
pub mod bindings;

#[doc(hidden)]
pub use glue::{InterceptorSeat, SelectorSeat};

pub use backoff::Backoff;
pub use batch::{Batch, Event, Events};
pub use ewma::{Ewma, Latencies};
pub use hash::hash;
pub use interceptor::{Bodies, Interceptor, InterceptorSetup, Projection};
pub use properties::Properties;
pub use random::Random;
pub use selector::{Ask, BatchRouter, News, SelectorSetup, Sink, SinkSelector, Standing};
pub use shares::Shares;

#[cfg(all(target_family = "wasm", feature = "allocator"))]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator::new();

/// When a call is made; a policy has no clock of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds on a clock that never goes back; its zero has no meaning.
    pub now: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

/// Hands over to a successor, in a hot swap, what a policy has learnt.
pub trait State {
    /// The number of the layout that [`export`](Self::export) writes, chosen by the policy. The
    /// predecessor may be another policy, so prefer a number that others do not use over 1: see
    /// [`words::format`].
    const FORMAT: u32;

    /// The current state, at most 16 MiB.
    fn export(&self) -> Vec<u8>;

    /// Takes over a predecessor's state. After an error the policy starts without state.
    ///
    /// # Errors
    /// An unknown layout, or bytes that are not valid; the text is logged.
    fn import(&mut self, format: u32, bytes: &[u8]) -> Result<(), String>;
}
