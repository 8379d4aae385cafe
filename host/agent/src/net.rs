//! What the network components share: streams and what wraps them, and who may connect.
//!
//! Nothing here knows events or Avro. A component asks for a [`stream::Stream`] and gets one,
//! whatever the file says about TLS and compression.

pub mod deflate;
pub mod ip_filter;
pub mod keystore;
pub mod log_limit;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;
