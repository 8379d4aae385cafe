//! Which events come first, although they are not the first ones of the log.
//!
//! A channel that keeps events in memory writes them when it is closed, behind those that are on the disk
//! already. A file `first` beside the log says where they are, so that they are read first all the same. It
//! decides about the order, and about nothing else: without it nothing is lost.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use flume_core::channel::UNMARKED;
use flume_log::{Log, OnDamage, Place, Read};

use super::batch::Batch;
use super::record;
use super::store::{Store, runs};

/// The name of the file.
const NAME: &str = "first";

/// It is written under this name.
const UNFINISHED: &str = "first.new";

/// The file has one line: this word, then numbers.
const WORD: &str = "first";

/// Events that come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct First {
    /// Where they begin.
    pub(super) place: Place,
    /// The sequence behind them.
    pub(super) end: u64,
}

impl First {
    /// What the folders of a channel say. Of two that say something, the later one is right: it names all that
    /// was before others then.
    pub(super) fn of(folders: &[PathBuf]) -> Option<Self> {
        let said = folders.iter().filter_map(|folder| Self::read(folder));
        said.max_by_key(|first| first.end)
    }

    /// Which sequences these are.
    pub(super) fn range(self) -> Range<u64> {
        let [_, _, sequence] = self.place.numbers();
        sequence..self.end
    }

    /// What a folder says.
    fn read(folder: &Path) -> Option<Self> {
        // Nothing is said where nothing can be read.
        let text = fs::read_to_string(folder.join(NAME)).ok()?;
        let numbers = text.strip_suffix('\n')?.strip_prefix(WORD)?;
        let numbers: Result<Vec<u64>, _> = numbers.split_whitespace().map(str::parse).collect();
        let [generation, offset, sequence, end] = numbers.ok()?.try_into().ok()?;
        Some(Self {
            place: Place::of([generation, offset, sequence]),
            end,
        })
    }

    /// Has a folder say it, from now on and after a loss of power.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(self, folder: &Path) -> io::Result<()> {
        let [generation, offset, sequence] = self.place.numbers();
        let unfinished = folder.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        writeln!(file, "{WORD} {generation} {offset} {sequence} {}", self.end)?;
        file.sync_all()?;
        fs::rename(unfinished, folder.join(NAME))?;
        File::open(folder)?.sync_all()
    }

    /// Has a folder say nothing.
    ///
    /// # Errors
    /// What it says cannot be removed.
    pub(super) fn forget(folder: &Path) -> io::Result<()> {
        match fs::remove_file(folder.join(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The records that come first and are not settled, with their sequences; and the sequence up to which
    /// they were read. What is damaged there is left to whoever reads the log.
    pub(super) fn records(self, log: &Log) -> (Vec<flume_log::Records>, u64) {
        let mut reader = log.reader().on_damage(OnDamage::Refuse);
        reader.seek(self.place);
        let (mut found, mut next) = (Vec::new(), reader.next());
        while next < self.end {
            match reader.read() {
                Ok(Read::Records(records)) => {
                    let first = records.places.first().map(|(sequence, _)| *sequence);
                    if first.is_none_or(|first| first >= self.end) {
                        break;
                    }
                    found.push(records);
                    next = reader.next();
                }
                Ok(Read::Damaged(_) | Read::End) | Err(_) => break,
            }
        }
        (found, next)
    }
}

/// Reads what comes first, and forgets about it if there is nothing.
pub(super) fn read_first(store: &Store, log: &Log) {
    let Some(first) = First::of(&store.place.data) else {
        return;
    };
    let (records, next) = first.records(log);
    let mut events = Vec::new();
    for records in records {
        // What is no event is told when its turn comes.
        events.extend(record::read_all(records).0);
    }
    let mut state = store.events.lock();
    state.queue.read_early(events, first.range().start, next);
    drop(state);
    store.events.notify_taker();
}

/// Writes what is in memory alone. Returns how many events are lost.
///
/// All that is before the last of them in the queue is written once more, in order, if it is on the disk
/// already: the first events of the queue are one range of the log then.
pub(super) fn write_memory(store: &Store, log: &Log) -> usize {
    let mut state = store.events.lock();
    let (events, is_before_others) = state.queue.part_with_memory();
    let kept = events.iter().filter(|(_, mark)| *mark == UNMARKED).count();
    let (places, _) = state.room.charged();
    let reserved = state.queue.spill().map_or(0, |spill| spill.reserved());
    let has_early = state.queue.has_early();
    drop(state);
    let in_memory = usize::try_from(places.saturating_sub(reserved)).unwrap_or(usize::MAX);
    // What takers have, and do not give back in time.
    let taken = in_memory.saturating_sub(kept);
    let mut batch = Batch::new(log);
    let written = events.iter().try_for_each(|(event, _)| batch.push(event));
    let written = written.and_then(|()| Ok(batch.finish()?));
    let safe = events.get(..batch.written()).unwrap_or_default();
    let marks: Vec<u64> = safe.iter().map(|(_, mark)| *mark).collect();
    note_first(store, &batch, is_before_others, has_early);
    runs(&marks, |first, end| log.settle(first, end));
    let saved = marks.iter().filter(|mark| **mark == UNMARKED).count();
    let channel = &store.name;
    if saved > 0 {
        tracing::info!(channel, events = saved, "what was in memory is on the disk");
    }
    let lost = kept - saved + taken;
    if lost > 0 {
        let error = written.err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| "a sink has not given them back".to_owned());
        tracing::error!(
            channel,
            events = lost,
            error,
            "events that were in memory are lost"
        );
    }
    lost
}

/// Notes what comes first, if that is not what is first in the log.
fn note_first(store: &Store, batch: &Batch<'_>, is_before_others: bool, has_early: bool) {
    let folders = &store.place.data;
    let Some(folder) = folders.first() else {
        return;
    };
    let noted = match batch.first() {
        Some(put) if is_before_others => First {
            place: put.place,
            end: put.first + batch.written() as u64,
        }
        .write(folder),
        None if has_early => Ok(()),
        _ => folders.iter().try_for_each(|folder| First::forget(folder)),
    };
    if let Err(error) = noted {
        let channel = &store.name;
        tracing::warn!(channel, %error, "the order of events could not be noted: older ones come later");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(First::read(folder.path()), None);
        First::forget(folder.path()).unwrap();
        let first = First {
            place: Place::of([3, 4096, u64::MAX]),
            end: 7,
        };
        first.write(folder.path()).unwrap();
        assert_eq!(First::read(folder.path()), Some(first));
        for text in [
            "",
            "first 1 2 3",
            "first 1 2 3\n",
            "first 1 2 3 4 5\n",
            "first 1 2 3 x\n",
            "last 1 2 3 4\n",
        ] {
            fs::write(folder.path().join(NAME), text).unwrap();
            assert_eq!(First::read(folder.path()), None, "{text:?}");
        }
        First::forget(folder.path()).unwrap();
        assert!(!folder.path().join(NAME).exists());
    }

    #[test]
    fn of_two_folders_that_say_something_the_later_is_right() {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let paths = folders.each_ref().map(|folder| folder.path().to_owned());
        assert_eq!(First::of(&paths), None);
        for (path, end) in paths.iter().zip([9, 20]) {
            let place = Place::of([1, 4096, end - 5]);
            First { place, end }.write(path).unwrap();
        }
        assert_eq!(First::of(&paths).map(First::range), Some(15..20));
    }
}
