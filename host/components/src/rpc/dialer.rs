//! Makes connections to one peer.
//!
//! The law: nothing about the far end is remembered between two connections. The name is looked
//! up each time, so that a collector that has moved is found; each of its addresses gets a fair share
//! of `connect-timeout`, so that a dead one does not hide a living one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use flume_core::clock::{self, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::connection::{Connection, ConnectionTerms};
use super::error::RpcError;
use super::link::Link;
use crate::net::address::Address;
use crate::net::stream::{Connector, Stream};
use crate::net::tls::TlsError;
use crate::services::Resolver;

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
        Self {
            address,
            link,
            resolver,
            tls: None,
        }
    }

    /// The peer that it calls.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How it talks.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Reads the trust store, once; [`dial`](Self::dial) does so too if it was not done.
    ///
    /// # Errors
    /// It has no usable certificate.
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
        // A sink whose start failed is used all the same, and must not send unencrypted then.
        self.prepare().await?;
        let limit = self.link.connect_timeout;
        let deadline = clock::now() + limit;
        let timed_out = || RpcError::ConnectTimeout {
            address: self.address.to_string(),
            limit,
        };
        let resolve = self.resolver.resolve(&self.address.host, self.address.port);
        let addresses = timeout_at(deadline, resolve)
            .await
            .map_err(|_| timed_out())?
            .map_err(|error| RpcError::Resolve {
                host: self.address.host.clone(),
                error,
            })?;
        let connector = self.connector()?;
        let mut failed = None;
        for (tried, address) in addresses.iter().enumerate() {
            let share = share(deadline, addresses.len() - tried);
            match timeout_at(share, open(*address, &connector)).await {
                Ok(Ok(stream)) => {
                    let terms = ConnectionTerms {
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
            return Ok(Connector {
                tls: None,
                deflate: self.link.deflate,
            });
        };
        let name =
            ServerName::try_from(self.address.host.clone()).map_err(|error| RpcError::Resolve {
                host: self.address.host.clone(),
                error: io::Error::other(error),
            })?;
        Ok(Connector {
            tls: Some((Arc::clone(config), name)),
            deflate: self.link.deflate,
        })
    }
}

/// When the share of the next of `addresses` addresses is over.
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
