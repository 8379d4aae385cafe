//! Key stores for tests, made for each test.

use std::fs;
use std::path::PathBuf;

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

/// What opens the stores.
pub(crate) const PASSWORD: &str = "changeit";

/// A store that Java made; the README in its folder says how.
pub(crate) fn java_store(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/net/keystore/stores")
        .join(name)
}

/// A key store and the trust store that goes with it. The files live as long as this does.
pub(crate) struct Stores {
    _dir: TempDir,
    pub(crate) keystore: PathBuf,
    pub(crate) truststore: PathBuf,
}

impl Stores {
    /// The keys of a server that encrypts with the key store.
    pub(crate) fn server_keys(&self) -> [(&str, &str); 3] {
        [
            ("ssl", "true"),
            ("keystore", self.keystore.to_str().unwrap()),
            ("keystore-password", PASSWORD),
        ]
    }

    /// A self-signed certificate for this host name.
    pub(crate) fn for_host(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let cert = Certificate::from_der(cert.der()).unwrap();
        let key = PrivateKey::from_der(&signing_key.serialize_der()).unwrap();
        let chain = PrivateKeyChain::new("1", key, [cert.clone()]);
        let dir = TempDir::new().unwrap();
        let write = |name: &str, alias: &str, entry| {
            let mut store = KeyStore::new();
            store.add_entry(alias, entry);
            let path = dir.path().join(name);
            // Few rounds: the keys protect nothing.
            let writer = store
                .writer(PASSWORD)
                .encryption_iterations(10)
                .mac_iterations(10);
            fs::write(&path, writer.write().unwrap()).unwrap();
            path
        };
        let keystore = write(
            "keystore.p12",
            "server",
            KeyStoreEntry::PrivateKeyChain(chain),
        );
        let truststore = write("truststore.p12", "ca", KeyStoreEntry::Certificate(cert));
        Self {
            _dir: dir,
            keystore,
            truststore,
        }
    }
}
