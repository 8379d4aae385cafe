//! Avro RPC with independent peers: two releases of real Flume, and npm's avsc.

mod adopted;
mod avsc;
mod fleet;
mod flume;
mod killed;
mod selfcheck;
mod shared_conf;
mod shutdown;
mod stopped;
mod tls;
