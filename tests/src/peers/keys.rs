//! Key stores made by Java's `keytool`: a self-signed key, and its certificate to be trusted.
//!
//! Made once for each type of store and kept with the peers, because each takes three runs of a
//! JVM.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{cached, complaint};
use crate::process;
use crate::skip::Availability;

/// How long one run of `keytool` may take.
const STEP: Duration = Duration::from_secs(60);

/// A key store with a self-signed key for 127.0.0.1, and a trust store with its certificate.
pub struct KeyStores {
    /// The key store.
    pub key: PathBuf,
    /// The trust store.
    pub trust: PathBuf,
}

impl KeyStores {
    /// The password of all stores.
    pub const PASSWORD: &str = "changeit";

    /// The stores of a type (`PKCS12`, `JKS`), made if they do not exist yet.
    #[must_use]
    pub fn resolve(kind: &str) -> Availability<Self> {
        let folder = cached(&format!("keys-{kind}"), "keytool", |folder| {
            make(folder, kind)
        });
        folder.map(|folder| Self {
            key: folder.join("key.store"),
            trust: folder.join("trust.store"),
        })
    }
}

fn make(folder: &Path, kind: &str) -> Result<(), String> {
    // Removes what an interrupted run has left.
    for name in ["key.store", "trust.store", "certificate.pem"] {
        match std::fs::remove_file(folder.join(name)) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err.to_string()),
            _ => {}
        }
    }
    let of_key = ["-keystore", "key.store", "-storetype", kind];
    let name = ["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"];
    let pair = [
        "-genkeypair",
        "-keyalg",
        "RSA",
        "-keysize",
        "2048",
        "-validity",
        "36500",
    ];
    let file = ["-file", "certificate.pem"];
    let trust = [
        "-importcert",
        "-noprompt",
        "-keystore",
        "trust.store",
        "-storetype",
        kind,
    ];
    for words in [
        [&pair[..], &name, &of_key].concat(),
        [&["-exportcert", "-rfc"][..], &file, &of_key].concat(),
        [&trust[..], &file].concat(),
    ] {
        let mut keytool = Command::new("keytool");
        keytool.current_dir(folder).args(&words);
        keytool.args(["-alias", "agent", "-storepass", KeyStores::PASSWORD]);
        let done = process::run(&mut keytool, "", STEP)?;
        if !done.status.success() {
            return Err(complaint("keytool", &(done.stdout + &done.stderr)));
        }
    }
    Ok(())
}
