//! How many connections a port may have, in all and from one address.
//!
//! The law: a connection counts from its admission until the [`Admission`] is dropped, whatever
//! ends it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::net::files::{ConnectionFiles, TakenFile};

/// The limits of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    /// The most connections.
    pub(super) total: usize,
    /// The most connections from one address, if they are limited.
    pub(super) per_address: Option<usize>,
}

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LimitReached {
    /// There are too many.
    #[error("there are max-connections already")]
    Port,
    /// The process has too few files for another one.
    #[error("the files of the process are shared out; raise its limit of open files")]
    Files,
    /// There are too many from its address.
    #[error("its address has max-connections-per-address already")]
    Address,
}

/// The open connections of a port.
#[derive(Debug)]
pub(super) struct OpenConnections {
    limits: ConnectionLimits,
    files: ConnectionFiles,
    counts: Mutex<ConnectionCounts>,
}

#[derive(Debug, Default)]
struct ConnectionCounts {
    total: usize,
    /// Empty if addresses are not limited.
    by_address: HashMap<IpAddr, usize>,
}

impl OpenConnections {
    pub(super) fn new(limits: ConnectionLimits, files: ConnectionFiles) -> Self {
        Self {
            limits,
            files,
            counts: Mutex::default(),
        }
    }

    /// Counts a connection from this address, if there is room for it.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admission, LimitReached> {
        // An IPv4 client of an IPv6 port is the same client.
        let address = address.to_canonical();
        let mut counts = self.counts.lock();
        if counts.total >= self.limits.total {
            return Err(LimitReached::Port);
        }
        let file = self.files.take(counts.total).ok_or(LimitReached::Files)?;
        if let Some(most) = self.limits.per_address {
            let count = counts.by_address.entry(address).or_default();
            if *count >= most {
                return Err(LimitReached::Address);
            }
            *count += 1;
        }
        counts.total += 1;
        Ok(Admission {
            open: Arc::clone(self),
            address,
            _file: file,
        })
    }
}

/// A connection that counts.
#[derive(Debug)]
pub(super) struct Admission {
    open: Arc<OpenConnections>,
    address: IpAddr,
    _file: TakenFile,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.open.counts.lock();
        counts.total -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                // Addresses that are gone cost no memory.
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(total: usize, per_address: Option<usize>) -> Arc<OpenConnections> {
        of_files(total, per_address, 1024)
    }

    fn of_files(total: usize, per_address: Option<usize>, files: u64) -> Arc<OpenConnections> {
        let limits = ConnectionLimits { total, per_address };
        let files = ConnectionFiles::of_limit(files);
        Arc::new(OpenConnections::new(limits, files))
    }

    #[test]
    fn a_port_has_its_share_of_the_files() {
        let open = of_files(1024, None, 4);
        let one = IpAddr::from([127, 0, 0, 1]);
        let admitted: Vec<Admission> = (0..2).map(|_| open.admit(one).unwrap()).collect();
        let third = open.admit(one).unwrap();
        assert_eq!(open.admit(one).unwrap_err(), LimitReached::Files);
        drop((admitted, third));
        open.admit(one).unwrap();
    }

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let open = open(1, None);
        let one = IpAddr::from([127, 0, 0, 1]);
        let first = open.admit(one).unwrap();
        assert_eq!(open.admit(one).unwrap_err(), LimitReached::Port);
        drop(first);
        open.admit(one).unwrap();
    }

    #[test]
    fn each_address_has_a_limit_of_its_own() {
        let open = open(3, Some(1));
        let one = IpAddr::from([10, 0, 0, 1]);
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let first = open.admit(one).unwrap();
        assert_eq!(open.admit(mapped).unwrap_err(), LimitReached::Address);
        let others = [2, 3].map(|last| open.admit([10, 0, 0, last].into()).unwrap());
        assert_eq!(
            open.admit([10, 0, 0, 4].into()).unwrap_err(),
            LimitReached::Port
        );
        drop((first, others));
        assert!(open.counts.lock().by_address.is_empty());
        open.admit(mapped).unwrap();
    }
}
