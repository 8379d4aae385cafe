//! The exec source: runs a command; a line of its output is an event.
//!
//! Lines end as in Java's `readLine` (LF, CR or CRLF) and stay in the command's character set.
//! Where Flume drops a batch that the channel refuses and kills the command, this source keeps the
//! batch and reads no further until there is room, so that the command waits in its pipe. The same is
//! true while an interceptor cannot work: a policy that rests, or dead letters without room. Only a
//! line that an interceptor can never handle is dropped, counted and logged. A line longer than
//! `maxLineLength` comes in pieces; Flume takes it whole, whatever memory that costs.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use flume_core::{Code, ComponentError, Context, Event, Recipe, Source, SourceContext, clock};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, sleep_until, timeout};

use self::process::RunningCommand;
use self::shown::shown_command;
use self::split::ByteLines;
use super::lines::charset::Charset;
use super::patient;
use crate::net::complaint::Refusals;
use crate::services::Services;

mod process;
mod shown;
mod split;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["exec", "org.apache.flume.source.ExecSource"];

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// The most bytes of a line of standard error in the log.
const STDERR_LINE: usize = 4096;

/// How long the last lines may take when the source stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// The first and the longest pause before a refused event is offered again; the channel's own wait
/// may be 0.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Runs a command.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecSource {
    name: String,
    /// The program and its arguments.
    command: Vec<String>,
    restart: bool,
    restart_throttle: Duration,
    log_stderr: bool,
    batch_size: usize,
    batch_timeout: Duration,
    max_line_length: usize,
    /// Log lines about refused lines.
    refused: Refusals,
}

/// Reads Flume's keys `command`, `shell` (none), `restart` (false), `restartThrottle` (10000 ms),
/// `logStdErr` (false), `batchSize` (20), `batchTimeout` (3000 ms) and `charset` (UTF-8), and our
/// own `maxLineLength` (1048576 bytes).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Source>> {
    let command = context.required("command");
    let shell = context.optional("shell");
    for key in ["command", "shell"] {
        context.shown_as(key, shown_command);
    }
    let restart = context.flag("restart", false);
    let restart_throttle = context.number("restartThrottle", 10_000, 0..=u64::from(u32::MAX));
    let spelling = context.spelling(&["logStdErr", "logStderr"]);
    let log_stderr = context.flag(spelling, false);
    let batch_size = context.number_up_to("batchSize", 20, 1..=1 << 20);
    let batch_timeout = context.number("batchTimeout", 3000, 0..=u64::from(u32::MAX));
    let max_line_length = context.number("maxLineLength", 1 << 20, 1..=1 << 30);
    let charset = context.string("charset", "UTF-8");
    if !Charset::named(&charset).is_some_and(Charset::has_byte_lines) {
        let message = format!(
            "`{}.charset` is not supported here: `{charset}`",
            context.path()
        );
        let help = "a character set in which a line end is one byte, for example `UTF-8`";
        context.error("charset", Code::Unsupported, message, help);
        return None;
    }
    let command = command?;
    let command: Vec<String> = match shell {
        Some(shell) => words(&shell).chain([command]).collect(),
        None => words(&command).collect(),
    };
    let source = ExecSource {
        name: context.name().to_owned(),
        command,
        restart,
        restart_throttle: Duration::from_millis(restart_throttle?),
        log_stderr,
        batch_size: batch_size?,
        batch_timeout: Duration::from_millis(batch_timeout?),
        max_line_length: max_line_length?,
        refused: Refusals::default(),
    };
    Some(Recipe::<dyn Source>::new(source, |source| {
        Box::new(source.clone())
    }))
}

/// Words between blanks. Quotes have no meaning without a `shell`, as in Flume.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}

#[async_trait]
impl Source for ExecSource {
    fn batch_size(&self) -> Option<usize> {
        Some(self.batch_size)
    }

    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        Ok(None)
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        loop {
            let ran = self.run_once(&context).await;
            if context.stop.is_cancelled() {
                return ran;
            }
            if !self.restart {
                return ran;
            }
            if let Err(error) = ran {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(source = self.name, %error, cause, "command failed");
            }
            let throttle = self.restart_throttle;
            tracing::info!(source = self.name, ?throttle, "command is started again");
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                () = sleep(throttle) => {}
            }
        }
    }
}

