//! The vocabulary and the laws of an agent: events, channels with transactions, selectors,
//! processors, interceptors, and the contracts of sources and sinks. What commands say to the shell
//! ([`shell`]) is here, too, since the agent and the desk share it.
//!
//! Nothing here opens a socket or a file, and time is read only through [`clock`]. Code that talks
//! to the outside world is in `flume-components` and the agent, and implements the traits of this
//! crate.

mod by_header;
pub mod channel;
pub mod channel_processor;
pub mod channel_selector;
pub mod clock;
pub mod context;
pub mod counters;
pub mod dead_letter;
pub mod diagnostic;
pub mod error;
pub mod event;
pub mod gate;
pub mod interceptor;
pub mod log_limit;
pub mod printable;
pub mod recipe;
pub mod registry;
pub mod shell;
pub mod sink;
pub mod sink_group;
pub mod sink_processor;
pub mod sink_schedule;
pub mod sink_selector;
pub mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transaction;

pub use by_header::ByHeader;
pub use channel::{Channel, ChannelError, ChannelFault, ChannelRecipe, Commit, Taken};
pub use channel_processor::{ChannelProcessor, Outcomes, ProcessError, Progress, PutInProgress};
pub use channel_selector::{ChannelSelector, Selection};
pub use context::Context;
pub use counters::{
    ChannelCounter, ClientCounter, DurableCounter, FileCounter, SinkCounter, SourceCounter,
    SpillCounter,
};
pub use dead_letter::DeadLetters;
pub use diagnostic::{Code, Diagnostic, Severity, Span};
pub use error::{Blame, ComponentError, EventDeliveryError, chain, panic_text};
pub use event::{Event, Headers, JavaMap};
pub use gate::{Gate, Turn};
pub use interceptor::{Batch, Interceptor, InterceptorChain, InterceptorError};
pub use log_limit::LogLimit;
pub use printable::printable;
pub use recipe::Recipe;
pub use registry::{Registry, Type};
pub use sink::{DrainShare, Gather, Outlet, Pipeline, Sink, SinkMode, Status};
pub use sink_group::{Load, SinkIndex, SinkState, Step};
pub use sink_processor::SinkProcessor;
pub use sink_selector::SinkSelector;
pub use source::{Source, SourceContext};
pub use transaction::{
    NotCommitted, PutTransaction, ReservedFront, ReservedPut, Share, TakeTransaction, commit_all,
};
