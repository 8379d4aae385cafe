//! Policies: sink selectors and interceptors that are WebAssembly components.
//!
//! The only crate that knows a WebAssembly engine. It takes bytes, properties and limits, and
//! returns what the core understands: a [`SinkSelector`](flume_core::SinkSelector) and an
//! [`Interceptor`](flume_core::Interceptor). It knows no configuration files and no topology.
//!
//! | step | where |
//! |---|---|
//! | bytes to something that can run | [`Artifact`], with [`Compiler`] and [`Cache`] |
//! | something that runs, in all its places | [`Policy`], [`PolicyEngine`] |
//! | a place | [`PolicySelector`], [`PolicyInterceptor`] |
//! | another version | [`Policy::prepare`], [`Policy::install`], [`Policy::roll_back`] |
//! | what a selector did, and what another one would do now | [`trace`], [`shadow`] |

mod artifact;
mod behind;
mod bindings;
mod cache;
mod call_cost;
mod codegen;
mod columns;
mod compiler;
mod contract;
mod cpu_share;
mod edits;
mod engine;
mod error;
mod guest_clock;
mod hex;
mod host;
mod instance;
mod interceptor;
mod limits;
mod log;
mod long_turns;
mod pace;
mod policy;
mod probe;
mod seat;
mod selector;
mod setup;
pub mod shadow;
mod stats;
mod terms;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
mod trial;

pub use artifact::{Artifact, CONTRACT_VERSION, Completion, Inspection, Memory, World};
pub use behind::behind;
pub use cache::{Cache, CacheError};
pub use call_cost::CallCost;
pub use compiler::{ChildLimits, Compiler, Demand, Guard, ask_child, compile_as_child};
pub use engine::PolicyEngine;
pub use error::{LoadError, PolicyError, Problem, Violation, ViolationKind};
pub use instance::{Bodies, Needs};
pub use interceptor::{OnError, PolicyInterceptor, Remedy};
pub use limits::Limits;
pub use policy::{
    Candidate, Policy, PolicyReport, RollBack, RollBackError, SeatReport, SeatState, StandIn,
};
pub use selector::PolicySelector;
pub use setup::{InterceptorSetup, Properties, SelectorSetup, SinkInfo};
pub use stats::{Footprint, Latency, Stats};
pub use trial::Trial;