impl ExecSource {
    /// The command without what may be secret.
    fn shown(&self) -> String {
        shown_command(&self.command.join(" "))
    }

    /// Runs the command to its end, or to that of the source.
    async fn run_once(&self, context: &SourceContext) -> Result<(), ComponentError> {
        let failed = |cause: io::Error| {
            let command = self.shown();
            ComponentError::caused_by(format!("unable to run `{command}`"), cause)
        };
        let (mut running, stdout, stderr) = RunningCommand::start(&self.command).map_err(failed)?;
        let mut work = pin!(async {
            tokio::select! {
                read = self.deliver_lines(stdout, context) => read,
                never = self.drain_stderr(stderr) => match never {},
            }
        });
        let ended = tokio::select! {
            biased;
            () = context.stop.cancelled() => None,
            read = &mut work => Some(read),
        };
        let (status, read) = match ended {
            // Its output has ended: it is about to end, or is of no use any more.
            Some(read) => (running.wait_or_kill().await, read),
            None => {
                running.terminate();
                // What it has written, and the lines that wait for their batch.
                let read = match timeout(STOP_GRACE, &mut work).await {
                    Ok(read) => read,
                    Err(_) => {
                        running.kill();
                        timeout(STOP_GRACE, work).await.unwrap_or_else(|_| {
                            tracing::warn!(source = self.name, "lines lost: no room at the stop");
                            Ok(())
                        })
                    }
                };
                (running.kill_in_time().await, read)
            }
        };
        let status = status.map_err(failed)?;
        let (source, command) = (&self.name, self.shown());
        // One that is told to end may say that it was interrupted.
        match status.success() || context.stop.is_cancelled() {
            true => tracing::info!(source, command, %status, "command exited"),
            false => tracing::warn!(source, command, %status, "command exited with an error"),
        }
        read.map_err(failed)
    }

    /// Puts lines in batches until the output ends. Dropped, it forgets the lines that it holds.
    async fn deliver_lines(
        &self,
        mut stdout: impl AsyncRead + Unpin,
        context: &SourceContext,
    ) -> io::Result<()> {
        let mut lines = ByteLines::new(self.max_line_length);
        let mut held: Vec<Event> = Vec::new();
        let mut due = clock::now();
        let mut open = true;
        while open {
            let read = tokio::select! {
                read = stdout.read_buf(lines.space(READ_BYTES)) => Some(read?),
                () = sleep_until(due), if !held.is_empty() => None,
            };
            if held.is_empty() {
                due = clock::now() + self.batch_timeout;
            }
            open = read != Some(0);
            while let Some(line) = lines.next_line(!open) {
                context.counters.event_received.increment();
                held.push(Event::new(line));
                if held.len() >= self.batch_size {
                    self.put(std::mem::take(&mut held), context).await;
                    due = clock::now() + self.batch_timeout;
                }
            }
            if !open || clock::now() >= due {
                self.put(std::mem::take(&mut held), context).await;
            }
        }
        Ok(())
    }

    /// Puts events in their order, waiting as long as it takes.
    async fn put(&self, events: Vec<Event>, context: &SourceContext) {
        let of = (self.name.as_str(), "line");
        patient::put(events, context, of, &self.refused, RETRY_PAUSE).await;
    }

    /// Reads standard error, so that the command cannot block on it.
    async fn drain_stderr(&self, mut stderr: impl AsyncRead + Unpin) -> Infallible {
        let mut lines = ByteLines::new(STDERR_LINE);
        loop {
            let read = stderr.read_buf(lines.space(READ_BYTES)).await;
            let ended = !matches!(read, Ok(1..));
            while let Some(line) = lines.next_line(ended) {
                if self.log_stderr {
                    let line = String::from_utf8_lossy(&line);
                    tracing::info!(source = self.name, %line, "standard error");
                }
            }
            if ended {
                return pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
