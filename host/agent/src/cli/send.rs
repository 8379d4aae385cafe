//! `send`: sends lines to a netcat source and prints its answers, for machines without `nc`.
//!
//! Writing and reading run concurrently, so a source that answers slowly sets the pace, and the two
//! sides cannot block each other with full buffers. At the end of the input the connection is half
//! closed. The source answers what is left and closes, so waiting for the last answer needs no time
//! limit.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use bytes::BytesMut;
use clap::Args;
use flume_core::clock::{self, Instant};
use flume_core::shell::{complain, print, unreadable};
use memchr::{memchr, memchr_iter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes per read or write.
const CHUNK_BYTES: usize = 64 * 1024;

/// The most bytes of one answer; a peer that sends more is not a netcat source.
const MOST_ANSWER_BYTES: usize = 1 << 20;

/// The longest pause between numbered lines sent at a rate; a shorter one spreads them more evenly.
const RATE_STEP: Duration = Duration::from_millis(10);

/// Sends lines to a netcat source and prints its answers.
///
/// Without lines, file or count it sends standard input. Exits with 1 if a line was not answered
/// with OK.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Where the source listens.
    #[arg(long, value_name = "HOST:PORT")]
    pub to: String,
    /// The lines.
    #[arg(value_name = "LINE", conflicts_with_all = ["file", "count"])]
    pub lines: Vec<String>,
    /// Sends the lines of a file.
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    pub file: Option<PathBuf>,
    /// Sends this many numbered lines, and prints a summary instead of the answers.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// The bytes of a numbered line, without its line feed.
    #[arg(long, value_name = "BYTES", default_value_t = 100, requires = "count")]
    pub size: usize,
    /// Numbered lines per second. Default: as fast as possible.
    #[arg(long, value_name = "LINES", requires = "count",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// The source does not answer accepted lines (`ack-every-event = false`).
    #[arg(long)]
    pub no_ack: bool,
}

/// Runs the command.
pub(crate) fn run(args: &SendArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}")),
    };
    let code = runtime.block_on(send(args));
    // A read of the terminal cannot be cancelled; the process does not wait for it.
    runtime.shutdown_background();
    code
}

async fn send(args: &SendArgs) -> ExitCode {
    let input = match Input::of(args).await {
        Ok(input) => input,
        Err((path, error)) => return unreadable(&path, &error),
    };
    let stream = match TcpStream::connect(&args.to).await {
        Ok(stream) => stream,
        Err(error) => return failed(&format!("cannot connect to {}: {error}", args.to)),
    };
    let start = clock::now();
    let show = |answer: &str| {
        if args.count.is_none() {
            print(answer);
        }
    };
    let summary = exchange(stream, input, show).await;
    if args.count.is_some() {
        print(&summary.text(start));
    }
    match summary.complaint(args.no_ack) {
        Some(complaint) => failed(&complaint),
        None => ExitCode::SUCCESS,
    }
}

fn failed(message: &str) -> ExitCode {
    complain(&format!("error: {message}\n"));
    ExitCode::FAILURE
}

/// What is sent.
enum Input {
    /// Bytes as read; a last line without a line feed gets one.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
    /// Lines that begin with a number, from 1.
    Numbered {
        count: u64,
        size: usize,
        rate: Option<u32>,
    },
}

impl Input {
    async fn of(args: &SendArgs) -> Result<Self, (PathBuf, io::Error)> {
        if let Some(count) = args.count {
            return Ok(Self::Numbered {
                count,
                size: args.size,
                rate: args.rate,
            });
        }
        if let Some(path) = &args.file {
            let opened = tokio::fs::File::open(path).await;
            let file = opened.map_err(|error| (path.clone(), error))?;
            return Ok(Self::Stream(Box::new(file)));
        }
        if args.lines.is_empty() {
            return Ok(Self::Stream(Box::new(tokio::io::stdin())));
        }
        Ok(Self::Stream(Box::new(io::Cursor::new(
            args.lines.join("\n"),
        ))))
    }
}

/// The result of sending.
#[derive(Debug, Default)]
struct Summary {
    sent: u64,
    ok: u64,
    refused: u64,
    /// The first answer other than OK.
    first_refusal: Option<String>,
    /// Why not all was sent, or not all answers were read.
    broken: Option<String>,
}

impl Summary {
    /// The summary of numbered lines.
    fn text(&self, start: Instant) -> String {
        let seconds = start.elapsed().as_secs_f64();
        let rate = self.sent as f64 / seconds.max(f64::EPSILON);
        let Self {
            sent, ok, refused, ..
        } = self;
        format!("sent {sent}, OK {ok}, FAILED {refused}, {seconds:.3} s, {rate:.0} lines/s\n")
    }

