//! Opening a store: its address, the options of its client, the user.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::WallClock;
use flume_core::context::{MASK, Secret};
use flume_core::{SinkCounter, chain};
use hdfs_native::{ClientBuilder, WriteOptions};
use tokio::runtime::Handle;

use crate::address::{Scheme, StoreAddress};
use crate::buckets::Buckets;
use crate::shared::BucketSettings;
use crate::store::hdfs::HdfsStore;
use crate::store::local::LocalStore;
use crate::store::object::{Objects, accepts, build, is_harmless};
use crate::store::{Durable, Store};

/// Attempts to reach the namenode if there is only one. Hadoop's default of 15 outlasts any
/// `callTimeout`, and a failover group would have to wait for it.
const FAILOVER_ATTEMPTS: (&str, &str) = ("dfs.client.failover.max.attempts", "1");

/// Everything that it takes to open a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Where the store is.
    pub address: StoreAddress,
    /// The folder of Hadoop's configuration, for its client.
    pub config_dir: Option<PathBuf>,
    /// Options of the client, by the client's names for them.
    pub options: BTreeMap<String, Secret>,
    /// Bytes in one part of a multipart upload.
    pub part_bytes: usize,
    /// How long one HTTP request to an object store may take.
    pub call_timeout: Duration,
    /// The user, on HDFS.
    pub identity: StoreUser,
}

/// The user of an HDFS client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreUser {
    /// The name of the user, or of the proxy user with Kerberos.
    pub user: Option<String>,
    /// Kerberos principal and keytab file.
    pub kerberos: Option<(String, String)>,
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// The client of a store cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the client of {scheme}")]
pub struct OpenError {
    scheme: Scheme,
    #[source]
    cause: BoxedError,
}

impl Target {
    /// When the store makes events durable.
    pub fn durable(&self) -> Durable {
        match self.address.scheme {
            Scheme::Hdfs | Scheme::File => Durable::AtSync,
            Scheme::S3 | Scheme::Gcs | Scheme::Azure => Durable::AtClose,
        }
    }

    /// Whether the client of this store has an option of that name.
    pub fn accepts(scheme: Scheme, option: &str) -> bool {
        accepts(scheme, option)
    }

    /// Whether the value of an option may be shown, in whichever store.
    pub fn is_harmless(option: &str) -> bool {
        is_harmless(option)
    }

    /// Opens the store without contacting it, and starts to look for leftovers.
    ///
    /// # Errors
    /// The client cannot be made: an option has a bad value, or the keytab is missing.
    pub fn open(
        &self,
        settings: BucketSettings,
        counters: Arc<SinkCounter>,
        wall: WallClock,
    ) -> Result<Buckets, OpenError> {
        let store = self.store().map_err(|cause| OpenError {
            scheme: self.address.scheme,
            cause: self.without_secrets(cause),
        })?;
        Ok(Buckets::over(store, settings, counters, wall))
    }

    /// An error as it is, unless it quotes the value of an option that is not to be shown.
    fn without_secrets(&self, cause: BoxedError) -> BoxedError {
        let text = chain(&*cause);
        let mut clean = text.clone();
        let hidden = self.options.iter().filter(|(name, _)| !is_harmless(name));
        for (_, secret) in hidden.filter(|(_, secret)| !secret.expose().is_empty()) {
            clean = clean.replace(secret.expose(), MASK);
        }
        if clean == text { cause } else { clean.into() }
    }

    fn store(&self) -> Result<Box<dyn Store>, BoxedError> {
        Ok(match self.address.scheme {
            Scheme::File => Box::new(LocalStore),
            Scheme::Hdfs => Box::new(self.hdfs()?),
            scheme => {
                let (root, options) = (&self.address.root, &self.options);
                let client = build(scheme, root, options, self.call_timeout)?;
                Box::new(Objects::new(client, self.part_bytes))
            }
        })
    }

    fn hdfs(&self) -> Result<HdfsStore, BoxedError> {
        let root = &self.address.root;
        let options = self.options.iter();
        let plain = |(name, value): (&String, &Secret)| (name.clone(), value.expose().to_owned());
        let mut config: BTreeMap<String, String> = options.map(plain).collect();
        // With a port it is a single namenode, not a name service.
        if root
            .rsplit(':')
            .next()
            .is_some_and(|port| port.parse::<u16>().is_ok())
        {
            let (key, value) = FAILOVER_ATTEMPTS;
            config
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let mut options = WriteOptions::default();
        if let Some(replication) = config.get("dfs.replication") {
            options = options.replication(replication.parse()?);
        }
        if let Some(bytes) = config.get("dfs.blocksize") {
            options = options.block_size(bytes.parse()?);
        }
        let mut builder = ClientBuilder::new()
            .with_config(config)
            .with_io_runtime(Handle::current())
            .with_url(root);
        if let Some(folder) = &self.config_dir {
            builder = builder.with_config_dir(folder.display().to_string());
        }
        if let Some(user) = &self.identity.user {
            builder = builder.with_user(user);
        }
        if let Some((principal, keytab)) = &self.identity.kerberos {
            builder = builder
                .with_kerberos_principal(principal)
                .with_kerberos_keytab(keytab);
        }
        Ok(HdfsStore::new(builder.build()?, options))
    }
}
