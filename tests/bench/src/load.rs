//! Load: numbered events, their senders and receivers, and the count.
//!
//! All of this must cost only a small part of what is measured. So it uses blocking calls on
//! threads of this process, large reads and writes, and blocks that are built once: a sender only
//! changes the numbers, a receiver only reads them.

pub mod arrivals;
pub mod avro_receiver;
pub mod avro_sender;
pub mod bare_relay;
pub mod frames;
pub mod kafka;
pub mod line_receiver;
pub mod lines;
pub mod netcat;
pub mod numbers;
pub mod paced;
pub mod reading;

pub use arrivals::{Arrivals, Slot, Verdict};
pub use avro_receiver::AvroReceiver;
pub use line_receiver::LineReceiver;
pub use lines::Shape;
pub use numbers::Numbers;
