//! A durable queue on one machine: what was acknowledged is on the disk.
//!
//! A *put* is one frame, written once, and there as a whole or not at all. All puts that wait share a
//! sync. Records are read in order, and are *settled* when they were delivered; a settle frame rides
//! on the next put. Segments are files; one of which all is settled is used again.
//!
//! | law | where |
//! |---|---|
//! | acknowledged means synced, if not said otherwise (`Sync`) | `writer.rs` |
//! | a failed sync is final for its segment: what it held goes to a new one | `writer.rs` |
//! | nothing is appended to what another life has left | `writer/segments.rs`, `recovery.rs` |
//! | a frame of a file's former life is not taken for one of this life | `frame.rs` |
//! | a torn end is no damage; damage is never passed over in silence | `recovery.rs`, `reader.rs`, `aside.rs` |
//! | what is settled is safe before a segment is freed | `writer.rs` |
//! | a full disk stops puts, and nothing else | `writer/segments.rs` |
//! | a settle that is lost doubles records, and loses none | `settled.rs` |

mod aside;
mod committer;
pub mod disk;
mod error;
mod frame;
mod log;
mod reader;
mod recovery;
mod scan;
mod segment;
mod settled;
mod shared;
mod teller;
mod terms;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod verify;
mod writer;

pub use self::aside::SetAside;
pub use self::error::{Damage, LogError};
pub use self::frame::MOST_FRAME;
pub use self::log::{Log, Put};
pub use self::reader::{OnDamage, Place, Read, Reader, Records};
pub use self::terms::{Committed, Done, Flushed, Options, Recovered, Sync};
