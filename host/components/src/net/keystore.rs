//! Key stores as Flume's files name them: private keys with their certificates, and
//! certificates to trust.
//!
//! PKCS12 and JKS (`keystore/jks.rs`) are read. JCEKS, which came between them, is recognised and refused
//! with the command that converts it. What counts is what the file holds and not what
//! `keystore-type` says, since Java too reads either under either name.

use std::path::PathBuf;

use flume_core::context::Secret;
use p12_keystore::Pkcs12Archive;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use tokio::io::AsyncReadExt;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use self::jks::{JksEntry, JksError};

mod elliptic;
mod expiry;
mod jks;

/// First bytes of a JCEKS file.
const JCEKS_MAGIC: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// Largest key store that is read: 16 MiB, a thousand times what a server needs.
const MOST_BYTES: u64 = 16 << 20;

/// Where a store is and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoreFile {
    /// The file.
    pub path: PathBuf,
    /// Opens the store, and the key in it if that has no password of its own.
    pub password: Secret,
    /// Opens the key in it, where it has a password of its own. Only JKS knows such keys.
    pub key_password: Option<Secret>,
}

/// A private key with its certificate and those that vouch for it, nearest first.
#[derive(Debug)]
pub struct Identity {
    /// The certificates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

/// Why a key store cannot be used.
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
    /// The file is in the format between JKS and PKCS12.
    #[error(
        "key store {path} is JCEKS, which is not read here; this converts it: \
         keytool -importkeystore -srckeystore {path} -srcstoretype JCEKS \
         -destkeystore {path}.p12 -deststoretype PKCS12"
    )]
    Jceks {
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
    /// A JKS store that cannot be read.
    #[error("cannot open key store {path} as JKS: {error}")]
    Jks {
        /// The file.
        path: String,
        /// Why not.
        error: JksError,
    },
    /// A password for the key of a store that has one for all.
    #[error(
        "key store {path} is PKCS12, where the password of the store opens the key too: \
         remove keystore-key-password"
    )]
    KeyPassword {
        /// The file.
        path: String,
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

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: Vec<u8>) -> Self {
        let key = elliptic::completed(key, chain.first());
        Self {
            chain,
            key: PrivatePkcs8KeyDer::from(key).into(),
        }
    }

    /// When the first of the certificates expires, in seconds since 1970.
    pub fn not_after(&self) -> Option<u64> {
        expiry::first(&self.chain)
    }
}

impl KeystoreFile {
    /// The first private key of the store, with its certificates.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub async fn identity(&self) -> Result<Identity, KeystoreError> {
        self.identity_in(&self.read().await?)
    }

    /// The same at once, on a thread that may wait for a disk.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub fn identity_now(&self) -> Result<Identity, KeystoreError> {
        self.identity_in(&self.read_now()?)
    }

    /// The same of what was read.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub fn identity_in(&self, data: &[u8]) -> Result<Identity, KeystoreError> {
        if data.starts_with(&jks::MAGIC) {
            return self.jks_identity(data);
        }
        if self
            .key_password
            .as_ref()
            .is_some_and(|key| *key != self.password)
        {
            return Err(KeystoreError::KeyPassword { path: self.name() });
        }
        let policy = Pkcs12ImportPolicy::Strict;
        let store = KeyStore::from_pkcs12(data, self.password.expose(), policy)
            .map_err(|error| self.not_opened(error))?;
        let identity = store.entries().find_map(|(_, entry)| match entry {
            KeyStoreEntry::PrivateKeyChain(chain) if !chain.certs().is_empty() => {
                let certificates = chain.certs().iter().map(certificate).collect();
                Some(Identity::new(certificates, chain.key().as_der().to_vec()))
            }
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
        self.trusted_in(&self.read().await?)
    }

    /// The same at once, on a thread that may wait for a disk.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub fn trusted_now(&self) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
        self.trusted_in(&self.read_now()?)
    }

    /// The same of what was read.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub fn trusted_in(&self, data: &[u8]) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
        if data.starts_with(&jks::MAGIC) {
            return self.jks_trusted(data);
        }
        let archive = Pkcs12Archive::from_pkcs12(data, self.password.expose())
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

    /// The same of a store whose password nobody knows, at once. Of PKCS12 only one that has none
    /// can be read.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    #[cfg(feature = "kafka")]
    pub fn trusted_unproven_now(&self) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
        let data = self.read_now()?;
        if !data.starts_with(&jks::MAGIC) {
            return self.trusted_in(&data);
        }
        let store = jks::JksStore::read_unproven(&data).map_err(|error| self.no_jks(error))?;
        self.jks_certificates(&store)
    }

    fn jks_identity(&self, data: &[u8]) -> Result<Identity, KeystoreError> {
        let store = self.jks(data)?;
        let found = store.entries.iter().find_map(|entry| match entry {
            JksEntry::Key {
                alias,
                protected,
                chain,
            } if !chain.is_empty() => Some((alias, protected, chain)),
            _ => None,
        });
        let (alias, protected, chain) =
            found.ok_or_else(|| KeystoreError::NoKey { path: self.name() })?;
        let password = self.key_password.as_ref().unwrap_or(&self.password);
        let key = jks::open_key(alias, protected, password.expose()).map_err(|e| self.no_jks(e))?;
        let chain = chain
            .iter()
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        Ok(Identity::new(chain, key))
    }

    fn jks_trusted(&self, data: &[u8]) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
        self.jks_certificates(&self.jks(data)?)
    }

    fn jks_certificates(
        &self,
        store: &jks::JksStore<'_>,
    ) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
        let trusted = store.entries.iter().filter_map(|entry| match entry {
            JksEntry::Trusted(der) => Some(*der),
            JksEntry::Key { chain, .. } => chain.first().copied(),
        });
        let trusted: Vec<_> = trusted
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        if trusted.is_empty() {
            return Err(KeystoreError::NoCertificate { path: self.name() });
        }
        Ok(trusted)
    }

    fn jks<'a>(&self, data: &'a [u8]) -> Result<jks::JksStore<'a>, KeystoreError> {
        jks::JksStore::read(data, self.password.expose()).map_err(|error| self.no_jks(error))
    }

    async fn read(&self) -> Result<Vec<u8>, KeystoreError> {
        let failed = |error| KeystoreError::Read {
            path: self.name(),
            error,
        };
        let file = tokio::fs::File::open(&self.path).await.map_err(failed)?;
        let mut data = Vec::new();
        // The size of a file need not be true: a device has no size, and no end either.
        let mut file = file.take(MOST_BYTES + 1);
        file.read_to_end(&mut data).await.map_err(failed)?;
        self.checked(data)
    }

    fn read_now(&self) -> Result<Vec<u8>, KeystoreError> {
        let failed = |error| KeystoreError::Read {
            path: self.name(),
            error,
        };
        let file = std::fs::File::open(&self.path).map_err(failed)?;
        let mut data = Vec::new();
        let mut file = std::io::Read::take(file, MOST_BYTES + 1);
        std::io::Read::read_to_end(&mut file, &mut data).map_err(failed)?;
        self.checked(data)
    }

    fn checked(&self, data: Vec<u8>) -> Result<Vec<u8>, KeystoreError> {
        if u64::try_from(data.len()).is_ok_and(|size| size > MOST_BYTES) {
            return Err(KeystoreError::TooLarge { path: self.name() });
        }
        if data.starts_with(&JCEKS_MAGIC) {
            return Err(KeystoreError::Jceks { path: self.name() });
        }
        Ok(data)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn no_jks(&self, error: JksError) -> KeystoreError {
        KeystoreError::Jks {
            path: self.name(),
            error,
        }
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
