//! The files of the process, as far as connections may take them.
//!
//! The law: connections of all ports together leave a part of the process's files to the rest of
//! it, and one port never takes more than `SHARE` times what is still free. So a port that is
//! flooded leaves room for the clients of another one, whatever `max-connections` says; and while
//! files abound, it does not matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many times the free files a port may have taken.
const SHARE: usize = 4;

/// The most files that are kept for the rest of the process; of a low limit, a quarter.
const MOST_KEPT: usize = 256;

/// The files that connections may take. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct ConnectionFiles(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    limit: usize,
    most: usize,
    taken: AtomicUsize,
}

impl ConnectionFiles {
    /// For a process with this limit of open files.
    pub fn of_limit(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self(Arc::new(Counts {
            limit,
            most: limit - kept_of(limit),
            taken: AtomicUsize::new(0),
        }))
    }

    /// For this process, with its limit as it is now.
    pub fn of_process() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self::of_limit(limit.current.unwrap_or(u64::MAX))
    }

    /// How many files the process may open.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// The limit with which this many connections may be open at once.
    pub fn limit_for(&self, connections: usize) -> usize {
        let low = connections.saturating_sub(1).saturating_mul(4) / 3 + 1;
        low.min(connections.saturating_add(MOST_KEPT))
    }

    /// How many connections may be open at once.
    pub fn most(&self) -> usize {
        self.0.most
    }

    /// A file for one more connection of a port that has `own`, if it may have one.
    pub(super) fn take(&self, own: usize) -> Option<TakenFile> {
        let taken = self.0.taken.fetch_add(1, Ordering::Relaxed);
        // Given back below if there is none.
        let file = TakenFile(self.clone());
        let free = self.0.most.saturating_sub(taken);
        (own < free.saturating_mul(SHARE)).then_some(file)
    }
}

/// How many files of all are kept for the rest of the process.
fn kept_of(limit: usize) -> usize {
    (limit / 4).min(MOST_KEPT)
}

/// A file that a connection has, until it is dropped.
#[derive(Debug)]
pub(super) struct TakenFile(ConnectionFiles);

impl Drop for TakenFile {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as many as it gets.
    fn flood(files: &ConnectionFiles) -> Vec<TakenFile> {
        let mut taken = Vec::new();
        while let Some(file) = files.take(taken.len()) {
            taken.push(file);
        }
        taken
    }

    #[test]
    fn a_flooded_port_leaves_room_for_others() {
        let files = ConnectionFiles::of_limit(1024);
        assert_eq!(files.most(), 768);
        let first = flood(&files);
        assert_eq!(first.len(), 615);
        let second = flood(&files);
        assert!(second.len() > 100, "{}", second.len());
        let third = flood(&files);
        assert!(third.len() > 20, "{}", third.len());
        assert!(first.len() + second.len() + third.len() <= files.most());
        drop(first);
        assert!(
            files.take(second.len()).is_some(),
            "what is free again is shared"
        );
    }

    #[test]
    fn a_limit_can_be_set_for_all_connections() {
        for connections in [1, 7, 100, 767, 768, 769, 5_000] {
            let limit = ConnectionFiles::of_limit(1).limit_for(connections);
            let most = |limit: usize| ConnectionFiles::of_limit(limit as u64).most();
            assert!(most(limit) >= connections, "{connections}");
            assert!(
                most(limit - 1) < connections,
                "{connections}: no more than that"
            );
        }
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let files = ConnectionFiles::of_limit(1);
        let only = files.take(0).unwrap();
        assert!(files.take(0).is_none());
        assert!(files.take(0).is_none());
        drop(only);
        assert!(files.take(0).is_some());
    }
}
