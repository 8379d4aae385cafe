//! TLS: whom to trust and who one is. Java's stores are opened later, when a client is made.

use flume_core::Code;
use flume_core::context::Secret;

use super::pem;
use super::reading::{Part, Reading, Said};

/// What builds a program that has it.
pub(super) const BUILD: &str = "cargo build --profile dist -p flume-agent --features kafka-tls";

/// Java's stores of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stores {
    /// Whom to trust.
    pub(super) trust: Option<Store>,
    /// Who the client is.
    pub(super) identity: Option<Store>,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Store {
    /// The key that names it.
    pub(super) key: String,
    /// Where it is.
    pub(super) path: String,
    /// JKS or PKCS12, if the file says it.
    pub(super) kind: Option<String>,
    /// Opens it.
    pub(super) password: Option<Secret>,
    /// Opens the key in it.
    pub(super) key_password: Option<Secret>,
}

/// Which store, by the words in its keys.
#[derive(Clone, Copy)]
enum Which {
    Trust,
    Identity,
}

/// Reads everything about TLS.
pub(super) fn read(reading: &mut Reading) -> Stores {
    let protocol = reading.told("security.protocol").cloned();
    let names = reading.names_of(Part::Tls);
    let Some(protocol) = protocol.filter(|protocol| protocol.text.ends_with("ssl")) else {
        for name in names {
            if let Some(said) = reading.said(&name).cloned() {
                reading.without_effect(&said, "`security.protocol` is without TLS");
            }
        }
        return Stores::default();
    };
    if !reading.built.tls {
        let message = format!(
            "`{}` needs TLS to Kafka, which this program is built without",
            reading.name(&protocol)
        );
        let help = format!("build it with `{BUILD}`");
        reading.error(&protocol, Code::Unsupported, message, &help);
        return Stores::default();
    }
    reading.translate(&names);
    host_names(reading);
    ciphers(reading);
    Stores {
        trust: store(reading, Which::Trust),
        identity: store(reading, Which::Identity),
    }
}

/// Java's word for "no check" is the empty one, which a file of Flume cannot say.
fn host_names(reading: &mut Reading) {
    let key = "ssl.endpoint.identification.algorithm";
    let off = reading.said("ssl.disableTLSHostnameVerification").cloned();
    let said = reading.said(key).cloned();
    let off = off.filter(|off| off.text.eq_ignore_ascii_case("true"));
    let said = match (off, said) {
        (Some(off), _) => Said {
            text: "none".to_owned(),
            ..off
        },
        (None, Some(said)) if said.text.is_empty() => Said {
            text: "none".to_owned(),
            ..said
        },
        (None, Some(said)) => said,
        (None, None) => return,
    };
    reading.tell(key, &said);
}

fn ciphers(reading: &mut Reading) {
    let key = "ssl.cipher.suites";
    let Some(said) = reading.said(key).cloned() else {
        return;
    };
    if said.text.contains("_WITH_") {
        let message = format!("`{}` has Java's names of ciphers", reading.name(&said));
        let help =
            "give OpenSSL's, for example `ECDHE-RSA-AES128-GCM-SHA256`, with `:` between them";
        return reading.error(&said, Code::Unsupported, message, help);
    }
    let text = said.text.replace(',', ":").replace(' ', "");
    reading.tell(key, &Said { text, ..said });
}

