//! A bucket writer: writes each event to a file in a folder that depends on the event, on HDFS, in
//! object stores and on this machine.
//!
//! The law: a batch counts as delivered only once its events cannot be lost. In a store that
//! appends, that is at the end of each batch. In an object store it is when every object with a
//! part of the batch is complete. Files that failed are ended in the background.
//!
//! Nothing here reads Flume's configuration or knows a channel: the `hdfs` sink does that.

mod address;
mod bucket;
mod buckets;
mod ending;
mod escape;
mod format;
mod hadoop;
mod ledger;
mod leftovers;
mod naming;
mod pending;
mod roll;
mod shared;
mod store;
mod target;

pub use address::{AddressError, Scheme, StoreAddress};
pub use buckets::{Buckets, WriteError};
pub use escape::{
    EscapeError, HostNames, RoundUnit, Rounding, Template, TimeError, Times, Untimed, zone,
};
pub use format::{AvroCodec, Codec, FileType, Serializer, Writable};
pub use hadoop::Hadoop;
pub use naming::Naming;
pub use roll::RollLimits;
pub use shared::{BucketSettings, Leftovers};
pub use store::{Durable, StoreError};
pub use target::{OpenError, StoreUser, Target};
