//! The file_roll sink: events into files of a directory, a new file every interval.
//!
//! A batch is one write by a thread that may block, so a slow disk holds up this sink and nothing
//! else; it counts as delivered when the operating system has it, as in Flume. Nothing of a
//! batch that fails stays in the file, if the file can still be cut, and the next batch begins a new
//! one. Flume leaves the lines that it has written, and writes them again.
//!
//! A file is opened for its first event. Flume opens one every interval even when nothing comes,
//! and fills directories with empty files, which nobody needs.
//! The interval counts from the opening, and the file is closed when it is over, events or not.
//!
//! With any key of the hdfs sink (`hdfs.path` for folders, `hdfs.rollSize`, …) the files are written
//! as that sink writes them, below the directory (`file_roll/buckets.rs`).

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flume_core::clock::{self, Instant, WallClock};
use flume_core::{
    ComponentError, Context, Event, EventDeliveryError, JavaMap, Recipe, Sink, SinkCounter,
};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use self::files::{RollFiles, RollNaming};
use crate::services::Services;

#[cfg(feature = "bucket")]
mod buckets;
mod files;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["file_roll", "org.apache.flume.sink.RollingFileSink"];

/// Writes files.
#[derive(Debug)]
pub struct RollingFileSink {
    batch_size: usize,
    /// How long a file is written to; `None` is no limit.
    roll_interval: Option<Duration>,
    format: LineFormat,
    /// Locked only by threads that may block, one at a time unless a call was given up.
    files: Arc<Mutex<RollFiles>>,
    /// When the file that is open has to be closed.
    due: Option<Instant>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
struct Keys {
    batch_size: usize,
    roll_interval: Option<Duration>,
    format: LineFormat,
    directory: PathBuf,
    by_date: bool,
    prefix: String,
    extension: String,
}

impl RollingFileSink {
    fn new(keys: &Keys, wall: WallClock) -> Self {
        let (prefix, extension) = (keys.prefix.clone(), keys.extension.clone());
        let naming = RollNaming::new(wall, keys.by_date, prefix, extension);
        Self {
            batch_size: keys.batch_size,
            roll_interval: keys.roll_interval,
            format: keys.format,
            files: Arc::new(Mutex::new(RollFiles::new(keys.directory.clone(), naming))),
            due: None,
        }
    }
}

/// How an event becomes text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LineFormat {
    headers: bool,
    newline: bool,
}

/// Reads `sink.directory`, `sink.rollInterval` (30 s; 0 = never), `sink.batchSize` (100; Flume's
/// guide says `batchSize`), `sink.serializer` (TEXT), `sink.serializer.appendNewline` (true),
/// `sink.pathManager` (DEFAULT), `sink.pathManager.prefix`, `sink.pathManager.extension`, and the
/// keys of the hdfs sink that have no such counterpart.
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Sink>> {
    let directory = context.required("sink.directory");
    let interval = context.number("sink.rollInterval", 30_i64, i64::MIN..=i64::from(u32::MAX));
    let spelling = context.spelling(&["sink.batchSize", "batchSize"]);
    let batch_size = context.number_up_to(spelling, 100, 1..=1 << 20);
    #[cfg(feature = "bucket")]
    {
        let keys = buckets::keys(context);
        if buckets::are_meant(context) {
            let own = buckets::FolderKeys {
                directory,
                interval,
                batch_size,
            };
            return buckets::configure(context, services, own, keys);
        }
    }
    let headers = context.one_of_or_class(
        "sink.serializer",
        "TEXT",
        &[
            ("TEXT", false),
            ("HEADER_AND_TEXT", true),
            (
                "org.apache.flume.serialization.BodyTextEventSerializer$Builder",
                false,
            ),
            (
                "org.apache.flume.serialization.HeaderAndBodyTextEventSerializer$Builder",
                true,
            ),
        ],
    );
    let newline = context.flag("sink.serializer.appendNewline", true);
    let by_date = context.one_of_or_class(
        "sink.pathManager",
        "DEFAULT",
        &[
            ("DEFAULT", false),
            ("ROLLTIME", true),
            (
                "org.apache.flume.formatter.output.DefaultPathManager$Builder",
                false,
            ),
            (
                "org.apache.flume.formatter.output.RollTimePathManager$Builder",
                true,
            ),
        ],
    );
    let prefix = context.string("sink.pathManager.prefix", "");
    let extension = context.string("sink.pathManager.extension", "");
    let seconds = u64::try_from(interval?).unwrap_or(0);
    let keys = Keys {
        batch_size: batch_size?,
        roll_interval: (seconds > 0).then(|| Duration::from_secs(seconds)),
        format: LineFormat {
            headers: headers?,
            newline,
        },
        directory: PathBuf::from(directory?),
        by_date: by_date?,
        prefix,
        extension,
    };
    let wall = services.wall.clone();
    Some(Recipe::<dyn Sink>::new(keys, move |keys| {
        Box::new(RollingFileSink::new(keys, wall.clone()))
    }))
}

#[async_trait]
impl Sink for RollingFileSink {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn start(&mut self, counters: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        let counters = Arc::clone(counters);
        let checked = self.with_files(move |files| files.start(counters)).await;
        checked.map_err(|cause| ComponentError::caused_by("the directory cannot be used", cause))
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        self.tick().await?;
        let text = self.format.text(batch);
        let written = self.with_files(move |files| files.append(&text)).await;
        match written {
            Ok(()) => {
                let from_now = |interval| clock::now() + interval;
                self.due = self.due.or(self.roll_interval.map(from_now));
                Ok(())
            }
            Err(cause) => {
                self.due = None;
                Err(EventDeliveryError::caused_by(
                    "unable to write the file",
                    cause,
                ))
            }
        }
    }

    fn next_tick(&self) -> Option<Instant> {
        self.due
    }

    async fn tick(&mut self) -> Result<(), EventDeliveryError> {
        if self.due.is_some_and(|due| due <= clock::now()) {
            self.due = None;
            self.close().await.map_err(|cause| {
                EventDeliveryError::caused_by("unable to close the file", cause)
            })?;
        }
        Ok(())
    }

    async fn stop(&mut self) {
        self.due = None;
        if let Err(error) = self.close().await {
            tracing::error!(%error, "unable to close the file");
        }
    }
}

impl RollingFileSink {
    async fn close(&self) -> io::Result<()> {
        self.with_files(|files| {
            files.close();
            Ok(())
        })
        .await
    }

    /// Does work that may block. A panic in it is an error here.
    async fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut RollFiles) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let files = Arc::clone(&self.files);
        spawn_blocking(move || work(&mut files.lock())).await?
    }
}

impl LineFormat {
    fn text(self, batch: &[Event]) -> Vec<u8> {
        let bodies: usize = batch.iter().map(|event| event.body.len() + 1).sum();
        let mut text = Vec::with_capacity(bodies);
        for event in batch {
            if self.headers {
                let mut headers = String::new();
                // Writing to a string does not fail.
                write!(headers, "{} ", JavaMap(&event.headers)).unwrap_or_default();
                text.extend_from_slice(headers.as_bytes());
            }
            text.extend_from_slice(&event.body);
            if self.newline {
                text.push(b'\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
