//! What components may use besides their own keys: name resolution, the wall clock, the memory.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;

#[cfg(feature = "bucket")]
use flume_bucket::Hadoop;
use flume_core::clock::WallClock;

use crate::memory_limit::MemoryLimit;
use crate::net::files::ConnectionFiles;
use crate::net::passed::PassedSockets;

/// Handed to every component when it is configured.
#[derive(Debug, Clone)]
pub struct Services {
    /// Host names to addresses.
    pub resolver: Resolver,
    /// Ports that the service manager has opened.
    pub sockets: PassedSockets,
    /// Files for the connections of all sources.
    pub files: ConnectionFiles,
    /// Time of day, for headers and file names.
    pub wall: WallClock,
    /// What memory the process may use, for the default of `byteCapacity`.
    pub memory: MemoryLimit,
    /// Where paths without a store are.
    #[cfg(feature = "bucket")]
    pub hadoop: Hadoop,
}

impl Services {
    /// The machine's own services.
    pub fn system(resolver: Resolver) -> Self {
        Self {
            resolver,
            sockets: PassedSockets::default(),
            files: ConnectionFiles::of_process(),
            wall: WallClock::system(),
            memory: MemoryLimit::of_process(),
            #[cfg(feature = "bucket")]
            hadoop: Hadoop::default(),
        }
    }

    /// The same with Hadoop's configuration, which is looked for in this folder first.
    #[must_use]
    pub fn with_hadoop(self, conf: Option<&Path>) -> Self {
        #[cfg(feature = "bucket")]
        let services = Self {
            hadoop: Hadoop::find(conf),
            ..self
        };
        #[cfg(not(feature = "bucket"))]
        let services = match conf {
            // No sink of this build reads it.
            Some(_) | None => self,
        };
        services
    }
}

/// Resolves host names, with overrides given on the command line (`--resolve name=addr:port`).
#[derive(Debug, Clone, Default)]
pub struct Resolver {
    overrides: BTreeMap<String, SocketAddr>,
}

impl Resolver {
    /// A resolver with overrides, by `name` (any port) or `name:port`.
    pub fn new(overrides: BTreeMap<String, SocketAddr>) -> Self {
        Self { overrides }
    }

    /// The addresses of a host, looked up anew at each call so that a moved name is followed.
    ///
    /// # Errors
    /// The name does not resolve.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.overridden(host, port) {
            return Ok(vec![address]);
        }
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    /// The addresses of a host, whatever the port. Blocks during the look-up.
    ///
    /// # Errors
    /// The name does not resolve.
    pub fn addresses_of(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(address) = self.overridden(host, 0) {
            return Ok(vec![address.ip()]);
        }
        Ok((host, 0)
            .to_socket_addrs()?
            .map(|address| address.ip())
            .collect())
    }

    /// The name that the owner of an address gave it, true or not. Blocks during the look-up.
    ///
    /// # Errors
    /// It has no name.
    pub fn name_of(&self, address: IpAddr) -> io::Result<String> {
        // An override with a port is about that port and not about the host.
        let mut hosts = self
            .overrides
            .iter()
            .filter(|(name, _)| !name.contains(':'));
        let given = hosts.find(|(_, to)| to.ip() == address);
        match given {
            Some((name, _)) => Ok(name.clone()),
            None => Ok(dns_lookup::lookup_addr(&address)?),
        }
    }

    fn overridden(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let by_port = format!("{host}:{port}");
        self.overrides
            .get(&by_port)
            .or_else(|| self.overrides.get(host))
            .copied()
    }
}
