//! What directories of Apache Flume's file channel hold that was not delivered.
//!
//! The format of Flume 1.3 to 1.11 is read; others are recognised, and refused by name. What Flume
//! itself cannot open, because a record is torn, a body does not match its checksum, the checkpoint
//! is lost, or zeros are in the middle, is read as far as it is whole. What cannot be known is
//! kept, and counted as a possible double.
//!
//! # Adopting a channel
//!
//! ```text
//! match find(directories, limits)? {
//!     Nothing => done,
//!     Adopted(aside) => aside.move_files()?, and look again
//!     Channel(found) => {
//!         first = found.begin(log.next)?
//!         found.read(log.next - first, |event| log.put(event))?, and wait until all are safe
//!         found.mark_safe()?.move_files()?, and look again
//!     }
//! }
//! ```
//!
//! No one else may write to our log, and nothing may be delivered from it, between `begin` and
//! `mark_safe`. A kill at any moment leaves one of these states. The note is a file in the
//! directory of the checkpoint.
//!
//! | note | files of Flume | so | the next start |
//! |---|---|---|---|
//! | none | none | nothing was there, or all is done | goes on |
//! | none | there | nothing was begun | begins |
//! | begun | there | our log has a part of the events, from the noted sequence on | begins again, and skips as many as are in the log |
//! | begun | other ones | a Flume ran in between | begins anew; events of the first attempt may be doubled |
//! | begun | gone | somebody took them away | refuses |
//! | safe | some or all there | our log has all events | moves what is left |
//! | safe | none | all is moved but the note | moves the note |
//!
//! The laws behind it:
//!
//! | law | where |
//! |---|---|
//! | nothing is changed before everything was judged | `found.rs` |
//! | the same files give the same events in the same order | `index.rs`, `read.rs` |
//! | a note is replaced as a whole, and is safe when it is there | `note.rs` |
//! | Flume does not start on files that are moved in part | `aside.rs` |
//! | a body is given as it was put, or not at all | `record.rs` |
//! | no length of a file is believed before it was compared with what is there | `scan.rs`, `window.rs` |
//!
//! With `u64::MAX` events to skip, `read` gives none, and counts all: so is a dry run made, and so
//! it is known beforehand whether our log has room.
//!
//! # What cannot be seen
//!
//! Flume has a checksum of bodies only. If bits of a header's text change, nobody knows. If the
//! number of a transaction does, its record belongs to another one: mostly that is reported as a
//! stray, never as more.

mod aside;
mod checkpoint;
mod directories;
mod found;
mod index;
mod kernel;
mod lane;
mod limits;
mod meta;
mod note;
mod proto;
mod read;
mod record;
mod refusal;
mod replay;
mod report;
mod running;
mod scan;
mod steps;
#[cfg(test)]
mod tests;
mod window;

pub use self::aside::Aside;
pub use self::directories::Directories;
pub use self::found::{Found, Holds, find};
pub use self::index::TooMany;
pub use self::limits::Limits;
pub use self::read::ReadError;
pub use self::record::Event;
pub use self::refusal::{Opener, Refusal};
pub use self::report::{Damage, Doubles, Harm, Report, Start};
