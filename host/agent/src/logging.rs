//! Logs: structured events on standard error, as text or as JSON lines.
//!
//! The level is `info`; the environment variable `RUST_LOG` or `-Dflume.root.logger=DEBUG,console`
//! change it.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; to be called once. `level` counts where `RUST_LOG` is not set.
pub fn start(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        LogFormat::Text => registry.with(layer.with_target(false)).init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
}

/// Writes text for people where the log goes.
pub fn draw(text: &str) {
    let mut out = std::io::stderr().lock();
    if let Err(error) = out.write_all(text.as_bytes()) {
        tracing::debug!(%error, "standard error is closed");
    }
}
