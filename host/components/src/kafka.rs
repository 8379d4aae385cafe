//! What the components of Kafka are made with: the client library, and key stores of Java.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64;
use flume_core::context::Secret;
use flume_core::error::chain;
use flume_core::{ComponentError, Context};
use flume_kafka::settings::{ClientSettings, KeyStores, Kind};
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

/// Looks at the files that the settings of a client name, if they are right: the key of the first one
/// that is of no use, why, and whether it is there.
pub(crate) fn look(keys: &Context, kind: Kind) -> Option<(String, String, bool)> {
    let settings = ClientSettings::read(&mut keys.clone(), kind, &[], &[])?;
    let away = settings.files().find_map(|(key, path)| {
        let error = File::open(path).err()?;
        Some((
            key.to_owned(),
            format!("cannot read {path}: {error}"),
            false,
        ))
    });
    away.or_else(|| {
        let (key, error) = settings.look(&JavaStores)?;
        Some((key.to_owned(), chain(&error), true))
    })
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
        let trusted = match password {
            Some(_) => file.trusted_now(),
            None => file.trusted_unproven_now(),
        };
        let trusted = trusted.map_err(unreadable)?;
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
    let what = "a key store of the Kafka client";
    match error {
        // The words for it name the key of other components.
        KeystoreError::KeyPassword { path } => ComponentError::new(format!(
            "{what}: {path} is PKCS12, where the password of the store opens the key too: remove \
             ssl.key.password"
        )),
        error => ComponentError::caused_by(what, error),
    }
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

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;
    use crate::net::testing::{PASSWORD, Stores, java_store};

    fn certificates(pem: &str) -> usize {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        all.unwrap().len()
    }

    #[test]
    fn stores_of_java_become_pem() {
        for name in ["agent.jks", "elliptic.jks", "elliptic.p12"] {
            let path = java_store(name).display().to_string();
            let found = JavaStores.identity(&path, None, Some(PASSWORD), None);
            let (chain, key) = found.unwrap();
            assert!(certificates(&chain) > 0, "{name}");
            assert!(
                PrivateKeyDer::from_pem_slice(key.as_bytes()).is_ok(),
                "{name}"
            );
            let lines = chain.lines().chain(key.lines());
            assert!(lines.clone().all(|line| line.len() <= LINE), "{name}");
        }
        let path = java_store("trust.jks").display().to_string();
        let with = JavaStores.trusted(&path, None, Some(PASSWORD)).unwrap();
        assert!(certificates(&with) > 0);
        // As in Java, the password of a trust store only proves that nobody has changed it.
        assert_eq!(JavaStores.trusted(&path, None, None).unwrap(), with);
    }

    #[test]
    fn a_store_that_stays_closed_says_which_and_not_its_password() {
        let stores = Stores::for_host("localhost");
        let own = java_store("own-password.jks").display().to_string();
        let p12 = stores.keystore.display().to_string();
        for (path, password, key, words) in [
            (&own, PASSWORD, None, "does not open the key"),
            (&own, "not it", None, "wrong password"),
            (&p12, "not it", None, "wrong password"),
            (&p12, PASSWORD, Some("another"), "remove ssl.key.password"),
        ] {
            let found = JavaStores.identity(path, None, Some(password), key);
            let text = chain(&found.unwrap_err());
            assert!(
                text.contains(words) && text.contains(path.as_str()),
                "{text}"
            );
            assert!(
                !text.contains("not it") && !text.contains("another"),
                "{text}"
            );
        }
        let text = chain(&JavaStores.trusted(&p12, None, None).unwrap_err());
        assert!(text.contains("wrong password"), "{text}");
    }
}
