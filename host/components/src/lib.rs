//! The components: sources, channels, sinks and interceptors, and the network under them.
//!
//! A component reads its own keys and talks to the world. It knows nothing of configuration files,
//! plans, policies or pages. The types are listed in [`source`], [`channel`], [`sink`]
//! and [`interceptor`].

pub mod channel;
pub mod component;
pub mod interceptor;
#[cfg(feature = "kafka")]
mod kafka;
pub mod look;
mod memory_limit;
pub mod net;
pub mod rpc;
#[cfg(any(test, feature = "testing"))]
pub mod said;
pub mod services;
pub mod sink;
pub mod source;

pub use memory_limit::MemoryLimit;
pub use services::{Resolver, Services};
