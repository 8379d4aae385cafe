//! What the bucket writer stores in HDFS, on disk and in object stores: real stores, read by
//! independent readers.

mod failover;
mod faults;
mod formats;
mod kills;
mod leases;
mod selfcheck;
mod twins;
