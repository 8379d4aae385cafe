//! `avro-client`: sends lines to an avro source, one event each.
//!
//! The law: the exit code tells the truth. Flume's own client only logs what it could not
//! deliver; here 0 means that every line was acknowledged, and the counts are printed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use flume_core::shell::{EXIT_CONFIG, complain, print, unreadable};
use flume_core::{Context, Event, EventDeliveryError, Headers, Severity};

use self::rpc::{ClientSettings, RpcClient};
use crate::config::{self, render};
use flume_components::net::address::Address;
use flume_components::rpc::MAX_FRAME_SIZE;
use flume_components::{Resolver, Services};

mod rpc;

/// Events in one request without `-P`, as in Flume.
const BATCH_SIZE: usize = 5;

/// The suffix that a file of `--dirname` gets once all of it is acknowledged.
const COMPLETED: &str = ".COMPLETED";

/// Sends lines to an avro source, one event each: from a file, from the files of a folder, or from
/// standard input. Exits with 0 only if every line was acknowledged.
#[derive(Debug, Args)]
pub(crate) struct AvroClientArgs {
    /// Host of the avro source.
    #[arg(short = 'H', long, required_unless_present = "rpc_props")]
    pub host: Option<String>,
    /// Port of the avro source.
    #[arg(short, long, required_unless_present = "rpc_props")]
    pub port: Option<u16>,
    /// Properties of an RPC client: its hosts, how to choose among them, TLS, batch-size.
    #[arg(short = 'P', long = "rpcProps", value_name = "FILE")]
    pub rpc_props: Option<PathBuf>,
    /// The file to send.
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "dirname")]
    pub filename: Option<PathBuf>,
    /// A folder whose files are sent, oldest first, and renamed to FILE.COMPLETED.
    #[arg(long, value_name = "DIR")]
    pub dirname: Option<PathBuf>,
    /// Properties that become the headers of every event.
    #[arg(short = 'R', long = "headerFile", value_name = "FILE")]
    pub header_file: Option<PathBuf>,
}

/// Why not everything was sent.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error("cannot read {path}: {error}")]
    Read { path: String, error: io::Error },
    #[error("line {line} of {path} is longer than {MAX_FRAME_SIZE} bytes")]
    LongLine { path: String, line: u64 },
    #[error("cannot rename {path}: {error}")]
    Rename { path: String, error: io::Error },
    #[error("{error}: {}", cause(error))]
    Delivery { error: EventDeliveryError },
}

impl From<EventDeliveryError> for ClientError {
    fn from(error: EventDeliveryError) -> Self {
        Self::Delivery { error }
    }
}

fn cause(error: &EventDeliveryError) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// Runs the command.
pub(crate) fn run(args: &AvroClientArgs) -> ExitCode {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let headers = match args
        .header_file
        .as_deref()
        .map(headers)
        .unwrap_or(Ok(Headers::new()))
    {
        Ok(headers) => headers,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    let (tally, sent) = runtime.block_on(Sender::new(settings, headers).run(args));
    print(&format!(
        "{} events read, {} acknowledged\n",
        tally.read, tally.acknowledged
    ));
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The settings of the client, or the exit code after a mistake was reported.
fn settings(args: &AvroClientArgs) -> Result<ClientSettings, ExitCode> {
    let services = Services::system(Resolver::default());
    let (mut context, file) = match &args.rpc_props {
        None => (Context::of("avro-client", &[]), None),
        Some(path) => {
            let (context, file) = properties("rpcProps", path)?;
            (context, Some(file))
        }
    };
    let settings = match (&args.rpc_props, &args.host, args.port) {
        (None, Some(host), Some(port)) => {
            let address = Address {
                host: host.clone(),
                port,
            };
            ClientSettings::single(&mut context, &services, address, BATCH_SIZE)
        }
        _ => ClientSettings::configure(&mut context, &services),
    };
    let findings = context.finish();
    if let Some(file) = &file {
        complain(&render::render(&findings, file, false));
    }
    let wrong = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    settings
        .filter(|_| !wrong)
        .ok_or(ExitCode::from(EXIT_CONFIG))
}

fn headers(path: &Path) -> Result<Headers, ExitCode> {
    let (context, _) = properties("headerFile", path)?;
    Ok(context
        .iter()
        .map(|(name, value)| (name, value.text.as_str()))
        .collect())
}

/// Reads a properties file, or returns the exit code after a mistake was reported.
fn properties(name: &str, path: &Path) -> Result<(Context, config::SourceFile), ExitCode> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let (file, properties, findings) = config::read(path.display().to_string(), bytes);
    if !findings.is_empty() {
        complain(&render::render(&findings, &file, false));
        return Err(ExitCode::from(EXIT_CONFIG));
    }
    let mut context = Context::of(name, &[]);
    for property in properties {
        context.insert(property.key, property.value);
    }
    Ok((context, file))
}

/// A connection to one avro source, for other commands.
pub(super) struct OneSource(RpcClient);

impl OneSource {
    /// Connects to a source.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(super) async fn connect(address: Address) -> Result<Self, EventDeliveryError> {
        let services = Services::system(Resolver::default());
        let mut context = Context::of("dead-letters", &[]);
        let settings = ClientSettings::single(&mut context, &services, address, usize::MAX);
        let settings = settings.ok_or_else(|| EventDeliveryError::new("no settings"))?;
        let mut client = RpcClient::new(settings);
        client.connect().await?;
        Ok(Self(client))
    }

    /// Sends events in one request, and waits for the answer.
    ///
    /// # Errors
    /// They were not acknowledged.
    pub(super) async fn send(&mut self, events: &[Event]) -> Result<(), EventDeliveryError> {
        self.0.send(events).await
    }

    /// Ends the connection.
    pub(super) async fn close(self) {
        self.0.close().await;
    }
}

