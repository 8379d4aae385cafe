//! A connection as the files describe it: plain, encrypted, compressed, or both.
//!
//! With both, TLS is outermost: the compressed stream is encrypted. That is Flume up to 1.9; later
//! versions do it the other way round, and cannot talk to earlier ones either.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::deflate::Deflate;
use super::tls::{self, End};

/// How a server wraps the connections it accepts.
#[derive(Clone, Default)]
pub struct Acceptor {
    /// Keys, if the port is encrypted.
    pub tls: Option<TlsAcceptor>,
    /// Compression level, if the port is compressed.
    pub deflate: Option<u32>,
}

impl Acceptor {
    /// Wraps an accepted connection; with TLS this waits for the peer's handshake.
    ///
    /// # Errors
    /// The peer does not speak TLS, or does not like our certificate.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<Stream> {
        Ok(match (&self.tls, self.deflate) {
            (None, None) => Stream::Plain(socket),
            (None, Some(level)) => Stream::Deflate(Box::new(Deflate::new(socket, level))),
            (Some(tls), level) => {
                let accepted = tls.accept(socket).await;
                let accepted = accepted.map_err(|error| tls::explain(error, End::Server))?;
                Stream::encrypted(accepted.into(), level)
            }
        })
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor")
            .field("tls", &self.tls.is_some())
            .field("deflate", &self.deflate)
            .finish()
    }
}

/// How a client wraps the connections it makes.
#[derive(Clone, Default)]
pub struct Connector {
    /// What to trust and the name to expect, if the port is encrypted.
    pub tls: Option<(Arc<tokio_rustls::rustls::ClientConfig>, ServerName<'static>)>,
    /// Compression level, if the port is compressed.
    pub deflate: Option<u32>,
}

impl Connector {
    /// Wraps a connection; with TLS this is a handshake.
    ///
    /// # Errors
    /// The peer does not speak TLS, or its certificate is not trusted.
    pub async fn connect(&self, socket: TcpStream) -> io::Result<Stream> {
        Ok(match (&self.tls, self.deflate) {
            (None, None) => Stream::Plain(socket),
            (None, Some(level)) => Stream::Deflate(Box::new(Deflate::new(socket, level))),
            (Some((config, name)), level) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let connected = connector.connect(name.clone(), socket).await;
                let connected = connected.map_err(|error| tls::explain(error, End::Client))?;
                Stream::encrypted(connected.into(), level)
            }
        })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("tls", &self.tls.is_some())
            .field("deflate", &self.deflate)
            .finish()
    }
}

/// One connection. Written data is on its way for certain only after a flush.
#[derive(Debug)]
pub enum Stream {
    /// The socket itself.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
    /// Compressed.
    Deflate(Box<Deflate<TcpStream>>),
    /// Compressed, then encrypted.
    DeflateTls(Box<Deflate<TlsStream<TcpStream>>>),
}

impl Stream {
    fn encrypted(stream: TlsStream<TcpStream>, level: Option<u32>) -> Self {
        match level {
            None => Self::Tls(Box::new(stream)),
            Some(level) => Self::DeflateTls(Box::new(Deflate::new(stream, level))),
        }
    }

    /// The socket at the bottom.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref().0,
            Self::Deflate(deflate) => deflate.get_ref(),
            Self::DeflateTls(deflate) => deflate.get_ref().get_ref().0,
        }
    }
}

macro_rules! forward {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream.get_mut() {
            Stream::Plain(inner) => {
                let $inner = Pin::new(inner);
                $call
            }
            Stream::Tls(inner) => {
                let $inner = Pin::new(&mut **inner);
                $call
            }
            Stream::Deflate(inner) => {
                let $inner = Pin::new(&mut **inner);
                $call
            }
            Stream::DeflateTls(inner) => {
                let $inner = Pin::new(&mut **inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, inner => inner.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, inner => inner.poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, inner => inner.poll_shutdown(cx))
    }
}
