//! Policies: sink selectors and interceptors that are WebAssembly components.
//!
//! The only crate that knows a WebAssembly engine. It is handed bytes, properties and limits, and
//! hands back what the core understands: a [`SinkSelector`](flume_core::SinkSelector) and an
//! [`Interceptor`](flume_core::Interceptor). It knows no configuration files and no topology.
//!
//! | step | where |
//! |---|---|
//! | bytes to something that can run | [`Artifact`], with [`Cache`] |
//! | something that runs, in all its places | [`Policy`], [`PolicyEngine`] |
//! | a place | [`PolicySelector`], [`PolicyInterceptor`] |
//! | what it costs | [`mod@bench`] |
//! | another version | [`Policy::prepare`], [`Policy::install`], [`Policy::roll_back`] |
//! | what a selector would do | [`simulate`] |
//! | what it did, and what another would have done | [`trace`], [`replay`], [`shadow`] |

mod artifact;
mod aside;
pub mod bench;
mod bindings;
mod cache;
mod columns;
mod contract;
mod edits;
mod engine;
mod error;
mod instance;
mod interceptor;
mod limits;
mod log;
mod probe;
mod rate;
mod reload;
pub mod replay;
mod seat;
mod selector;
mod setup;
pub mod shadow;
mod share;
pub mod simulate;
mod stats;
pub mod trace;
mod trial;

pub use artifact::{Artifact, CONTRACT_VERSION, Completion, Inspection, Memory, World};
pub use cache::{Cache, CacheError};
pub use engine::PolicyEngine;
pub use error::{LoadError, PolicyError, Problem, Violation, ViolationKind};
pub use instance::{Bodies, Needs};
pub use interceptor::{OnError, PolicyInterceptor, Remedy};
pub use limits::Limits;
pub use reload::{Candidate, Policy, PolicyReport, RollBackError, SeatReport};
pub use seat::SeatState;
pub use selector::PolicySelector;
pub use setup::{InterceptorSetup, Properties, SelectorSetup, SinkInfo};
pub use stats::{Footprint, Latency, Stats};
pub use trial::Trial;
