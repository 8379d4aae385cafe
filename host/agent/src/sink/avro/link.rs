//! The keys of a connection, and making one.
//!
//! The law: nothing about the far end is remembered between two connections. The name is looked
//! up each time, so that a collector that moved is found; each of its addresses gets a fair share
//! of `connect-timeout`, so that a dead one does not hide a living one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_core::{Code, Context};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::connection::{Connection, Terms};
use super::error::RpcError;
use crate::net::stream::{Connector, Stream};
use crate::net::tls::{ClientTls, TlsError};
use crate::services::Resolver;

/// Default of `max-frame-size`, for both ends: 64 MiB.
pub const MAX_FRAME_SIZE: usize = 64 << 20;

/// Default of `connect-timeout` and `request-timeout`: 20 s.
const TIMEOUT_MILLIS: u64 = 20_000;

/// How to talk to a peer, whoever it is.
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

/// Where a peer listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Makes connections to one peer.
#[derive(Debug, Clone)]
pub struct Dialer {
    address: Address,
    link: Link,
    resolver: Resolver,
    tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// A dialer whose trust store is not read yet.
    pub fn new(address: Address, link: Link, resolver: Resolver) -> Self {
        Self { address, link, resolver, tls: None }
    }

    /// Whom it calls.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How it talks.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Reads the trust store, once; [`dial`](Self::dial) does so too if nobody has.
    ///
    /// # Errors
    /// There is no usable certificate in it.
    pub async fn prepare(&mut self) -> Result<(), TlsError> {
        if let (Some(tls), None) = (&self.link.tls, &self.tls) {
            self.tls = Some(tls.load().await?);
        }
        Ok(())
    }

    /// Connects, within `connect-timeout`.
    ///
    /// # Errors
    /// No address of the peer can be connected to, or whom to trust cannot be found out.
    pub async fn dial(&mut self) -> Result<Connection, RpcError> {
        // A sink whose start failed is used all the same, and must not speak in clear then.
        self.prepare().await?;
        let limit = self.link.connect_timeout;
        let deadline = clock::now() + limit;
        let timed_out =
            || RpcError::ConnectTimeout { address: self.address.to_string(), limit };
        let resolve = self.resolver.resolve(&self.address.host, self.address.port);
        let addresses = timeout_at(deadline, resolve)
            .await
            .map_err(|_| timed_out())?
            .map_err(|error| RpcError::Resolve { host: self.address.host.clone(), error })?;
        let connector = self.connector()?;
        let mut failed = None;
        for (tried, address) in addresses.iter().enumerate() {
            let share = share(deadline, addresses.len() - tried);
            match timeout_at(share, open(*address, &connector)).await {
                Ok(Ok(stream)) => {
                    let terms = Terms {
                        request_timeout: self.link.request_timeout,
                        max_frame: self.link.max_frame,
                        for_handshake: deadline.saturating_duration_since(clock::now()),
                    };
                    return Ok(Connection::new(stream, terms));
                }
                Ok(Err(error)) => {
                    let address = address.to_string();
                    failed = Some(RpcError::Connect { address, error });
                }
                Err(_) => failed = Some(timed_out()),
            }
        }
        Err(failed.unwrap_or_else(|| RpcError::Resolve {
            host: self.address.host.clone(),
            error: io::Error::new(io::ErrorKind::NotFound, "it has no address"),
        }))
    }

    fn connector(&self) -> Result<Connector, RpcError> {
        let Some(config) = &self.tls else {
            return Ok(Connector { tls: None, deflate: self.link.deflate });
        };
        let name = ServerName::try_from(self.address.host.clone()).map_err(|error| {
            RpcError::Resolve { host: self.address.host.clone(), error: io::Error::other(error) }
        })?;
        Ok(Connector { tls: Some((Arc::clone(config), name)), deflate: self.link.deflate })
    }
}

/// When the next of so many addresses has had its share of the time.
fn share(deadline: Instant, addresses: usize) -> Instant {
    let now = clock::now();
    let left = deadline.saturating_duration_since(now);
    now + left / u32::try_from(addresses).unwrap_or(u32::MAX).max(1)
}

async fn open(address: SocketAddr, connector: &Connector) -> io::Result<Stream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    connector.connect(socket).await
}

/// Reads `host:port`, as the list of hosts of an RPC client has it.
///
/// # Errors
/// Says what is wrong, with `key`.
pub fn host_and_port(context: &mut Context, key: &str) -> Option<Address> {
    let text = context.required(key)?;
    let address = text.rsplit_once(':').and_then(|(host, port)| {
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        // Without brackets nobody knows where an IPv6 address ends.
        let host = bracketed.unwrap_or(host).trim();
        let clear = bracketed.is_some() || !host.contains(':');
        let port = port.trim().parse().ok()?;
        let host = host.to_owned();
        (clear && !host.is_empty()).then_some(Address { host, port })
    });
    if address.is_none() {
        let message = format!("`{}.{key}` is not `host:port`: `{text}`", context.path());
        context.error(key, Code::BadValue, message, "for example `collector1:4141`");
    }
    address
}
