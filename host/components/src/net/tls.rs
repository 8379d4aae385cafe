//! TLS from Flume's keys.
//!
//! | key | end | meaning |
//! |---|---|---|
//! | `ssl` | both | whether to encrypt |
//! | `keystore`, `keystore-password`, `keystore-type` | server | its private key |
//! | `keystore-key-password` | server | ours: opens the key, where the store's password does not |
//! | `truststore`, `truststore-password`, `truststore-type` | client | whom to trust |
//! | `trust-all-certs` | client | trust anybody |
//! | `verify-hostname` | client | ours: the certificate must be for `hostname`, too |
//! | `exclude-protocols`, `include-protocols` | both | versions; only TLS 1.2 and 1.3 exist here |
//!
//! Without `truststore` the usual authorities are trusted.
//!
//! A server that has a choice uses TLS 1.2: senders of Flume up to 1.9 announce 1.3 where Java
//! has it and then fail in its handshake. `include-protocols = TLSv1.2 TLSv1.3` is for a port that
//! no such sender uses.
//!
//! As in Flume, a client checks whether a certificate is trusted, and not for which host it was made,
//! unless `verify-hostname` says so: certificates made for Flume often name no host at all. A
//! certificate that itself stands in the trust store is trusted as it is, as in Java.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use flume_core::context::{Mode, Secret};
use flume_core::{Code, Context, Diagnostic, Severity};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    self, ClientConfig, InvalidMessage, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use self::verify::{GoodCertificates, NamelessVerifier};
use super::keystore::{KeystoreError, KeystoreFile};

mod verify;

/// Names of protocols as Java knows them; those without a version do not exist here.
const PROTOCOLS: [(&str, Option<&SupportedProtocolVersion>); 6] = [
    ("SSLv2Hello", None),
    ("SSLv3", None),
    ("TLSv1", None),
    ("TLSv1.1", None),
    ("TLSv1.2", Some(&TLS12)),
    ("TLSv1.3", Some(&TLS13)),
];

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key store cannot be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// Key and certificate cannot be used.
    #[error("unusable key or certificate: {0}")]
    Rustls(#[from] rustls::Error),
    /// No certificate of the trust store can vouch for anything.
    #[error("no usable certificate to trust: {0}")]
    Trust(#[from] rustls::client::VerifierBuilderError),
}

/// A server's TLS, ready for connections.
#[derive(Clone)]
pub struct LoadedTls {
    /// Shakes hands.
    pub acceptor: TlsAcceptor,
    /// When its certificates expire, in seconds since 1970.
    pub not_after: Option<u64>,
}

/// The server's keys, read but not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    keystore: KeystoreFile,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl ServerTls {
    /// Reads the keys; `Some(None)` without `ssl`. `None` leaves a diagnostic.
    pub fn configure(context: &mut Context) -> Option<Option<Self>> {
        let ssl = context.flag("ssl", false);
        let named = context.value("include-protocols").is_some();
        let mut versions = versions(context);
        if let Some(versions) = &mut versions
            && !named
            && versions.len() > 1
        {
            versions.retain(|version| **version == TLS12);
        }
        store_type(context, "keystore-type");
        let key_password = context.secret("keystore-key-password");
        context.conceal("keystore-password");
        if !ssl {
            for key in ["keystore", "keystore-password", "keystore-key-password"] {
                context.without_effect(key, "`ssl` is not true");
            }
            return Some(None);
        }
        let path = context.required("keystore");
        let password = context.required_secret("keystore-password");
        match (path, password, versions) {
            (Some(path), Some(password), Some(versions)) => {
                let keystore = KeystoreFile {
                    key_password,
                    ..store(path, password)
                };
                Some(Some(Self { keystore, versions }))
            }
            _ => None,
        }
    }

    /// Whether the key store can be opened here and now.
    ///
    /// # Errors
    /// The store gives no key.
    pub fn look(&self) -> Result<(), KeystoreError> {
        self.keystore.identity_now().map(drop)
    }

    /// Opens the key store.
    ///
    /// # Errors
    /// The store gives no usable key.
    pub async fn load(&self) -> Result<LoadedTls, TlsError> {
        let identity = self.keystore.identity().await?;
        let not_after = identity.not_after();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&self.versions)?
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)?;
        // Connections are kept, so resuming them is worth little.
        config.send_tls13_tickets = 0;
        Ok(LoadedTls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            not_after,
        })
    }
}

/// The client's keys, read but not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    trust: Trust,
    verify_hostname: bool,
    versions: Vec<&'static SupportedProtocolVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trust {
    Anybody,
    Usual,
    Store(KeystoreFile),
}

impl ClientTls {
    /// Reads the keys; `Some(None)` without `ssl`. `None` leaves a diagnostic.
    pub fn configure(context: &mut Context) -> Option<Option<Self>> {
        let ssl = context.flag("ssl", false);
        let versions = versions(context);
        store_type(context, "truststore-type");
        let anybody = context.flag("trust-all-certs", false);
        let verify_hostname = context.flag("verify-hostname", false);
        let path = context.optional("truststore");
        let password = context.secret("truststore-password");
        if !ssl {
            for key in ["truststore", "truststore-password"] {
                context.without_effect(key, "`ssl` is not true");
            }
            return Some(None);
        }
        if anybody && verify_hostname {
            let message = format!(
                "`{0}.verify-hostname` and `{0}.trust-all-certs` contradict each other",
                context.path()
            );
            context.error(
                "verify-hostname",
                Code::BadValue,
                message,
                "remove one of them",
            );
            return None;
        }
        let trust = match (anybody, path, password) {
            (true, ..) => Trust::Anybody,
            (false, None, _) => Trust::Usual,
            (false, Some(path), Some(password)) => Trust::Store(store(path, password)),
            (false, Some(_), None) => {
                context.required("truststore-password");
                return None;
            }
        };
        let versions = versions?;
        Some(Some(Self {
            trust,
            verify_hostname,
            versions,
        }))
    }

