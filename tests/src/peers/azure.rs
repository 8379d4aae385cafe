//! An Azure Blob storage: Azurite, Microsoft's emulator from npm, over a local folder.
//!
//! Blobs are read back by Microsoft's client (`tests/peers/azure.js`), not by the one that wrote
//! them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{cached, npm_install};
use crate::ports;
use crate::process::{self, Process};
use crate::scratch::Scratch;
use crate::skip::Availability;

/// The emulator and the client, in the versions with which the scenario was written.
const PACKAGES: [&str; 2] = ["azurite@3.37.0", "@azure/storage-blob@12.34.0"];

/// How long the emulator may take to listen, and the client to end.
const START: Duration = Duration::from_secs(120);

/// The account that every Azurite has, with the key that Microsoft published for it.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Azurite, after it was fetched.
pub struct Azure {
    modules: PathBuf,
}

/// A running storage with one container.
pub struct AzureServer {
    modules: PathBuf,
    port: u16,
    _process: Process,
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name in the container.
    pub name: String,
    /// Its bytes. A blob whose blocks were never committed has 0.
    pub size: u64,
}

impl Azure {
    /// Azurite, fetched by npm unless that was already done.
    #[must_use]
    pub fn resolve() -> Availability<Self> {
        let folder = cached("azurite-3.37.0", "node", |folder| {
            npm_install(folder, &PACKAGES)
        });
        folder.map(|folder| Self {
            modules: folder.join("node_modules"),
        })
    }

    /// Starts a storage with an empty container, [`AzureServer::CONTAINER`].
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(&self, scratch: &Scratch) -> AzureServer {
        let port = ports::free();
        let mut command = Command::new("node");
        command
            .arg(self.modules.join("azurite/dist/src/blob/main.js"))
            .args(["--silent", "--disableTelemetry", "--blobHost", "127.0.0.1"])
            .args(["--blobPort", &port.to_string()])
            // The clients' API version is newer than the emulator's.
            .arg("--skipApiVersionCheck")
            .arg("--location")
            .arg(scratch.folder("azure-data"));
        let process = Process::start("azurite", &mut command, scratch.path("azurite.log"));
        ports::await_listening(port, START);
        let server = AzureServer {
            modules: self.modules.clone(),
            port,
            _process: process,
        };
        server.client(&["make"]);
        server
    }
}

impl AzureServer {
    /// Its container.
    pub const CONTAINER: &str = "events";

    /// An agent's settings for it: options of `object_store` and their values.
    #[must_use]
    pub fn options(&self) -> [(&'static str, String); 4] {
        [
            ("endpoint", self.endpoint()),
            ("account_name", ACCOUNT.to_owned()),
            ("account_key", KEY.to_owned()),
            ("allow_http", "true".to_owned()),
        ]
    }

    /// All blobs, sorted by name, including those with uncommitted blocks.
    ///
    /// # Panics
    /// When the storage does not list them.
    #[must_use]
    pub fn blobs(&self) -> Vec<Blob> {
        let listed = self.client(&["list"]);
        let mut blobs: Vec<Blob> = listed.lines().map(blob).collect();
        blobs.sort_by(|left, right| left.name.cmp(&right.name));
        blobs
    }

    /// Copies a blob into a file.
    ///
    /// # Panics
    /// When there is no such blob.
    pub fn get(&self, name: &str, file: &Path) {
        self.client(&["get", name, &file.display().to_string()]);
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    fn client(&self, words: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/azure.js");
        let mut command = Command::new("node");
        command.env("NODE_PATH", &self.modules).arg(script);
        command
            .arg(format!("{}/{}", self.endpoint(), Self::CONTAINER))
            .arg(KEY);
        let done = process::run(command.args(words), "", START).expect("the client ends");
        assert!(done.status.success(), "azure {words:?}: {}", done.stderr);
        done.stdout
    }
}

fn blob(line: &str) -> Blob {
    let said: Value = serde_json::from_str(line).expect("a line of JSON");
    Blob {
        name: said["name"].as_str().expect("a name").to_owned(),
        size: said["size"].as_u64().unwrap_or_default(),
    }
}
