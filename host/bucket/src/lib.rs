//! A bucket writer: events into files of folders that depend on them, on HDFS, in object stores
//! and on this machine, with an answer that can be believed.
//!
//! The law: a batch counts as delivered when its events are where they cannot be lost, and not
//! before. Where a store appends, that is at the end of each batch; where it does not, when every
//! object with a part of the batch is complete. What a failure leaves behind is ended on the side.
//!
//! Nothing here reads a configuration or knows a channel: the agent's `hdfs` sink does.

mod address;
mod bucket;
mod buckets;
mod ending;
mod escape;
mod format;
mod ledger;
mod leftovers;
mod naming;
mod roll;
mod store;
mod target;
mod waits;
mod works;

pub use address::{Address, AddressError, Scheme};
pub use buckets::{Buckets, WriteError};
pub use escape::{EscapeError, HostNames, RoundUnit, Rounding, Template, TimeError, Times, zone};
pub use format::{AvroCodec, Codec, FileType, Serializer, Writable};
pub use naming::Naming;
pub use roll::RollLimits;
pub use store::{Durable, StoreError};
pub use target::{Identity, OpenError, Target};
pub use works::{Leftovers, Settings};