    /// Whether the trust store can be opened here and now.
    ///
    /// # Errors
    /// The store gives no certificate.
    pub fn look(&self) -> Result<(), KeystoreError> {
        match &self.trust {
            Trust::Store(store) => store.trusted_now().map(drop),
            Trust::Anybody | Trust::Usual => Ok(()),
        }
    }

    /// Opens the trust store.
    ///
    /// # Errors
    /// The store gives no usable certificate.
    pub async fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&self.versions)?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier().await?)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    async fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        let mut known = Vec::new();
        match &self.trust {
            Trust::Anybody => return Ok(nameless(GoodCertificates::All)),
            Trust::Usual => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Trust::Store(store) => {
                known = store.trusted().await?;
                roots.add_parsable_certificates(known.iter().cloned());
            }
        }
        let strict =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
        if self.verify_hostname {
            return Ok(strict);
        }
        Ok(nameless(GoodCertificates::Trusted { known, strict }))
    }
}

/// Whether a stream begins as TLS does: a record of the handshake, and the version of records. A line
/// of text may begin like that, too, so this explains and decides nothing.
pub fn is_greeting(first: &[u8]) -> bool {
    matches!(first, [0x16, 0x03, 0..=4, ..])
}

/// What the other end sent is something else.
#[derive(Debug, thiserror::Error)]
#[error("the peer does not speak TLS and this end does: set ssl on both ends or on neither")]
struct NoTls;

/// Whether the other end does not speak TLS, by an error of the handshake.
pub(crate) fn is_none(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<NoTls>())
}

/// Whose handshake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// That of a client, which has connected.
    Client,
    /// That of a server, which was connected to.
    Server,
}

/// Turns errors of a handshake that do not say so into ones that say what to do.
pub(crate) fn explain(error: io::Error, end: End) -> io::Error {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let no_tls = matches!(
        cause,
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion
        ))
    );
    if no_tls {
        return io::Error::new(io::ErrorKind::InvalidData, NoTls);
    }
    let closed = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
    ];
    if !closed.contains(&error.kind()) {
        return error;
    }
    // A plain port closes at the greeting of TLS, with what it has not read or without.
    let text = match end {
        End::Client => {
            "the peer closed the connection in the handshake of TLS, as a port without TLS does: set \
             ssl on both ends or on neither"
        }
        End::Server => {
            "the peer closed the connection in the handshake of TLS: it may not trust the \
             certificate of this port, or it is a probe"
        }
    };
    io::Error::new(error.kind(), text)
}

fn nameless(good: GoodCertificates) -> Arc<dyn ServerCertVerifier> {
    Arc::new(NamelessVerifier::new(good, &provider()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn store(path: String, password: Secret) -> KeystoreFile {
    KeystoreFile {
        path: PathBuf::from(path),
        password,
        key_password: None,
    }
}

/// The type is only checked: the file itself says which it is.
fn store_type(context: &mut Context, key: &str) {
    let types = [("JKS", ()), ("PKCS12", ()), ("JCEKS", ())];
    // A wrong value has left its diagnostic; it is not needed otherwise.
    let (Some(()) | None) = context.one_of(key, "JKS", &types);
}

/// The versions that the two lists leave. `None` leaves a diagnostic.
fn versions(context: &mut Context) -> Option<Vec<&'static SupportedProtocolVersion>> {
    for key in ["include-cipher-suites", "exclude-cipher-suites"] {
        context.without_effect(key, "only suites that are considered safe exist here");
    }
    let included = protocol_names(context, "include-protocols");
    let excluded = protocol_names(context, "exclude-protocols");
    let left: Vec<_> = PROTOCOLS
        .iter()
        .filter(|(name, _)| included.is_empty() || included.iter().any(|i| i == name))
        .filter(|(name, _)| !excluded.iter().any(|e| e == name))
        .filter_map(|(_, version)| *version)
        .collect();
    if left.is_empty() {
        let message = format!(
            "`{}` allows no version of TLS that exists here",
            context.path()
        );
        let help = "leave TLSv1.2 or TLSv1.3";
        let key = if excluded.is_empty() {
            "include-protocols"
        } else {
            "exclude-protocols"
        };
        context.error(key, Code::Unsupported, message, help);
        return None;
    }
    Some(left)
}

fn protocol_names(context: &mut Context, key: &str) -> Vec<String> {
    let names = context.list(key);
    let unknown = names
        .iter()
        .find(|name| PROTOCOLS.iter().all(|(known, _)| known != name));
    if let Some(name) = unknown {
        let message = format!(
            "`{}.{key}` names an unknown protocol: `{name}`",
            context.path()
        );
        let mut diagnostic = Diagnostic::new(Code::BadValue, message)
            .help("SSLv3, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3, separated by blanks");
        diagnostic.span = context.value(key).map(|value| value.span);
        if context.mode() == Mode::Lenient {
            diagnostic.severity = Severity::Warning;
        }
        context.push(diagnostic);
    }
    names
}

#[cfg(test)]
mod tests;