/// Counts of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    read: u64,
    acknowledged: u64,
}

/// Turns lines into events and sends them.
struct Sender {
    client: RpcClient,
    headers: Headers,
    tally: Tally,
}

impl Sender {
    fn new(settings: ClientSettings, headers: Headers) -> Self {
        Self {
            client: RpcClient::new(settings),
            headers,
            tally: Tally::default(),
        }
    }

    async fn run(mut self, args: &AvroClientArgs) -> (Tally, Result<(), ClientError>) {
        let sent = self.send_all(args).await;
        self.client.close().await;
        (self.tally, sent)
    }

    async fn send_all(&mut self, args: &AvroClientArgs) -> Result<(), ClientError> {
        self.client.connect().await?;
        match (&args.filename, &args.dirname) {
            (Some(path), _) => self.send_file(path).await,
            (None, Some(folder)) => self.send_folder(folder).await,
            (None, None) => self.send_lines("standard input", io::stdin().lock()).await,
        }
    }

    /// Sends the files of a folder until all are completed.
    async fn send_folder(&mut self, folder: &Path) -> Result<(), ClientError> {
        while let Some(path) = oldest(folder).map_err(|error| unread(folder, error))? {
            self.send_file(&path).await?;
            let mut completed = path.clone().into_os_string();
            completed.push(COMPLETED);
            rename_anew(&path, Path::new(&completed)).map_err(|error| ClientError::Rename {
                path: path.display().to_string(),
                error,
            })?;
        }
        Ok(())
    }

    async fn send_file(&mut self, path: &Path) -> Result<(), ClientError> {
        let file = File::open(path).map_err(|error| unread(path, error))?;
        self.send_lines(&path.display().to_string(), BufReader::new(file))
            .await
    }

    /// Sends every line as an event. The reader may block, because nothing else runs meanwhile.
    async fn send_lines(&mut self, path: &str, mut lines: impl BufRead) -> Result<(), ClientError> {
        let limit = MAX_FRAME_SIZE as u64;
        let mut batch = Vec::with_capacity(self.client.batch_size());
        for line in 1.. {
            let mut body = Vec::new();
            let count = (&mut lines)
                .take(limit)
                .read_until(b'\n', &mut body)
                .map_err(|error| ClientError::Read {
                    path: path.to_owned(),
                    error,
                })?;
            if count == 0 {
                break;
            }
            if body.len() as u64 == limit {
                return Err(ClientError::LongLine {
                    path: path.to_owned(),
                    line,
                });
            }
            if body.pop_if(|last| *last == b'\n').is_some() {
                body.pop_if(|last| *last == b'\r');
            }
            self.tally.read += 1;
            batch.push(Event {
                headers: self.headers.clone(),
                body: Bytes::from(body),
            });
            if batch.len() == self.client.batch_size() {
                self.send_batch(&mut batch).await?;
            }
        }
        self.send_batch(&mut batch).await
    }

    async fn send_batch(&mut self, batch: &mut Vec<Event>) -> Result<(), ClientError> {
        self.client.send(batch).await?;
        self.tally.acknowledged += batch.len() as u64;
        batch.clear();
        Ok(())
    }
}

fn unread(path: &Path, error: io::Error) -> ClientError {
    ClientError::Read {
        path: path.display().to_string(),
        error,
    }
}

/// The oldest file of a folder that is neither completed nor hidden; the first by name if several
/// are equally old.
fn oldest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut found = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        let path = entry.path();
        let metadata = fs::metadata(&path)?;
        let skipped =
            bytes.starts_with(b".") || bytes.ends_with(OsStr::new(COMPLETED).as_encoded_bytes());
        if metadata.is_file() && !skipped {
            let candidate = Some((metadata.modified()?, path));
            if found.is_none() || candidate < found {
                found = candidate;
            }
        }
    }
    Ok(found.map(|(_, path)| path))
}

/// Renames without overwriting.
fn rename_anew(from: &Path, to: &Path) -> io::Result<()> {
    if fs::exists(to)? {
        let text = format!("{} already exists", to.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests;
