//! What components may use besides their own keys: name resolution, the wall clock, and policies.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use flume_core::clock::WallClock;

use crate::policies::{CacheChoice, Policies};

/// Handed to every component when it is configured.
#[derive(Debug, Clone)]
pub struct Services {
    /// Host names to addresses.
    pub resolver: Resolver,
    /// Time of day, for headers and file names.
    pub wall: WallClock,
    /// Bytes of memory that the process may use, for the default of `byteCapacity`.
    pub available_memory: u64,
    /// Policies in files.
    pub policies: Policies,
}

impl Services {
    /// The machine's own services, and no cache of compiled policies.
    pub fn system(resolver: Resolver) -> Self {
        Self {
            resolver,
            wall: WallClock::system(),
            available_memory: available_memory(),
            policies: Policies::new(CacheChoice::None),
        }
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

    /// The addresses of a host, whatever the port. Blocks while the system asks around.
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

    /// The name that the owner of an address gave it, true or not. Blocks while the system asks
    /// around.
    ///
    /// # Errors
    /// It has none.
    pub fn name_of(&self, address: IpAddr) -> io::Result<String> {
        // One with a port is an answer about that port and not about the host.
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

/// The memory limit of the container, or the memory of the machine. 1 GiB if neither is known.
fn available_memory() -> u64 {
    const FALLBACK: u64 = 1 << 30;
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let cgroup = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    });
    match (cgroup, machine) {
        (Some(limit), Some(memory)) => u64::min(limit, memory),
        (limit, memory) => limit.or(memory).unwrap_or(FALLBACK),
    }
}
