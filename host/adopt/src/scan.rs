//! One log from its first byte to its last: records, and what lies between them.
//!
//! | met | then |
//! |---|---|
//! | a record that can be read | it counts; if only its length was wrong, that is noted |
//! | a record that cannot, with another place for a record right behind it | it is left out; a put is still known as one |
//! | a void record | it is left out, as Flume does |
//! | fill up to the end | the log ends |
//! | a record that was begun, and nothing behind it | torn: it was never acknowledged |
//! | anything else | damage, up to the next place where a whole record is |

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::record::{self, FILL, FRAMING, Head, Pointer, RECORD, STATED, Says, VOID};
use crate::report::{Damage, Harm};
use crate::window::Window;

mod search;

/// What a log holds at one place.
#[derive(Debug)]
pub(crate) enum Item {
    Record(Pointer, Head, Kind),
    /// A void record, and its head if that can be read.
    Void(Pointer, Option<Head>),
    Damage(Damage),
}

/// What a record is. Bodies stay on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Put,
    Take(Pointer),
    Rollback,
    CommitOfPuts,
    CommitOfTakes,
}

/// A log that is read.
#[derive(Debug)]
pub(crate) struct Scan {
    path: PathBuf,
    number: u32,
    window: Window,
    at: u64,
    /// The order of the last record, which later ones do not go far below.
    order: u64,
    most: u64,
    /// Found, and not yet given.
    due: VecDeque<Item>,
}

/// How a record at a place can be read.
enum Found {
    Whole { head: Head, kind: Kind, length: u64 },
    Broken { head: Option<Head> },
}

