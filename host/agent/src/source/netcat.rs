//! The netcat source: lines over TCP, each answered with `OK` or `FAILED: …`.
//!
//! What Flume's clients see is kept to the byte. What Flume loses can be kept by request: lines
//! that are too long (`on-long-line = skip`), malformed text (`on-malformed = replace`), the last
//! line without an end (`deliver-partial-at-eof`), and lines for which a channel has no room
//! (`on-full = block`). Two losses are gone for good: lines in front of malformed input in the same
//! read are stored, and an interceptor's error is answered instead of hanging the connection.
//!
//! A connection is a task with bounded memory (see [`lines`](super::lines)); Flume's thread a
//! client does not scale to idle clients, and its connections are not limited.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use flume_core::{Code, ComponentError, Context, Source, SourceContext};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinSet};

use self::connection::Settings;
use super::lines::LineSettings;
use super::lines::charset::Charset;
use crate::services::{Resolver, Services};

mod connection;
#[cfg(test)]
mod tests;

/// Connections that wait to be accepted. The kernel has a limit of its own, often lower.
const BACKLOG: u32 = 1024;

/// How long accepting pauses when it fails, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens for lines.
#[derive(Debug)]
pub struct NetcatSource {
    name: String,
    bind: String,
    port: u16,
    resolver: Resolver,
    max_connections: usize,
    settings: Arc<Settings>,
    listener: Option<TcpListener>,
    /// Clients turned away so far.
    refused: u64,
}

/// Reads Flume's keys `bind`, `port`, `ack-every-event` (true), `max-line-length` (512 characters
/// with the line end) and `encoding` (utf-8), and our own `on-long-line` (close), `on-malformed`
/// (close), `deliver-partial-at-eof` (false), `on-full` (fail), `max-connections` (1024) and
/// `idle-timeout` (seconds without input or room for output; 0 = never).
pub fn configure(context: &mut Context, services: &Services) -> Option<Box<dyn Source>> {
    let bind = context.required("bind");
    let port = context.required_number("port", 0..=u16::MAX);
    let ack = context.flag("ack-every-event", true);
    let max_length = context.number("max-line-length", 512, 1..=1 << 30);
    let charset = charset_of(context, "encoding");
    let skip_long = context.one_of("on-long-line", "close", &[("close", false), ("skip", true)]);
    let replace_malformed =
        context.one_of("on-malformed", "close", &[("close", false), ("replace", true)]);
    let deliver_partial = context.flag("deliver-partial-at-eof", false);
    let block_when_full = context.one_of("on-full", "fail", &[("fail", false), ("block", true)]);
    let max_connections = context.number("max-connections", 1024, 1..=1 << 20);
    let idle_seconds = context.number("idle-timeout", 0, 0..=u64::from(u32::MAX));
    let lines = LineSettings {
        max_length: max_length?,
        charset: charset?,
        skip_long: skip_long?,
        replace_malformed: replace_malformed?,
        deliver_partial,
    };
    let idle_timeout = match idle_seconds? {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    let settings = Settings::new(lines, ack, block_when_full?, idle_timeout);
    Some(Box::new(NetcatSource {
        name: context.name().to_owned(),
        bind: bind?,
        port: port?,
        resolver: services.resolver.clone(),
        max_connections: max_connections?,
        settings: Arc::new(settings),
        listener: None,
        refused: 0,
    }))
}

/// The character set that a key names, UTF-8 if it is not there.
fn charset_of(context: &mut Context, key: &str) -> Option<Charset> {
    let name = context.string(key, "utf-8");
    let charset = Charset::named(&name);
    if charset.is_none() {
        let message = format!("`{}.{key}` is not a known character set: `{name}`", context.path());
        context.error(key, Code::BadValue, message, "for example `utf-8` or `iso-8859-1`");
    }
    charset
}

#[async_trait]
impl Source for NetcatSource {
    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        let opened = self.listen().await;
        let listener = opened.map_err(|cause| {
            let place = format!("{}:{}", self.bind, self.port);
            ComponentError::caused_by(format!("unable to bind to socket {place}"), cause)
        })?;
        let address = listener.local_addr().ok();
        self.listener = Some(listener);
        Ok(address)
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let not_started = || ComponentError::new("the source is not started");
        let listener = self.listener.take().ok_or_else(not_started)?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = context.stop.cancelled() => break,
                Some(ended) = connections.join_next() => self.report(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &context, &mut connections),
                    Err(error) => {
                        tracing::error!(source = self.name, %error, "unable to accept connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            self.report(ended);
        }
        Ok(())
    }
}

impl NetcatSource {
    async fn listen(&self) -> io::Result<TcpListener> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.resolver.resolve(&self.bind, self.port).await? {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            // A port with connections of an earlier run in TIME_WAIT can be bound again.
            socket.set_reuseaddr(true)?;
            match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Serves a client in a task of its own, or turns it away if there are too many.
    fn admit(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        context: &SourceContext,
        connections: &mut JoinSet<()>,
    ) {
        if connections.len() >= self.max_connections {
            self.refused += 1;
            // A hostile client must not fill the log: the 1st, 2nd, 4th, 8th …
            if self.refused.is_power_of_two() {
                tracing::warn!(source = self.name, %peer, limit = self.max_connections,
                    refused = self.refused, "connection refused: too many are open");
            }
            return;
        }
        // Answers are small and waited for. A socket that cannot be set is closed already.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(source = self.name, %peer, %error, "connection lost");
            return;
        }
        let settings = Arc::clone(&self.settings);
        let (context, name) = (context.clone(), self.name.clone());
        connections.spawn(async move {
            let _open = OpenConnection::count(&context);
            match connection::serve(stream, &settings, &context).await {
                Ok(reason) => tracing::debug!(source = name, %peer, ?reason, "connection closed"),
                Err(error) => tracing::debug!(source = name, %peer, %error, "connection broken"),
            }
        });
    }

    fn report(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            tracing::error!(source = self.name, %error, "connection task failed");
        }
    }
}

/// Counts a connection as open while it lives, also if its task panics.
struct OpenConnection<'a>(&'a SourceContext);

impl<'a> OpenConnection<'a> {
    fn count(context: &'a SourceContext) -> Self {
        context.counters.open_connection.increment();
        Self(context)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.counters.open_connection.decrement();
    }
}

/// A reply in the character set of the client.
fn encoded(charset: Charset, text: &str) -> BytesMut {
    let mut bytes = BytesMut::new();
    charset.encode(text, &mut bytes);
    bytes
}
