//! Which files are segments of the log, and in which order.

use std::collections::BTreeMap;

use super::format::{FRAMES, Head, STEP, Source, number};
use crate::disk::Disk;
use crate::error::LogError;

/// The files of a log.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Oldest first.
    pub(super) links: Vec<Link>,
    pub(super) unused: Vec<String>,
    pub(super) spares: Vec<String>,
}

/// A segment that counts.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) source: Source,
    pub(super) has_head: bool,
    pub(super) first: u64,
    /// Where it ends, and the sequence there, if the next one says that.
    pub(super) sealed: Option<(u64, u64)>,
    /// The first record of the next one. A put that does not end before it was given up.
    pub(super) until: u64,
}

impl Chain {
    /// Looks at names and heads.
    pub(super) fn of(disk: &dyn Disk) -> Result<Self, LogError> {
        let mut chain = Self::default();
        let mut files = BTreeMap::new();
        for name in disk.list().map_err(LogError::disk("read the folder"))? {
            match generation(&name) {
                Some((_, "spare")) => chain.spares.push(name),
                Some((generation, "log")) => drop(files.insert(generation, name)),
                _ => {}
            }
        }
        chain.spares.sort_unstable();
        // What the segment after it says: which one is before it, where that ends, and at which record.
        let mut after: Option<Head> = None;
        for (generation, name) in files.into_iter().rev() {
            let doing = format!("read {name}");
            let opened = disk.open(&name).and_then(|file| {
                let mut source = Source::new(file)?;
                let head = source.head(generation)?;
                Ok((
                    head.or(made_up(&mut source, generation, head)?),
                    head,
                    source,
                ))
            });
            let (counts, head, source) = opened.map_err(LogError::disk(doing))?;
            let is_named = after.is_none_or(|after| generation <= after.previous);
            let Some(counts) = counts.filter(|_| is_named) else {
                chain.unused.push(name);
                continue;
            };
            let says = after.filter(|after| after.previous == generation);
            chain.links.push(Link {
                name,
                generation,
                has_head: head.is_some(),
                first: counts.first,
                until: after.map_or(u64::MAX, |after| after.first),
                sealed: says.and_then(|after| {
                    let end = after.sealed.min(source.length);
                    (after.sealed != u64::MAX).then_some((end, after.first))
                }),
                source,
            });
            after = Some(counts);
        }
        chain.links.reverse();
        Ok(chain)
    }
}

/// Whether a file of this name is a segment, or is kept to be one.
pub(super) fn is_segment(name: &str) -> bool {
    matches!(generation(name), Some((_, "log" | "spare")))
}

/// What the head of a segment should have said, as far as its puts tell it.
fn made_up(
    source: &mut Source,
    generation: u64,
    head: Option<Head>,
) -> std::io::Result<Option<Head>> {
    let mut at = FRAMES;
    // The first frame was written with the head, and says how far the puts before it went.
    let mut said = None;
    while head.is_none() && at < source.length {
        match source.frame(generation, at, source.length)? {
            Some(frame) if frame.is_put => {
                return Ok(Some(Head {
                    first: said.unwrap_or(frame.sequence),
                    previous: generation - 1,
                    sealed: u64::MAX,
                }));
            }
            Some(frame) => {
                if at == FRAMES {
                    said = Some(number(&source.payload(&frame)?, 0, 8));
                }
                at = frame.end();
            }
            None => at += STEP,
        }
    }
    Ok(None)
}

/// The generation and the ending in a name of twenty digits.
fn generation(name: &str) -> Option<(u64, &str)> {
    let (digits, ending) = name.split_once('.')?;
    let is_ours = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| is_ours)?, ending))
}