impl Scan {
    pub(crate) fn open(path: &Path, number: u32, most: u64) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            number,
            window: Window::open(path)?,
            at: 0,
            order: 0,
            most,
            due: VecDeque::new(),
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.window.length()
    }

    /// The next item, until the log ends.
    pub(crate) fn next(&mut self) -> io::Result<Option<Item>> {
        while self.due.is_empty() && self.at < self.length() {
            self.step()?;
        }
        let item = self.due.pop_front();
        if let Some(Item::Record(_, head, _)) = &item {
            self.order = self.order.max(head.order);
        }
        Ok(item)
    }

    fn step(&mut self) -> io::Result<()> {
        match self.window.get(self.at, 1)?.first() {
            Some(&RECORD) => self.record(),
            Some(&VOID) => self.void(),
            Some(&FILL) => self.fill(),
            _ => self.lost(),
        }
    }

    fn record(&mut self) -> io::Result<()> {
        let (at, announced) = (self.at, self.announced(self.at)?);
        match self.read(at)? {
            Found::Whole { head, kind, length } => {
                if announced != Some(length) {
                    self.damage(at, FRAMING, Harm::Length);
                }
                self.push(at, head, kind);
                self.at = at + FRAMING + length;
            }
            Found::Broken { head } => {
                let next = announced.map(|length| at + FRAMING + length);
                match next {
                    Some(next) if self.may_go_on(next)? => self.skip(at, next, head)?,
                    _ => self.lost()?,
                }
            }
        }
        Ok(())
    }

    /// Leaves out a record that cannot be read, but is followed by another one, fill, or the end.
    fn skip(&mut self, at: u64, next: u64, head: Option<Head>) -> io::Result<()> {
        let harm = match head {
            _ if self.is_torn(at, next)? => Harm::Torn,
            Some(head) if head.kind == Head::PUT => {
                self.push(at, head, Kind::Put);
                let is_large = next - at - FRAMING > self.most;
                if is_large {
                    Harm::TooLarge
                } else {
                    Harm::Event
                }
            }
            _ => Harm::Record,
        };
        self.damage(at, next - at, harm);
        self.at = next;
        Ok(())
    }

    fn void(&mut self) -> io::Result<()> {
        let at = self.at;
        match self.announced(at)? {
            Some(length) if length > 0 && self.may_go_on(at + FRAMING + length)? => {
                let head = Head::read(self.window.get(at + FRAMING, STATED)?);
                self.due.push_back(Item::Void(self.pointer(at), head));
                self.at = at + FRAMING + length;
                Ok(())
            }
            _ => self.lost(),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.content(self.at)? {
            return self.lost();
        }
        self.at = self.length();
        Ok(())
    }

    /// Nothing can be read here: goes on where the next record is.
    fn lost(&mut self) -> io::Result<()> {
        let at = self.at;
        let (next, harm) = match self.search(at + 1)? {
            Some(next) => (next, Harm::Lost),
            None if self.is_cut(at)? => (self.length(), Harm::Torn),
            None => (self.end_of_content(at)?, Harm::Lost),
        };
        self.damage(at, next - at, harm);
        self.at = next;
        Ok(())
    }

    /// The payload length that stands at a place, if that many bytes are there.
    fn announced(&mut self, at: u64) -> io::Result<Option<u64>> {
        let length = self.window.get(at + 1, 4)?.try_into();
        let length = length.ok().map(u32::from_be_bytes).map(u64::from);
        let left = self.length().saturating_sub(at + FRAMING);
        Ok(length.filter(|length| *length <= left))
    }

    /// Reads the record at a place by the length that it states within.
    fn read(&mut self, at: u64) -> io::Result<Found> {
        let from = at + FRAMING;
        let left = self.length().saturating_sub(from);
        let start = self.window.get(from, STATED)?;
        let (head, stated) = (Head::read(start), record::stated(start));
        let fits = |length: &u64| *length <= left.min(self.most);
        let Some(length) = stated.filter(fits) else {
            return Ok(Found::Broken { head });
        };
        let count = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(match record::read(self.window.get(from, count)?) {
            Some((head, says)) => Found::Whole {
                head,
                kind: kind(says),
                length,
            },
            None => Found::Broken { head },
        })
    }

    /// Whether the log may go on here: it ends, or a record seems to begin.
    fn may_go_on(&mut self, at: u64) -> io::Result<bool> {
        let start = self.window.get(at, 5 + STATED)?;
        Ok(match start.first() {
            None | Some(&FILL) => true,
            Some(&RECORD) => start
                .get(5..)
                .is_some_and(|rest| Head::read(rest).is_some()),
            Some(&VOID) => self.announced(at)?.is_some_and(|length| length > 0),
            Some(_) => false,
        })
    }

    fn damage(&mut self, at: u64, length: u64, harm: Harm) {
        self.due.push_back(Item::Damage(Damage {
            file: self.path.clone(),
            offset: at,
            length,
            harm,
        }));
    }

    fn push(&mut self, at: u64, head: Head, kind: Kind) {
        self.due
            .push_back(Item::Record(self.pointer(at), head, kind));
    }

    fn pointer(&self, at: u64) -> Pointer {
        // Flume's logs end below two GiB; a place behind that is nobody's.
        Pointer::new(self.number, u32::try_from(at).unwrap_or(u32::MAX))
    }
}

fn kind(says: Says<'_>) -> Kind {
    match says {
        Says::Put { .. } => Kind::Put,
        Says::Take(pointer) => Kind::Take(pointer),
        Says::Rollback => Kind::Rollback,
        Says::CommitOfPuts => Kind::CommitOfPuts,
        Says::CommitOfTakes => Kind::CommitOfTakes,
    }
}

/// The payload of the put at a place, if it is one.
pub(crate) fn payload(window: &mut Window, at: u64, most: u64) -> io::Result<Option<Bytes>> {
    let start = window.get(at, 5 + STATED)?;
    let (operation, start) = start.split_at_checked(5).unwrap_or_default();
    let length = record::stated(start).filter(|length| *length <= most);
    let (Some(&RECORD), Some(length)) = (operation.first(), length) else {
        return Ok(None);
    };
    let count = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes = window.get(at + FRAMING, count)?;
    Ok((bytes.len() == count).then(|| Bytes::copy_from_slice(bytes)))
}
