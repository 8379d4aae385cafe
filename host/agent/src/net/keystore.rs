//! Key stores as Flume's files name them: private keys with their certificates, and
//! certificates to trust.
//!
//! PKCS12 is read. JKS, Java's own format of old, is recognised and refused with the command that
//! converts it; what counts is what the file holds and not what `keystore-type` says, since Java
//! writes PKCS12 whatever a file is called, and reads either under either name too.

use std::fmt;
use std::path::PathBuf;

use p12_keystore::Pkcs12Archive;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// First bytes of a JKS file, then of a JCEKS file.
const JAVA_MAGICS: [[u8; 4]; 2] = [[0xfe, 0xed, 0xfe, 0xed], [0xce, 0xce, 0xce, 0xce]];

/// Largest key store that is read: 16 MiB, a thousand times what a server needs.
const MOST_BYTES: u64 = 16 << 20;

/// A password, which debug output does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"****\"")
    }
}

/// Where a store is and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFile {
    /// The file.
    pub path: PathBuf,
    /// Opens the store and the key in it, which must have the same one.
    pub password: Password,
}

/// A private key with its certificate and those that vouch for it, nearest first.
#[derive(Debug)]
pub struct Identity {
    /// The certificates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

/// Why a key store gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("cannot read key store {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The file is too large to be a key store.
    #[error("{path} is larger than 16 MiB and therefore no key store")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// The file is in Java's old format.
    #[error(
        "key store {path} is in Java's old format, which is not read here; this converts it: \
         keytool -importkeystore -srckeystore {path} -destkeystore {path}.p12 -deststoretype PKCS12"
    )]
    JavaFormat {
        /// The file.
        path: String,
    },
    /// Not PKCS12, or the password is wrong.
    #[error("cannot open key store {path} as PKCS12: wrong password or damaged file ({error})")]
    Open {
        /// The file.
        path: String,
        /// What the reader says.
        error: p12_keystore::error::Error,
    },
    /// No private key in it.
    #[error("key store {path} holds no private key with a certificate")]
    NoKey {
        /// The file.
        path: String,
    },
    /// No certificate in it.
    #[error("trust store {path} holds no certificate")]
    NoCertificate {
        /// The file.
        path: String,
    },
}

impl StoreFile {
    /// The first private key of the store, with its certificates.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub async fn identity(&self) -> Result<Identity, KeystoreError> {
        let data = self.read().await?;
        let policy = Pkcs12ImportPolicy::Strict;
        let store = KeyStore::from_pkcs12(&data, &self.password.0, policy)
            .map_err(|error| self.not_opened(error))?;
        let identity = store.entries().find_map(|(_, entry)| match entry {
            KeyStoreEntry::PrivateKeyChain(chain) if !chain.certs().is_empty() => Some(Identity {
                chain: chain.certs().iter().map(certificate).collect(),
                key: PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()).into(),
            }),
            _ => None,
        });
        identity.ok_or_else(|| KeystoreError::NoKey { path: self.name() })
    }

    /// The certificates of the store that are to be trusted: those that Java marked as such and
    /// those of private keys; of a store without either, all.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub async fn trusted(&self) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
        let data = self.read().await?;
        let archive = Pkcs12Archive::from_pkcs12(&data, &self.password.0)
            .map_err(|error| self.not_opened(error))?;
        let marked = archive
            .certs
            .iter()
            .any(|bag| bag.trusted || bag.local_key_id.is_some());
        let trusted: Vec<_> = archive
            .certs
            .iter()
            .filter(|bag| !marked || bag.trusted || bag.local_key_id.is_some())
            .map(|bag| certificate(&bag.cert))
            .collect();
        if trusted.is_empty() {
            return Err(KeystoreError::NoCertificate { path: self.name() });
        }
        Ok(trusted)
    }

    async fn read(&self) -> Result<Vec<u8>, KeystoreError> {
        let failed = |error| KeystoreError::Read {
            path: self.name(),
            error,
        };
        let size = tokio::fs::metadata(&self.path).await.map_err(failed)?.len();
        if size > MOST_BYTES {
            return Err(KeystoreError::TooLarge { path: self.name() });
        }
        let data = tokio::fs::read(&self.path).await.map_err(failed)?;
        if data
            .first_chunk()
            .is_some_and(|magic| JAVA_MAGICS.contains(magic))
        {
            return Err(KeystoreError::JavaFormat { path: self.name() });
        }
        Ok(data)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn not_opened(&self, error: p12_keystore::error::Error) -> KeystoreError {
        KeystoreError::Open {
            path: self.name(),
            error,
        }
    }
}

fn certificate(certificate: &p12_keystore::Certificate) -> CertificateDer<'static> {
    CertificateDer::from(certificate.as_der().to_vec())
}

#[cfg(test)]
mod tests;
