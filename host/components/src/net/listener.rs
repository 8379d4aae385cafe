//! One TCP port of a source, from the bind to the end of the last conversation.
//!
//! ```text
//! accept -> limits of connections -> ip filter -> first byte -> TLS -> conversation
//! ```
//!
//! The laws: a failed accept ends nothing, accepting only pauses; no client decides how much is
//! logged; a stop closes the port at once and gives conversations [`GRACE`] to end.
//!
//! The port asks for the keys that all sources with a port have. A source that offers TLS,
//! compression or a filter asks for those keys itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume_core::{ComponentError, Context, SourceContext, SourceCounter};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use self::limits::{ConnectionLimits, OpenConnections};
use super::address::{self, Address};
use super::complaint::Complaint;
use super::files::ConnectionFiles;
use super::ip_filter::IpFilter;
use super::ip_filter::names::Names;
use super::passed::{OpenPort, PassedSockets};
use super::spare::SpareFile;
use super::stream::{Acceptor, Stream};
use super::tls::{self, ServerTls};
use crate::services::{Resolver, Services};

mod limits;
#[cfg(test)]
mod tests;

/// How long accepting pauses after a failure, mostly since there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long conversations may go on after a stop, to answer what they have read.
const GRACE: Duration = Duration::from_secs(5);

/// What the process has for its ports.
#[derive(Debug, Clone)]
pub(crate) struct PortServices {
    resolver: Resolver,
    sockets: PassedSockets,
    files: ConnectionFiles,
}

impl From<&Services> for PortServices {
    fn from(services: &Services) -> Self {
        Self {
            resolver: services.resolver.clone(),
            sockets: services.sockets.clone(),
            files: services.files.clone(),
        }
    }
}

/// What the file says about a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    address: Address,
    limits: ConnectionLimits,
    /// How long a client may be silent before its first byte; `None` is no limit.
    first_byte: Option<Duration>,
    /// Keys, if the port is encrypted.
    tls: Option<ServerTls>,
    /// Compression level, if the port is compressed.
    deflate: Option<u32>,
    /// Who may connect.
    filter: Option<IpFilter>,
}

impl Port {
    /// Reads `bind`, `port`, `max-connections` (1024), `max-connections-per-address` (0: no limit)
    /// and `first-byte-timeout` (seconds; 0: none). `None` leaves a diagnostic.
    pub(crate) fn configure(context: &mut Context) -> Option<Self> {
        let host = address::host(context, "bind");
        let port = context.required_number("port", 0..=u16::MAX);
        let total = context.number("max-connections", 1024, 1..=1 << 20);
        let per_address = context.number("max-connections-per-address", 0, 0..=1 << 20);
        let first_byte = context.number("first-byte-timeout", 0, 0..=u64::from(u32::MAX));
        Some(Self {
            address: Address {
                host: host?,
                port: port?,
            },
            limits: ConnectionLimits {
                total: total?,
                per_address: per_address.map(|most| (most > 0).then_some(most))?,
            },
            first_byte: first_byte.map(|s| (s > 0).then(|| Duration::from_secs(s)))?,
            tls: None,
            deflate: None,
            filter: None,
        })
    }

    /// The same port with keys, a compression level and a filter, each if there is one.
    pub(crate) fn with(
        self,
        tls: Option<ServerTls>,
        deflate: Option<u32>,
        filter: Option<IpFilter>,
    ) -> Self {
        Self {
            tls,
            deflate,
            filter,
            ..self
        }
    }

    /// The most connections at once.
    pub(crate) fn max_connections(&self) -> usize {
        self.limits.total
    }

    /// Opens the port. `failure` says, before the address, that it cannot be bound.
    ///
    /// # Errors
    /// The key store cannot be used, or the address cannot be bound.
    pub(crate) async fn open(
        &self,
        services: &PortServices,
        failure: &str,
    ) -> Result<Listener, ComponentError> {
        let tls = match &self.tls {
            None => None,
            Some(tls) => {
                let loaded = tls.load().await;
                Some(loaded.map_err(|e| ComponentError::caused_by("cannot set up TLS", e))?)
            }
        };
        let not_after = tls.as_ref().and_then(|tls| tls.not_after);
        let opened = self.bind(services).await;
        let (open, address) = opened.map_err(|cause| {
            ComponentError::caused_by(format!("{failure} {}", self.address), cause)
        })?;
        Ok(Listener {
            open,
            address,
            acceptor: Acceptor {
                tls: tls.map(|tls| tls.acceptor),
                deflate: self.deflate,
            },
            names: Names::new(services.resolver.clone()),
            files: services.files.clone(),
            not_after,
            port: self.clone(),
        })
    }

    async fn bind(
        &self,
        services: &PortServices,
    ) -> io::Result<(OpenPort<TcpListener>, SocketAddr)> {
        let Address { host, port } = &self.address;
        let addresses = services.resolver.resolve(host, *port).await?;
        let open = services.sockets.listen(&addresses)?;
        let address = open.socket.local_addr()?;
        Ok((open, address))
    }
}

/// An open port.
#[derive(Debug)]
pub(crate) struct Listener {
    open: OpenPort<TcpListener>,
    address: SocketAddr,
    acceptor: Acceptor,
    names: Names,
    files: ConnectionFiles,
    /// When its certificate expires.
    not_after: Option<u64>,
    port: Port,
}

