//! The drills, one module each.

mod clock;
mod disk;
mod edits;
mod hung;
mod unread;
