//! The agent: sockets, files, signals, and the way from a configuration file to running tasks.
//!
//! text → `config` (keys with places, one tree per agent) → `plan` (every name resolved) →
//! `topology` (tasks); `load` does the steps up to the plan. Sources, sinks and interceptors are in
//! the crate `flume-components`.

mod admin;
mod allocator;
mod audit;
mod cli;
mod config;
mod config_watch;
mod descriptors;
mod files;
mod health;
mod host;
mod load;
mod logging;
mod metrics;
mod plan;
mod policies;
mod record;
mod reloads;
mod runner;
mod secrets;
mod services;
#[cfg(test)]
mod testing;
mod topology;

pub use allocator::set_up as set_up_allocator;
pub use cli::Cli;
pub use cli::compile::compile_if_child;
