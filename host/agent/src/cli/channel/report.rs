//! What the folders of a channel hold, for people and for programs.

use std::fmt;
use std::io;

use flume_log::disk::Disk;
use flume_log::verify::{DamagedRange, Inspection, SegmentReport};
use serde_json::{Value, json};

/// The ending of a file with a copy of what was damaged.
const KEPT: &str = ".damaged";

/// The files with copies of what was damaged.
pub(super) fn kept(disk: &dyn Disk) -> io::Result<Vec<String>> {
    let mut names = disk.list()?;
    names.retain(|name| name.ends_with(KEPT));
    names.sort_unstable();
    Ok(names)
}

/// What the folders hold.
pub(super) struct Holds<'a> {
    found: &'a Inspection,
    kept: &'a [String],
}

impl<'a> Holds<'a> {
    pub(super) fn new(found: &'a Inspection, kept: &'a [String]) -> Self {
        Self { found, kept }
    }

    /// Events that can be delivered.
    fn deliverable(&self) -> u64 {
        self.found.waiting.saturating_sub(self.found.lost)
    }

    fn bytes(&self) -> u64 {
        self.found.segments.iter().map(|it| it.bytes).sum()
    }

    fn damaged(&self) -> impl Iterator<Item = (&SegmentReport, &DamagedRange)> {
        let segments = self.found.segments.iter();
        segments.flat_map(|segment| segment.damaged.iter().map(move |range| (segment, range)))
    }

    pub(super) fn json(&self) -> Value {
        let found = self.found;
        json!({
            "waiting": self.deliverable(),
            "lost": found.lost,
            "torn": found.torn,
            "next": found.next,
            "settledLow": found.settled_low,
            "settled": found.settled,
            "bytes": self.bytes(),
            "segments": found.segments.iter().map(segment).collect::<Vec<_>>(),
            "unused": found.unused,
            "spares": found.spares,
            "kept": self.kept,
        })
    }
}

fn segment(segment: &SegmentReport) -> Value {
    let damaged = segment.damaged.iter().map(|range| {
        json!({
            "start": range.bytes.start,
            "end": range.bytes.end,
            "first": range.first,
            "lost": range.lost,
        })
    });
    json!({
        "file": segment.file,
        "generation": segment.generation,
        "hasHead": segment.has_head,
        "first": segment.first,
        "next": segment.next,
        "end": segment.end,
        "bytes": segment.bytes,
        "frames": segment.frames,
        "damaged": damaged.collect::<Vec<_>>(),
    })
}

impl fmt::Display for Holds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found;
        writeln!(f, "waiting: {}, lost: {}", self.deliverable(), found.lost)?;
        if found.torn > 0 {
            let why = "their put was not finished, or its bytes have changed";
            writeln!(f, "torn at the end: {}: {why}", found.torn)?;
        }
        let above: u64 = found.settled.iter().map(|(first, end)| end - first).sum();
        let low = found.settled_low;
        writeln!(f, "delivered: all below event {low}, and {above} above")?;
        let (segments, bytes) = (found.segments.len(), self.bytes());
        writeln!(f, "segments: {segments}, {bytes} bytes")?;
        for it in &found.segments {
            let head = if it.has_head {
                ""
            } else {
                ", its head is damaged, and made up from the frames"
            };
            let (file, end, bytes, frames) = (&it.file, it.end, it.bytes, it.frames);
            let events = format!("events {}..{}", it.first, it.next);
            writeln!(
                f,
                "  {file}: {events}, {frames} frames, {end} of {bytes} bytes{head}"
            )?;
        }
        for (segment, range) in self.damaged() {
            let (file, bytes) = (&segment.file, &range.bytes);
            let lost = match range.lost {
                0 => "all of it was delivered".to_owned(),
                lost => format!("lost: {lost}, from event {} on", range.first),
            };
            writeln!(
                f,
                "damaged: {file}, bytes {}..{}: {lost}",
                bytes.start, bytes.end
            )?;
        }
        for (what, names) in [
            ("to be used again", &found.spares[..]),
            ("not in use, or not readable", &found.unused[..]),
            ("copies of what was damaged", self.kept),
        ] {
            if !names.is_empty() {
                writeln!(f, "{what}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}
