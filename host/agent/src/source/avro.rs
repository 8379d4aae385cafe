//! The avro source: takes batches from the agents before this one.
//!
//! One task serves one connection (`avro/peer.rs`). It answers a request only when the channels have
//! taken its events, and the requests of a connection in their order.
//!
//! What peers can cost is limited by keys, and never is it the log:
//!
//! | key | default | limits |
//! |---|---|---|
//! | `max-connections` | 1024 | connections; each has buffers of 4 KiB, or 320 KiB while busy |
//! | `max-frame-size` | 64 MiB | bytes of a request |
//! | `max-pending-bytes` | 256 MiB | bytes of all requests that are not in the channels (`avro/budget.rs`) |
//!
//! A buffer grows by doubling, so the memory for pending requests may be twice their bytes. The
//! connection whose bytes exceed `max-pending-bytes` is closed; its client sends them again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flume_avro::{FrameLimits, KnownClients, Limits};
use flume_core::{ComponentError, Context, Source, SourceContext};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use self::budget::Budget;
use self::peer::{Complaints, Shared};
use crate::net::ip_filter::IpFilter;
use crate::net::ip_filter::names::Names;
use crate::net::stream::Acceptor;
use crate::net::tls::ServerTls;
use crate::services::{Resolver, Services};
use crate::sink::avro::{Address, is_deflate, max_frame_size};

mod batch;
mod budget;
mod peer;

/// Default of `max-connections`.
const MAX_CONNECTIONS: usize = 1024;

/// Default of `max-pending-bytes`, if `max-frame-size` is not larger.
const MAX_PENDING: usize = 256 << 20;

/// How long connections may go on after a stop, to answer what they have read.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after an accept that failed, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Compression level of answers, as Flume's.
const ANSWER_LEVEL: u32 = 6;

/// Listens for avro clients.
#[derive(Debug)]
pub struct AvroSource {
    name: String,
    address: Address,
    max_connections: usize,
    limits: Limits,
    max_pending: usize,
    deflate: bool,
    tls: Option<ServerTls>,
    filter: Option<IpFilter>,
    resolver: Resolver,
    /// Protocols of clients, remembered while the process lives.
    known: KnownClients,
    /// What `start` made for `run`.
    open: Option<(TcpListener, Acceptor)>,
}

/// Reads `bind`, `port`, `compression-type` (none), the keys of TLS and of the ip filter, and
/// the limits `max-connections` (1024), `max-frame-size` (64 MiB) and `max-pending-bytes`
/// (256 MiB, not below `max-frame-size`).
pub fn configure(context: &mut Context, services: &Services) -> Option<Box<dyn Source>> {
    let bind = context.required("bind");
    let port = context.required_number("port", 0..=u16::MAX);
    let max_connections = context.number("max-connections", MAX_CONNECTIONS, 1..=1_000_000);
    let max_frame = max_frame_size(context);
    let least = max_frame.unwrap_or_default();
    let max_pending =
        context.number("max-pending-bytes", MAX_PENDING.max(least), least..=usize::MAX);
    let deflate = is_deflate(context);
    let tls = ServerTls::configure(context);
    let filter = IpFilter::configure(context);
    context.without_effect("threads", "a connection costs no thread");
    let frame = FrameLimits { max_frame: max_frame?, ..FrameLimits::default() };
    Some(Box::new(AvroSource {
        name: context.name().to_owned(),
        address: Address { host: bind?, port: port? },
        max_connections: max_connections?,
        limits: Limits { frame, ..Limits::default() },
        max_pending: max_pending?,
        deflate: deflate?,
        tls: tls?,
        filter: filter?,
        resolver: services.resolver.clone(),
        known: KnownClients::default(),
        open: None,
    }))
}

impl AvroSource {
    async fn bind(&self) -> std::io::Result<TcpListener> {
        let addresses = self.resolver.resolve(&self.address.host, self.address.port).await?;
        // Sets SO_REUSEADDR, so that a restart need not wait for old connections to be forgotten.
        TcpListener::bind(&*addresses).await
    }

    async fn acceptor(&self) -> Result<Acceptor, ComponentError> {
        let tls = match &self.tls {
            None => None,
            Some(tls) => {
                let loaded = tls.load().await;
                Some(loaded.map_err(|e| ComponentError::caused_by("cannot set up TLS", e))?)
            }
        };
        Ok(Acceptor { tls, deflate: self.deflate.then_some(ANSWER_LEVEL) })
    }
}

#[async_trait]
impl Source for AvroSource {
    async fn start(&mut self) -> Result<Option<std::net::SocketAddr>, ComponentError> {
        let acceptor = self.acceptor().await?;
        let failed = |error| {
            let message = format!("Failed to set up server socket on {}", self.address);
            ComponentError::caused_by(message, error)
        };
        let listener = self.bind().await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        self.open = Some((listener, acceptor));
        Ok(Some(local))
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let (listener, acceptor) =
            self.open.take().ok_or_else(|| ComponentError::new("the avro source is not started"))?;
        let stop = context.stop.clone();
        let shared = Arc::new(Shared {
            name: self.name.clone(),
            context,
            acceptor,
            filter: self.filter.clone(),
            names: Names::new(self.resolver.clone()),
            limits: self.limits,
            budget: Budget::new(self.max_pending),
            known: self.known.clone(),
            complaints: Complaints::default(),
        });
        let seats = Arc::new(Semaphore::new(self.max_connections));
        let mut peers = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = peers.join_next() => report(&self.name, ended),
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => admit(&shared, &seats, socket, &mut peers),
                    Err(error) => {
                        tracing::warn!(source = self.name, %error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let farewell = async {
            while let Some(ended) = peers.join_next().await {
                report(&self.name, ended);
            }
        };
        if timeout(GRACE, farewell).await.is_err() {
            tracing::warn!(
                source = self.name,
                connections = peers.len(),
                "connections are cut: their requests took too long to finish"
            );
            peers.shutdown().await;
        }
        Ok(())
    }
}

/// Gives a connection a task of its own, or closes it if there are too many.
fn admit(
    shared: &Arc<Shared>,
    seats: &Arc<Semaphore>,
    socket: TcpStream,
    peers: &mut JoinSet<()>,
) {
    match Arc::clone(seats).try_acquire_owned() {
        Ok(seat) => {
            let shared = Arc::clone(shared);
            peers.spawn(async move {
                peer::serve(&shared, socket).await;
                drop(seat);
            });
        }
        Err(_) => {
            if let Some(left_out) = shared.complaints.crowded.admit() {
                tracing::warn!(
                    source = shared.name,
                    open = peers.len(),
                    left_out,
                    "a connection was refused: there are max-connections already"
                );
            }
        }
    }
}

fn report(source: &str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(source, %error, "a connection ended by a defect; its peer will send again");
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
