//! The keys of a connection, for the two ends.

use std::time::Duration;

use flume_core::Context;

use crate::net::tls::ClientTls;

/// Default of `max-frame-size`, for both ends: 64 MiB.
pub const MAX_FRAME_SIZE: usize = 64 << 20;

/// Default of `connect-timeout` and `request-timeout`: 20 s.
const TIMEOUT_MILLIS: u64 = 20_000;

/// How to talk to a peer, for every peer the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// For TCP, TLS and the first answer together (`connect-timeout`, default 20,000 ms).
    pub connect_timeout: Duration,
    /// For each answer (`request-timeout`, default 20,000 ms).
    pub request_timeout: Duration,
    /// Requests without an answer (`max-in-flight`, default 4, at most 64; Flume has 1).
    pub max_in_flight: usize,
    /// Bytes of one request (`max-frame-size`, default [`MAX_FRAME_SIZE`]). Larger batches go
    /// out as several requests.
    pub max_frame: usize,
    /// Level (`compression-level`, default 6) if `compression-type` is `deflate`.
    pub deflate: Option<u32>,
    /// Whom to trust if `ssl` is true.
    pub tls: Option<ClientTls>,
}

impl Link {
    /// Reads the keys. `None` leaves a diagnostic.
    pub fn configure(context: &mut Context) -> Option<Self> {
        let millis = 1000..=u64::MAX / 2;
        let connect = context.number_or_default("connect-timeout", TIMEOUT_MILLIS, millis.clone());
        let request = context.number_or_default("request-timeout", TIMEOUT_MILLIS, millis);
        let max_in_flight = context.number("max-in-flight", 4, 1..=64);
        let max_frame = max_frame_size(context);
        let level = context.number_or_default("compression-level", 6, 0..=9);
        let deflate = is_deflate(context);
        let tls = ClientTls::configure(context);
        context.without_effect("maxIoWorkers", "one task serves a connection");
        Some(Self {
            connect_timeout: Duration::from_millis(connect),
            request_timeout: Duration::from_millis(request),
            max_in_flight: max_in_flight?,
            max_frame: max_frame?,
            deflate: deflate?.then_some(level),
            tls: tls?,
        })
    }
}

/// Reads `max-frame-size`, for either end. `None` leaves a diagnostic.
pub fn max_frame_size(context: &mut Context) -> Option<usize> {
    context.number("max-frame-size", MAX_FRAME_SIZE, 1024..=(1 << 30))
}

/// Reads `compression-type`, for either end. `None` leaves a diagnostic.
pub fn is_deflate(context: &mut Context) -> Option<bool> {
    let types = [("none", false), ("deflate", true)];
    context.one_of("compression-type", "none", &types)
}