impl Listener {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until the source stops, and has each conversation in a task of its own.
    pub(crate) async fn run<C, F>(self, source: &str, context: &SourceContext, converse: C)
    where
        C: Fn(Stream, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send,
    {
        let certificate = context.counters.certificate.get_or_init(Default::default);
        certificate.set(self.not_after);
        let admitted = Arc::new(OpenConnections::new(self.port.limits, self.files));
        let mut spare = SpareFile::new();
        let entrance = Arc::new(Entrance {
            source: source.to_owned(),
            context: context.clone(),
            acceptor: self.acceptor,
            filter: self.port.filter,
            names: self.names,
            first_byte: self.port.first_byte,
            converse,
            failed: Complaint::default(),
            crowded: Complaint::default(),
            filtered: Complaint::default(),
            unencrypted: Complaint::default(),
            left: Complaint::default(),
            unclear: Complaint::default(),
        });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = context.stop.cancelled() => break,
                Some(ended) = connections.join_next() => report(source, ended),
                accepted = self.open.socket.accept() => match accepted {
                    Ok((socket, peer)) => {
                        // A port of IPv6 that takes IPv4 has those clients under other addresses.
                        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                        entrance.admit(socket, peer, &admitted, &mut connections);
                    }
                    Err(error) => {
                        spare.refuse_one(&error, &self.open.socket);
                        entrance.pause(&error).await;
                    }
                },
            }
        }
        drop(self.open);
        let farewell = async {
            while let Some(ended) = connections.join_next().await {
                report(source, ended);
            }
        };
        if timeout(GRACE, farewell).await.is_err() {
            tracing::warn!(
                source,
                connections = connections.len(),
                "connections are cut: their requests took too long to finish"
            );
            connections.shutdown().await;
        }
    }
}

/// What the connections of a port have in common.
struct Entrance<C> {
    source: String,
    context: SourceContext,
    acceptor: Acceptor,
    filter: Option<IpFilter>,
    names: Names,
    first_byte: Option<Duration>,
    converse: C,
    failed: Complaint,
    crowded: Complaint,
    filtered: Complaint,
    /// About handshakes of TLS: what came was something else, it was not finished, or it failed.
    unencrypted: Complaint,
    left: Complaint,
    unclear: Complaint,
}

impl<C, F> Entrance<C>
where
    C: Fn(Stream, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    async fn pause(&self, error: &io::Error) {
        if let Some(left_out) = self.failed.admit() {
            tracing::warn!(
                source = self.source,
                %error,
                left_out,
                "cannot accept a connection"
            );
        }
        sleep(ACCEPT_PAUSE).await;
    }

    /// Gives a connection a task of its own, or closes it if there are too many.
    fn admit(
        self: &Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        open: &Arc<OpenConnections>,
        connections: &mut JoinSet<()>,
    ) {
        match open.admit(peer.ip()) {
            Ok(admission) => {
                let entrance = Arc::clone(self);
                let conversation = async move {
                    entrance.serve(socket, peer).await;
                    drop(admission);
                };
                // So that its lines in the log say whose they are.
                connections.spawn(conversation.in_current_span());
            }
            Err(full) => {
                if let Some(left_out) = self.crowded.admit() {
                    tracing::warn!(
                        source = self.source,
                        %peer,
                        open = connections.len(),
                        left_out,
                        "a connection was refused: {full}"
                    );
                }
            }
        }
    }

    async fn serve(&self, socket: TcpStream, peer: SocketAddr) {
        let stop = &self.context.stop;
        let is_admitted = tokio::select! {
            () = stop.cancelled() => return,
            is_admitted = self.passes_filter(peer) => is_admitted,
        };
        if !is_admitted {
            return;
        }
        let counters = &self.context.counters;
        let _open = OpenConnection::count(counters);
        // Answers are small, and clients wait for them. If this fails, the socket is closed already.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(source = self.source, %peer, %error, "connection lost");
            return;
        }
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            stream = self.open(socket) => stream,
        };
        match stream {
            Ok(Some(stream)) => (self.converse)(stream, peer).await,
            Ok(None) => {
                tracing::debug!(source = self.source, %peer, "connection closed: nothing was sent");
            }
            Err(error) => {
                counters.event_read_fail.increment();
                if let Some(left_out) = self.about(&error).admit() {
                    tracing::warn!(source = self.source, %peer, %error, left_out,
                        "connection closed");
                }
            }
        }
    }

    async fn passes_filter(&self, peer: SocketAddr) -> bool {
        let Some(filter) = &self.filter else {
            return true;
        };
        let Err(denied) = filter.admit(peer.ip(), &self.names).await else {
            return true;
        };
        if let Some(left_out) = self.filtered.admit() {
            tracing::warn!(source = self.source, %peer, left_out, "{denied}");
        }
        false
    }

    /// Waits for the first byte and for TLS. `None` is a client that sent nothing for too long.
    async fn open(&self, socket: TcpStream) -> io::Result<Option<Stream>> {
        if let Some(limit) = self.first_byte
            && timeout(limit, socket.peek(&mut [0])).await.is_err()
        {
            return Ok(None);
        }
        match timeout(HANDSHAKE, self.acceptor.accept(socket)).await {
            Ok(stream) => stream.map(Some),
            Err(_) => {
                let text = "the handshake of TLS was not finished in time";
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// The complaint about an error of the handshake: probes do not hide those without TLS.
    fn about(&self, error: &io::Error) -> &Complaint {
        let is_left = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::TimedOut,
        ];
        if tls::is_none(error) {
            &self.unencrypted
        } else if is_left.contains(&error.kind()) {
            &self.left
        } else {
            &self.unclear
        }
    }
}

/// Counts a connection as open while it lives, also if its task panics or is cut off.
struct OpenConnection<'a>(&'a SourceCounter);

impl<'a> OpenConnection<'a> {
    fn count(counters: &'a SourceCounter) -> Self {
        counters.open_connection.increment();
        Self(counters)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.open_connection.decrement();
    }
}

fn report(source: &str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(source, %error, "a connection ended by a defect");
    }
}
