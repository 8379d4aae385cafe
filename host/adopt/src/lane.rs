//! The logs of one data directory, one after another; and several of them in the order in which
//! Flume wrote.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use crate::record::{Head, Pointer};
use crate::scan::{Item, Kind, Scan};

/// Steps of a directory that wait for a record behind them. More are followed before it is known
/// when it was written; for what is no record that does not matter.
const MOST_AHEAD: usize = 4096;

/// A step through the logs of a directory.
#[derive(Debug)]
pub(crate) enum Step {
    /// A log begins: its number.
    Log(u32),
    Record(Pointer, Head, Kind),
    Other(Item),
}

/// The logs of one directory. Each transaction is in one directory.
#[derive(Debug)]
pub(crate) struct Lane {
    logs: VecDeque<(u32, PathBuf)>,
    scan: Option<(PathBuf, Scan)>,
    /// What was read ahead, up to a record.
    ahead: VecDeque<Step>,
    /// The place of that record in the order of all.
    order: Option<u64>,
    most: u64,
    pub(crate) bytes: u64,
}

/// Reading a log failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl Lane {
    pub(crate) fn new(logs: Vec<(u32, PathBuf)>, most: u64) -> Self {
        Self {
            logs: logs.into(),
            scan: None,
            ahead: VecDeque::new(),
            order: None,
            most,
            bytes: 0,
        }
    }

    /// Reads ahead to the next record, and gives its place in the order. Without one more, what is
    /// left comes last.
    fn order(&mut self) -> Result<Option<u64>, Failed> {
        while self.order.is_none() {
            if self.ahead.len() >= MOST_AHEAD {
                return Ok(Some(0));
            }
            let Some(step) = self.read()? else {
                return Ok((!self.ahead.is_empty()).then_some(u64::MAX));
            };
            if let Step::Record(_, head, _) = &step {
                self.order = Some(head.order);
            }
            self.ahead.push_back(step);
        }
        Ok(self.order)
    }

    fn read(&mut self) -> Result<Option<Step>, Failed> {
        loop {
            let Some((path, scan)) = &mut self.scan else {
                let Some((number, path)) = self.logs.pop_front() else {
                    return Ok(None);
                };
                let opened = Scan::open(&path, number, self.most);
                let scan = opened.map_err(|source| failed(&path, source))?;
                self.bytes += scan.length();
                self.scan = Some((path, scan));
                return Ok(Some(Step::Log(number)));
            };
            match scan.next().map_err(|source| failed(path, source))? {
                Some(Item::Record(pointer, head, kind)) => {
                    return Ok(Some(Step::Record(pointer, head, kind)));
                }
                Some(other) => return Ok(Some(Step::Other(other))),
                None => self.scan = None,
            }
        }
    }
}

fn failed(path: &std::path::Path, source: io::Error) -> Failed {
    let path = path.to_owned();
    Failed { path, source }
}

/// The next step of all directories, and of which it is: the one whose next record is the oldest.
pub(crate) fn next(lanes: &mut [Lane]) -> Result<Option<(usize, Step)>, Failed> {
    let mut oldest: Option<(u64, usize)> = None;
    for (at, lane) in lanes.iter_mut().enumerate() {
        if let Some(order) = lane.order()?
            && oldest.is_none_or(|(least, _)| order < least)
        {
            oldest = Some((order, at));
        }
    }
    let Some((_, at)) = oldest else {
        return Ok(None);
    };
    let step = lanes.get_mut(at).and_then(|lane| {
        let step = lane.ahead.pop_front();
        if matches!(step, Some(Step::Record(..))) {
            lane.order = None;
        }
        step
    });
    Ok(step.map(|step| (at, step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record_does_not_gather() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log-1");
        let voids = [0, 0, 0, 0, 1, 7].repeat(2 * MOST_AHEAD);
        std::fs::write(&path, voids).unwrap();
        let mut lanes = [Lane::new(vec![(1, path)], u64::MAX)];
        let mut met = 0;
        while let Some((_, step)) = next(&mut lanes).unwrap() {
            met += usize::from(matches!(step, Step::Other(Item::Void(..))));
            assert!(lanes[0].ahead.len() <= MOST_AHEAD);
        }
        assert_eq!(met, 2 * MOST_AHEAD);
    }
}
