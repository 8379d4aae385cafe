//! Load: numbered events, those who send them, those who receive them, and the count.
//!
//! Everything here must cost a small part of what is measured, so it is all blocking calls on
//! threads of this process, large reads and writes, and blocks that are built once: a sender only
//! writes the numbers anew, a receiver only reads them.

pub mod arrivals;
pub mod avro_receiver;
pub mod avro_sender;
pub mod bare_relay;
pub mod frames;
pub mod line_receiver;
pub mod lines;
pub mod netcat;
pub mod paced;
pub mod reading;

pub use arrivals::{Arrivals, Slot, Verdict};
pub use avro_receiver::AvroReceiver;
pub use line_receiver::LineReceiver;
pub use lines::Shape;
