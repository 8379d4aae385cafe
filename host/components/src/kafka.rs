//! What the components of Kafka are made with: the client library, and key stores of Java.

use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64;
use flume_core::ComponentError;
use flume_core::context::Secret;
use flume_kafka::settings::KeyStores;
use flume_kafka::{Librdkafka, Surroundings};

use crate::net::keystore::{KeystoreError, KeystoreFile};

/// Characters in a line of PEM.
const LINE: usize = 64;

/// The real ones.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings {
        engine: Arc::new(Librdkafka),
        stores: Arc::new(JavaStores),
    }
}

/// Key stores of Java, which librdkafka does not read.
#[derive(Debug)]
struct JavaStores;

impl KeyStores for JavaStores {
    fn trusted(
        &self,
        path: &str,
        _: Option<&str>,
        password: Option<&str>,
    ) -> Result<String, ComponentError> {
        let file = file(path, password, None);
        let trusted = file.trusted_now().map_err(unreadable)?;
        Ok(trusted.iter().map(|it| pem("CERTIFICATE", it)).collect())
    }

    fn identity(
        &self,
        path: &str,
        _: Option<&str>,
        password: Option<&str>,
        key_password: Option<&str>,
    ) -> Result<(String, String), ComponentError> {
        let file = file(path, password, key_password);
        let identity = file.identity_now().map_err(unreadable)?;
        let chain = identity.chain.iter();
        let chain = chain.map(|it| pem("CERTIFICATE", it)).collect();
        Ok((chain, pem("PRIVATE KEY", identity.key.secret_der())))
    }
}

fn file(path: &str, password: Option<&str>, key_password: Option<&str>) -> KeystoreFile {
    KeystoreFile {
        path: PathBuf::from(path),
        password: Secret::new(password.unwrap_or_default()),
        key_password: key_password.map(Secret::new),
    }
}

fn unreadable(error: KeystoreError) -> ComponentError {
    ComponentError::caused_by("a key store of the Kafka client", error)
}

/// Bytes in the text form that OpenSSL reads.
fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
