//! The store behind an address, with its options.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flume_core::SinkCounter;
use flume_core::clock::WallClock;
use hdfs_native::{ClientBuilder, WriteOptions};
use tokio::runtime::Handle;

use crate::address::{Address, Scheme};
use crate::buckets::Buckets;
use crate::store::hdfs::HdfsStore;
use crate::store::local::LocalStore;
use crate::store::object::{Objects, accepts, build};
use crate::store::{Durable, Store};
use crate::works::Settings;

/// How often a namenode that is the only one is asked again; Hadoop's 15 times would outlast every
/// `callTimeout`, and a failover group would wait for it.
const FAILOVER_ATTEMPTS: (&str, &str) = ("dfs.client.failover.max.attempts", "1");

/// A store that can be opened.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// Options of its client, by the client's names.
    pub options: BTreeMap<String, String>,
    /// Bytes of one part of an upload.
    pub part_bytes: usize,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// Who writes, on HDFS.
    pub identity: Identity,
}

/// Who a client of HDFS is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user that is written as.
    pub user: Option<String>,
    /// Kerberos principal and key tab.
    pub kerberos: Option<(String, String)>,
}

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the client of {scheme}")]
pub struct OpenError {
    scheme: Scheme,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Target {
    /// What a batch has to wait for.
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

    /// Opens the store, without asking it anything, and begins to look for leftovers.
    ///
    /// # Errors
    /// The client cannot be made: an option has a bad value, a key tab is missing.
    pub fn open(
        &self,
        settings: Settings,
        counters: Arc<SinkCounter>,
        wall: WallClock,
    ) -> Result<Buckets, OpenError> {
        let store = self.store().map_err(|cause| OpenError {
            scheme: self.address.scheme,
            cause,
        })?;
        Ok(Buckets::over(store, settings, counters, wall))
    }

    fn store(&self) -> Result<Box<dyn Store>, Box<dyn std::error::Error + Send + Sync>> {
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

    fn hdfs(&self) -> Result<HdfsStore, Box<dyn std::error::Error + Send + Sync>> {
        let root = &self.address.root;
        let mut config = self.options.clone();
        // A port makes it one namenode and not a name service.
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
            .with_io_runtime(Handle::current());
        if !root.is_empty() {
            builder = builder.with_url(root);
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
