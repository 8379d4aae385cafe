//! Key stores: no file panics, and a key comes with its certificate.

use flume_components::net::keystore::KeystoreFile;
use flume_core::context::Secret;
use sha1::{Digest, Sha1};

use crate::files;

const PASSWORD: &str = "changeit";

/// First bytes of JKS.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// A file as it is, and, as JKS, with the digest that belongs to it, so that more is read of it.
pub fn run(data: &[u8]) {
    read(data);
    if let Some(body) = data
        .len()
        .checked_sub(20)
        .filter(|_| data.starts_with(&JKS))
    {
        let body = &data[..body];
        let mut digest = Sha1::new();
        for unit in PASSWORD.encode_utf16() {
            digest.update(unit.to_be_bytes());
        }
        digest.update(b"Mighty Aphrodite");
        digest.update(body);
        read(&[body, &digest.finalize()[..]].concat());
    }
}

fn read(data: &[u8]) {
    let file = KeystoreFile {
        path: "store".into(),
        password: Secret::new(PASSWORD),
        key_password: None,
    };
    if let Ok(identity) = file.identity_in(data) {
        assert!(!identity.chain.is_empty());
        identity.not_after();
    }
    if let Ok(trusted) = file.trusted_in(data) {
        assert!(!trusted.is_empty());
        let bytes: usize = trusted.iter().map(|certificate| certificate.len()).sum();
        assert!(
            bytes <= data.len(),
            "{bytes} bytes of certificates of {}",
            data.len()
        );
    }
}

/// Those that Java wrote.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    files(
        "host/components/src/net/keystore/stores",
        &["jks", "p12", "jceks"],
        None,
    )
}