/// A store of Java; one that is PEM is told to the library, which reads it.
fn store(reading: &mut Reading, which: Which) -> Option<Store> {
    let word = match which {
        Which::Trust => "truststore",
        Which::Identity => "keystore",
    };
    let of = |reading: &Reading, end: &str| reading.said(&format!("ssl.{word}.{end}")).cloned();
    let [location, kind, password] = ["location", "type", "password"].map(|end| of(reading, end));
    let kind = match kind {
        Some(kind) => Some(kind_of(reading, &kind)?),
        None => None,
    };
    let key_password = reading.said("ssl.key.password").cloned();
    if kind.as_deref() == Some("PEM") {
        if let Some(said) = password {
            reading.without_effect(&said, "a file of type PEM has no password");
        }
        match which {
            Which::Trust => trusted_pem(reading, location.as_ref()),
            Which::Identity => identity_pem(reading, location.as_ref(), key_password.as_ref()),
        }
        return None;
    }
    for end in ["certificates", "key", "certificate.chain"] {
        if let Some(said) = of(reading, end) {
            let message = format!("`{}` needs `ssl.{word}.type = PEM`", reading.name(&said));
            reading.error(&said, Code::MissingKey, message, "add it");
        }
    }
    let Some(location) = location else {
        if let (Which::Identity, Some(said)) = (which, key_password) {
            reading.tell("ssl.key.password", &said);
        }
        return None;
    };
    if matches!(which, Which::Identity) && password.is_none() {
        let message = format!("`{}` needs `ssl.{word}.password`", reading.name(&location));
        reading.error(&location, Code::MissingKey, message, "add it");
        return None;
    }
    let key_password = key_password.filter(|_| matches!(which, Which::Identity));
    let secret = |said: Said| Secret::new(said.text);
    Some(Store {
        key: reading.name(&location),
        path: location.text,
        kind,
        password: password.map(secret),
        key_password: key_password.map(secret),
    })
}

/// The type in upper case. `None` leaves a finding.
fn kind_of(reading: &mut Reading, said: &Said) -> Option<String> {
    let kind = said.text.to_ascii_uppercase();
    if ["JKS", "PKCS12", "PEM"].contains(&kind.as_str()) {
        return Some(kind);
    }
    let message = format!("`{}` cannot be `{}`", reading.name(said), said.text);
    let help = "JKS, PKCS12 or PEM; `keytool -importkeystore` makes one of another";
    reading.error(said, Code::Unsupported, message, help);
    None
}

fn trusted_pem(reading: &mut Reading, location: Option<&Said>) {
    let inline = reading.said("ssl.truststore.certificates").cloned();
    match (location, inline) {
        (Some(location), Some(_)) => both(reading, location, "ssl.truststore.certificates"),
        (Some(location), None) => reading.tell("ssl.ca.location", location),
        (None, Some(said)) => blocks(reading, "ssl.ca.pem", &said),
        (None, None) => {}
    }
}

fn identity_pem(reading: &mut Reading, location: Option<&Said>, password: Option<&Said>) {
    let key = reading.said("ssl.keystore.key").cloned();
    let chain = reading.said("ssl.keystore.certificate.chain").cloned();
    match (location, key, chain) {
        (Some(location), Some(_), _) => both(reading, location, "ssl.keystore.key"),
        (Some(location), None, Some(_)) => {
            both(reading, location, "ssl.keystore.certificate.chain");
        }
        // One file has both.
        (Some(location), None, None) => {
            reading.tell("ssl.certificate.location", location);
            reading.tell("ssl.key.location", location);
        }
        (None, Some(key), Some(chain)) => {
            blocks(reading, "ssl.key.pem", &key);
            blocks(reading, "ssl.certificate.pem", &chain);
        }
        (None, Some(one), None) => alone(reading, &one, "ssl.keystore.certificate.chain"),
        (None, None, Some(one)) => alone(reading, &one, "ssl.keystore.key"),
        (None, None, None) => {}
    }
    if let Some(password) = password {
        reading.tell("ssl.key.password", password);
    }
}

fn blocks(reading: &mut Reading, setting: &'static str, said: &Said) {
    match pem::lines(&said.text) {
        Some(text) => reading.tell(
            setting,
            &Said {
                text,
                ..said.clone()
            },
        ),
        None => {
            let message = format!("`{}` is not PEM", reading.name(said));
            let help = "it begins with `-----BEGIN …-----`";
            reading.error(said, Code::BadValue, message, help);
        }
    }
}

fn both(reading: &mut Reading, said: &Said, other: &str) {
    let message = format!("`{}` and `{other}` say the same", reading.name(said));
    reading.error(said, Code::DuplicateKey, message, "remove one of them");
}

fn alone(reading: &mut Reading, said: &Said, other: &str) {
    let message = format!("`{}` needs `{other}`", reading.name(said));
    reading.error(said, Code::MissingKey, message, "give both, or none");
}
