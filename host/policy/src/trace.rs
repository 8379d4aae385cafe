//! Traces: the calls of a selector and its answers, as a file.
//!
//! A trace has everything that a [`SinkSelector`](flume_core::SinkSelector) is given, call by call, so
//! that another selector can be given the same (`policy replay`). What the contract calls feedback
//! follows from it. Events have the headers that were asked for, and never bodies.
//!
//! ```text
//! file    = magic "FLUMETRC", version 1 (one byte), frame of the header, frame*
//! frame   = length (u32, little-endian), checksum (first 4 bytes of the SHA-256), payload
//! header  = run, part, began (unix ms), selector, digest, seed, properties, sinks, headers
//! payload = began (ns), began (unix ms), entries lost before it, entry*
//! entry   = kind (one byte), ns since the entry before it, then
//!   1 order     load, sinks of the answer
//!   2 begun     sink
//!   3 ended     sink, events, latency in ns
//!   4 failed    sink
//!   5 delivered sink
//!   6 route     load, 0 or 1 + number of sinks of the answer, these sinks
//! load    = unix ms less what is expected (zigzag), depth, events, for each header a value each:
//!           0 for none, or 1 + its length and its bytes
//! ```
//!
//! Numbers are varints: seven bits a byte, lowest first. Texts and lists have their length before
//! them. A file that was cut, by a crash or by a full disk, is read up to the first incomplete
//! frame. Each file of a run continues the one before: same run, next part.

use std::path::{Path, PathBuf};

use crate::setup::{Properties, SinkInfo};

mod decode;
mod encode;
mod queue;
mod recorder;
mod shown;

pub use decode::{Trace, TraceError};
pub use queue::{Chunk, TraceQueue};
pub use recorder::Recorder;
pub use shown::{Shown, ShownEvents};

/// The first bytes of a trace.
const MAGIC: &[u8; 8] = b"FLUMETRC";

/// The version of the format that is written, and the only one that is read.
const VERSION: u8 = 1;

/// The largest frame that is read: a larger one is damaged.
const MOST_FRAME: usize = 64 << 20;

/// Events of one load that are recorded: more than any batch has.
const MOST_EVENTS: usize = 1 << 20;

/// The name of the `number`th file before this one: `trace.1`, `trace.2`, …
pub fn older(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// A file whose frames have these payloads.
#[cfg(feature = "testing")]
pub(crate) fn framed(payloads: &[&[u8]]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.push(VERSION);
    file.extend(payloads.iter().flat_map(|payload| encode::frame(payload)));
    file
}

/// What is known before the first entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeader {
    /// The run of a group that this file belongs to: files of one run belong together.
    pub run: u64,
    /// Which file of the run this is, from 0.
    pub part: u64,
    /// When this file began, in milliseconds since 1970.
    pub began_unix_ms: u64,
    /// The selector's name.
    pub selector: String,
    /// The digest of a policy when the run began; empty for native selectors.
    pub digest: String,
    /// The seed of its random numbers.
    pub seed: u64,
    /// Its properties.
    pub properties: Properties,
    /// The sinks of its group.
    pub sinks: Vec<SinkInfo>,
    /// The headers that are recorded, where the selector is shown events or not.
    pub headers: Vec<String>,
}

/// One thing that a selector was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEntry {
    /// When, in nanoseconds since the selector's zero.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What a selector was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It was asked for an order.
    Order {
        /// What it was shown.
        load: Shown,
        /// What it answered.
        answer: Vec<usize>,
    },
    /// It was asked for a sink for each event.
    Route {
        /// What it was shown.
        load: Shown,
        /// What it answered; `None` if it left the batch whole.
        answer: Option<Vec<usize>>,
    },
    /// A batch began at a sink.
    Begun {
        /// Which sink.
        sink: usize,
    },
    /// A batch ended at a sink.
    Ended {
        /// Which sink.
        sink: usize,
        /// Events delivered.
        events: usize,
        /// In nanoseconds.
        latency: u64,
    },
    /// A sink failed.
    Failed {
        /// Which sink.
        sink: usize,
    },
    /// A sink delivered.
    Delivered {
        /// Which sink.
        sink: usize,
    },
    /// Entries are missing here: the queue was full.
    Lost(u64),
}

#[cfg(test)]
mod tests;
