//! Logs: structured events on standard error, as text or as JSON lines.
//!
//! ```text
//! event -> Record (values cut, names once) -> Format (one line) -> LineQueue -> thread -> stderr
//! ```
//!
//! The level is `info`; the environment variable `RUST_LOG` or `-Dflume.root.logger=DEBUG,console`
//! change it. A panic is logged as an error, on the same way: nothing in a running agent writes to
//! standard error itself, since that may block.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

use clap::ValueEnum;
use flume_core::panic_text;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use self::format::Format;
use self::queue::LineQueue;
use self::record::{Fields, Record};

mod format;
mod queue;
mod record;
#[cfg(test)]
mod tests;

/// How long the end of the process waits for a reader of its last lines.
const FAREWELL: Duration = Duration::from_millis(500);

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The log of the process, once it is started.
static LOG: OnceLock<Log> = OnceLock::new();

/// Where lines go, and what they look like.
#[derive(Debug, Clone)]
struct Log {
    format: Format,
    queue: LineQueue,
}

/// Starts logging; call it once. `level` applies if `RUST_LOG` is not set.
///
/// # Errors
/// The thread that writes cannot be started.
pub(crate) fn start(format: LogFormat, level: &str) -> io::Result<()> {
    let format = match format {
        LogFormat::Json => Format::Json,
        LogFormat::Text if is_journal() => Format::Journal,
        LogFormat::Text => Format::Text {
            colours: shows_colours(),
        },
    };
    let notice = move |count| format.line(&Record::dropped(count));
    let queue = LineQueue::start(io::stderr(), notice)?;
    let log = LOG.get_or_init(|| Log { format, queue });
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // Who changes what is no question of the level.
    let filter = filter.add_directive("audit=info".parse().map_err(io::Error::other)?);
    tracing_subscriber::registry()
        .with(filter)
        .with(log.clone())
        .init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Writes text for people to where the log goes.
pub(crate) fn draw(text: &str) {
    if text.is_empty() {
        return;
    }
    match LOG.get() {
        Some(log) => log.queue.push(log.format.drawing(text)),
        None => flume_core::shell::complain(text),
    }
}

/// Waits a moment until all lines are written: before the process ends. A reader that is stuck gets
/// no further time.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.queue.flush(FAREWELL);
    }
}

/// The time now, as in the log.
pub(crate) fn timestamp() -> String {
    format::now()
}

/// Lines that nobody read in time, so that they were dropped.
pub(crate) fn dropped() -> u64 {
    LOG.get().map_or(0, |log| log.queue.dropped())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    let trace = Backtrace::capture();
    let backtrace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
    tracing::error!(
        place,
        thread = thread.name(),
        backtrace,
        "panic: {}",
        panic_text(panic.payload())
    );
}

/// Whether standard error is a terminal that shows colours.
fn shows_colours() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    !is_dumb && std::env::var_os("NO_COLOR").is_none() && io::stderr().is_terminal()
}

/// Whether standard error goes to systemd's journal: it names the file in `JOURNAL_STREAM`.
fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    is_stream(&named, io::stderr())
}

/// Whether a file is the one that a device and an inode name.
fn is_stream(named: &str, file: impl AsFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|is| named == format!("{}:{}", is.st_dev, is.st_ino))
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields::of_span(attributes));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.add_around(around);
            }
        }
        let record = Record::new(event.metadata(), fields);
        self.queue.push(self.format.line(&record));
    }
}