    /// The complaint, if there is one.
    fn complaint(&self, no_ack: bool) -> Option<String> {
        let missing = if no_ack {
            0
        } else {
            self.sent.saturating_sub(self.ok)
        };
        let mut text = match &self.broken {
            Some(broken) => broken.clone(),
            None if missing > 0 => format!("{missing} of {} lines were not accepted", self.sent),
            None if self.refused > 0 => format!("{} lines were not accepted", self.refused),
            None => return None,
        };
        if let Some(first) = &self.first_refusal {
            text.push_str("; the first refusal: ");
            text.push_str(first);
        }
        Some(text)
    }

    fn count_answer(&mut self, answer: &[u8]) {
        if answer == b"OK" {
            self.ok += 1;
        } else {
            self.refused += 1;
            let text = || String::from_utf8_lossy(answer).into_owned();
            self.first_refusal.get_or_insert_with(text);
        }
    }
}

/// Sends everything and reads the answers until the source closes the connection.
async fn exchange<S>(stream: S, input: Input, show: impl FnMut(&str)) -> Summary
where
    S: AsyncRead + AsyncWrite,
{
    let (read, write) = tokio::io::split(stream);
    let mut summary = Summary::default();
    let mut sent = 0;
    let written = {
        let mut reading = pin!(read_answers(read, &mut summary, show));
        tokio::select! {
            read = &mut reading => Err(read.err().unwrap_or_else(closed_early)),
            written = write_lines(write, input, &mut sent) => match written {
                Ok(()) => reading.await,
                // The answers to what was already sent may say why.
                Err(error) => reading.await.and(Err(error)),
            },
        }
    };
    summary.sent = sent;
    summary.broken = written
        .err()
        .map(|error| format!("connection broken: {error}"));
    summary
}

fn closed_early() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the source closed it before the end",
    )
}

async fn read_answers(
    mut read: impl AsyncRead + Unpin,
    summary: &mut Summary,
    mut show: impl FnMut(&str),
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
    loop {
        let ended = read.read_buf(&mut buffer).await? == 0;
        while let Some(end) = memchr(b'\n', &buffer) {
            let answer = buffer.split_to(end + 1);
            summary.count_answer(answer.strip_suffix(b"\n").unwrap_or(&answer));
            show(&String::from_utf8_lossy(&answer));
        }
        if ended {
            return Ok(());
        }
        if buffer.len() > MOST_ANSWER_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer without a line feed",
            ));
        }
        buffer.reserve(CHUNK_BYTES);
    }
}

async fn write_lines(
    mut write: impl AsyncWrite + Unpin,
    input: Input,
    sent: &mut u64,
) -> io::Result<()> {
    match input {
        Input::Stream(stream) => write_stream(&mut write, stream, sent).await?,
        Input::Numbered { count, size, rate } => {
            write_numbered(&mut write, count, size, rate, sent).await?;
        }
    }
    write.shutdown().await
}

async fn write_stream(
    write: &mut (impl AsyncWrite + Unpin),
    mut stream: impl AsyncRead + Unpin,
    sent: &mut u64,
) -> io::Result<()> {
    let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
    let mut unended = false;
    loop {
        chunk.clear();
        chunk.reserve(CHUNK_BYTES);
        if stream.read_buf(&mut chunk).await? == 0 {
            break;
        }
        unended = chunk.last() != Some(&b'\n');
        *sent += memchr_iter(b'\n', &chunk).count() as u64;
        write.write_all(&chunk).await?;
        write.flush().await?;
    }
    if unended {
        *sent += 1;
        write.write_all(b"\n").await?;
    }
    Ok(())
}

async fn write_numbered(
    write: &mut (impl AsyncWrite + Unpin),
    count: u64,
    size: usize,
    rate: Option<u32>,
    sent: &mut u64,
) -> io::Result<()> {
    let start = clock::now();
    let mut chunk = String::with_capacity(CHUNK_BYTES + size);
    while *sent < count {
        let due = match rate {
            None => count,
            // The first line is due at once.
            Some(rate) => lines_due(start.elapsed(), rate),
        };
        chunk.clear();
        while *sent < due.min(count) && chunk.len() < CHUNK_BYTES {
            *sent += 1;
            add_line(&mut chunk, *sent, size);
        }
        if chunk.is_empty() {
            tokio::time::sleep(RATE_STEP).await;
        } else {
            write.write_all(chunk.as_bytes()).await?;
            write.flush().await?;
        }
    }
    Ok(())
}

/// The number of lines due after this time.
fn lines_due(elapsed: Duration, rate: u32) -> u64 {
    let due = elapsed.as_micros() * u128::from(rate) / 1_000_000;
    u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1)
}

/// Adds a line of this size that begins with its number. A number is never cut off.
fn add_line(chunk: &mut String, number: u64, size: usize) {
    let start = chunk.len();
    // Writing to a string does not fail.
    write!(chunk, "{number} ").unwrap_or_default();
    let missing = size.saturating_sub(chunk.len() - start);
    chunk.extend(std::iter::repeat_n('x', missing));
    chunk.push('\n');
}

#[cfg(test)]
mod tests;
