//! Flume's Avro RPC over a socket: the client's side, and what both sides have in common.
//!
//! A sink and the command line call a peer through a [`Dialer`], which makes a [`Connection`] as a
//! [`Link`] describes it. The bytes themselves are handled by the crate `flume_avro`.

pub(crate) mod batch;
mod connection;
pub(crate) mod copies;
mod dialer;
mod error;
mod link;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use connection::Connection;
pub use dialer::Dialer;
pub use error::RpcError;
pub use link::{Link, MAX_FRAME_SIZE, is_deflate, max_frame_size};
