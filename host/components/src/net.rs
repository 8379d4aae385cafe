//! What the network components share: ports, streams and what wraps them, and who may
//! connect.
//!
//! Nothing here knows events or Avro. A component asks for a [`stream::Stream`] and gets one,
//! whatever the file says about TLS and compression.

pub mod address;
pub(crate) mod complaint;
pub mod deflate;
pub mod files;
pub(crate) mod idle;
pub mod ip_filter;
pub mod keystore;
pub(crate) mod listener;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod own_port;
pub mod passed;
pub(crate) mod spare;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;
