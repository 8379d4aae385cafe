//! Scenarios that need more than this workspace: external programs and toolchains. The tier `quick`
//! skips them by this module's name; each folder here is an area that can be run alone
//! (`.cargo/config.toml`).

mod buckets;
mod counts;
mod interop;
mod kafka;
mod languages;
mod power;
mod prometheus;
