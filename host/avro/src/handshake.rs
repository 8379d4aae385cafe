//! The handshake that precedes the first call of a connection.
//!
//! Each end sends the hash of its own protocol, and what it believes to be the other's:
//!
//! | server knows the client's hash | client's guess is right | match | the answer carries |
//! |---|---|---|---|
//! | yes (cached, or the text came along) | yes | `Both` | nothing; the call's answer follows |
//! | yes | no | `Client` | text and hash; the call's answer follows |
//! | no | either | `None` | text and hash; the call was **not** executed |
//!
//! The law: every answer except `Both` carries text *and* hash, even if the client's guess was
//! right. A Java client whose collector was restarted fails for good on a `None` without text.
//!
//! Why a cache of hashes and not of texts: texts are checked when they arrive, and data is read
//! with one schema, so it is enough to know that a text was accepted.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use bytestring::ByteString;
use parking_lot::Mutex;

use crate::error::DecodeError;
use crate::primitive::{Reader, put_bytes};
use crate::schema::{FLUME_HASH, Hash, PLAIN_HASH, Protocol};

/// Default number of hashes that [`KnownClients`] keeps. A site has a handful of client
/// versions; a hash takes 16 bytes.
pub const MAX_KNOWN_CLIENTS: usize = 1024;

/// The first message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandshakeRequest {
    pub(crate) client_hash: Hash,
    pub(crate) client_text: Option<ByteString>,
    /// The client's guess.
    pub(crate) server_hash: Hash,
    /// Whether metadata is present. Java clients send an empty map; entries are not kept.
    pub(crate) meta: bool,
}

impl HandshakeRequest {
    pub(crate) fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            client_hash: reader.fixed()?,
            client_text: optional(reader, Reader::string)?,
            server_hash: reader.fixed()?,
            meta: optional(reader, Reader::skip_meta)?.is_some(),
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.client_hash);
        put_text(out, self.client_text.as_ref());
        out.put_slice(&self.server_hash);
        put_meta(out, self.meta);
    }
}

/// Which protocols of the two ends match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Both,
    Client,
    None,
}

/// The answer of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandshakeResponse {
    pub(crate) matched: Match,
    pub(crate) server_text: Option<ByteString>,
    pub(crate) server_hash: Option<Hash>,
    pub(crate) meta: bool,
}

impl HandshakeResponse {
    /// The answer of the server whose protocol is `own`.
    pub(crate) fn new(matched: Match, own: &Protocol) -> Self {
        let told = matched != Match::Both;
        Self {
            matched,
            server_text: told.then(|| own.text().clone()),
            server_hash: told.then(|| own.hash()),
            meta: false,
        }
    }

    pub(crate) fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        let matched = match reader.index("HandshakeMatch", 3)? {
            0 => Match::Both,
            1 => Match::Client,
            _ => Match::None,
        };
        Ok(Self {
            matched,
            server_text: optional(reader, Reader::string)?,
            server_hash: optional(reader, Reader::fixed)?,
            meta: optional(reader, Reader::skip_meta)?.is_some(),
        })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(match self.matched {
            Match::Both => 0,
            Match::Client => 2,
            Match::None => 4,
        });
        put_text(out, self.server_text.as_ref());
        match self.server_hash {
            None => out.put_u8(0),
            Some(hash) => {
                out.put_u8(2);
                out.put_slice(&hash);
            }
        }
        put_meta(out, self.meta);
    }
}

/// The client protocols that a process has accepted, shared by all its connections.
///
/// Clones share the same memory. The default knows the two texts of this crate; others are
/// added when a client sends them. Once full, nothing is added or removed: unknown clients then
/// send their text on each connection, which costs one round trip.
#[derive(Debug, Clone)]
pub struct KnownClients {
    hashes: Arc<Mutex<HashSet<Hash>>>,
    limit: usize,
}

impl KnownClients {
    /// A cache with the clients in `first`, and room for `limit` in total.
    pub fn new(first: impl IntoIterator<Item = Hash>, limit: usize) -> Self {
        Self {
            hashes: Arc::new(Mutex::new(first.into_iter().take(limit).collect())),
            limit,
        }
    }

    fn contains(&self, hash: &Hash) -> bool {
        self.hashes.lock().contains(hash)
    }

    fn insert(&self, hash: Hash) {
        let mut hashes = self.hashes.lock();
        if hashes.len() < self.limit {
            hashes.insert(hash);
        }
    }

    /// Decides on a client's handshake and remembers its protocol.
    ///
    /// A text is kept only under its own hash, so that a client cannot vouch for another one's
    /// protocol. Fails if the messages in the text differ from Flume's.
    pub(crate) fn accept(
        &self,
        request: &HandshakeRequest,
        own: &Protocol,
    ) -> Result<Match, DecodeError> {
        if !self.contains(&request.client_hash) {
            let Some(text) = &request.client_text else {
                return Ok(Match::None);
            };
            let protocol = Protocol::new(text.clone())?;
            if protocol.hash() == request.client_hash {
                self.insert(request.client_hash);
            }
        }
        Ok(if request.server_hash == own.hash() {
            Match::Both
        } else {
            Match::Client
        })
    }
}

impl Default for KnownClients {
    fn default() -> Self {
        Self::new([FLUME_HASH, PLAIN_HASH], MAX_KNOWN_CLIENTS)
    }
}

/// A union of null and another type.
fn optional<T>(
    reader: &mut Reader,
    read: impl FnOnce(&mut Reader) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    match reader.index("a union of null and a type", 2)? {
        0 => Ok(None),
        _ => read(reader).map(Some),
    }
}

fn put_text(out: &mut BytesMut, text: Option<&ByteString>) {
    match text {
        None => out.put_u8(0),
        Some(text) => {
            out.put_u8(2);
            put_bytes(out, text.as_bytes());
        }
    }
}

fn put_meta(out: &mut BytesMut, present: bool) {
    out.put_slice(if present { &[2, 0] } else { &[0] });
}

#[cfg(test)]
mod tests;
