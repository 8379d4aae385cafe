//! The agent: sockets, files, signals, and the way from a configuration file to running tasks.
//!
//! text → [`config`] (spanned keys, one tree a file) → [`plan`] (every name resolved) →
//! [`topology`] (tasks); [`load`] goes the way up to the plan. Components are listed in [`source`], [`sink`], [`interceptor`]; adding
//! one is a file and a line there.

#[macro_use]
pub mod component;

pub mod admin;
pub mod allocator;
pub mod cli;
pub mod config;
pub mod config_watch;
pub mod host;
pub mod interceptor;
pub mod load;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod plan;
pub mod policies;
pub mod record;
pub mod runner;
pub mod services;
pub mod sink;
pub mod source;
pub mod topology;
