//! The vocabulary and the laws of an agent: events, channels with transactions, selectors,
//! processors, interceptors, and the contracts of sources and sinks.
//!
//! Nothing here opens a socket or a file, and time is read only through [`clock`]. What talks to
//! the world lives in the agent and implements the traits of this crate.

pub mod channel;
pub mod channel_processor;
pub mod channel_selector;
pub mod clock;
pub mod context;
pub mod counters;
pub mod diagnostic;
pub mod event;
pub mod gate;
pub mod interceptor;
pub mod sink;
pub mod sink_processor;
pub mod sink_selector;
pub mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transaction;

pub use channel::{Channel, ChannelError};
pub use channel_processor::{ChannelProcessor, Front, Outcomes, ProcessError};
pub use channel_selector::{ChannelSelector, Selection};
pub use context::Context;
pub use counters::{ChannelCounter, FileCounter, SinkCounter, SourceCounter};
pub use diagnostic::{Code, Diagnostic, Severity, Span};
pub use event::{Event, Headers, JavaMap};
pub use gate::{Gate, Turn};
pub use interceptor::{Batch, Interceptor, InterceptorChain, InterceptorError};
pub use sink::{EventDeliveryError, Pipeline, Sink, Status};
pub use sink_processor::SinkProcessor;
pub use sink_selector::{Load, SinkSelector, Step};
pub use source::{ComponentError, Source, SourceContext};
pub use transaction::{PutTransaction, ReservedPut, Share, TakeTransaction};
