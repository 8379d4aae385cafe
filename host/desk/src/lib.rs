//! The desk: what authors of policies use, in the program as `flume-host policy …`.
//!
//! | command | what it does | over |
//! |---|---|---|
//! | `new` | writes a project | the SDKs of `guests/` |
//! | `inspect`, `check` | shows what a file is, and whether an agent would take it | `flume_policy::Trial` |
//! | `bench` | measures calls and events | [`mod@bench`] |
//! | `simulate` | plays a selector in virtual time, with charts | [`mod@simulate`] |
//! | `replay` | asks another selector what was recorded | [`mod@replay`] |
//!
//! Absent on purpose: configuration files, sockets, running agents, and native interceptors. The
//! program hands in what `bench` compares with ([`NativeInterceptor`]), and starts the log.

pub mod bench;
mod command;
pub mod replay;
pub mod simulate;

pub use command::{NativeInterceptor, PolicyArgs, run};
