//! Host names of peers, for rules that ask for them.
//!
//! The laws: look-ups block, so they run on threads kept for that, at most `SEATS` at a time;
//! nobody waits for one longer than `PATIENCE`; a name counts for a peer only if it has the
//! peer's address. The last law, because the owner of an address can give it any name, but
//! cannot give somebody else's name that address.
//!
//! Answers are not kept: a connection of Flume lives long, and a name may move.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::services::Resolver;

/// Look-ups of one source at a time. A look-up whose caller has gone keeps its permit
/// until the system gives up, and the threads are those that files are read with, too.
const SEATS: usize = 16;

/// How long a look-up may take, the wait for a seat included.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSlow;

/// Looks up names and addresses.
#[derive(Debug, Clone)]
pub struct Names {
    resolver: Resolver,
    seats: Arc<Semaphore>,
}

impl Names {
    /// Asks this resolver.
    pub fn new(resolver: Resolver) -> Self {
        Self::with_seats(resolver, SEATS)
    }

    pub(super) fn with_seats(resolver: Resolver, seats: usize) -> Self {
        Self {
            resolver,
            seats: Arc::new(Semaphore::new(seats)),
        }
    }

    /// Whether a host has this address. One that does not exist has none.
    ///
    /// # Errors
    /// The answer did not come in time.
    pub async fn has_address(&self, host: &str, address: IpAddr) -> Result<bool, TooSlow> {
        let host = host.to_owned();
        let found = self
            .ask(move |resolver| leads_to(resolver, &host, address))
            .await?;
        Ok(found == Some(true))
    }

    /// The name that belongs to this address.
    ///
    /// # Errors
    /// The answer did not come in time.
    pub async fn name_of(&self, address: IpAddr) -> Result<Option<String>, TooSlow> {
        let named = self.ask(move |resolver| {
            let name = resolver.name_of(address)?;
            Ok(leads_to(resolver, &name, address)?.then_some(name))
        });
        Ok(named.await?.flatten())
    }

    /// `None` if the look-up found nothing.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Resolver) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, TooSlow> {
        let resolver = self.resolver.clone();
        let asked = async {
            let seat = Arc::clone(&self.seats)
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let answer = spawn_blocking(move || {
                let answer = question(&resolver);
                drop(seat);
                answer
            });
            answer.await?
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the ip filter found no name or no address");
                Ok(None)
            }
            Err(_) => Err(TooSlow),
        }
    }
}

fn leads_to(resolver: &Resolver, host: &str, address: IpAddr) -> io::Result<bool> {
    let addresses = resolver.addresses_of(host)?;
    Ok(addresses
        .iter()
        .any(|found| found.to_canonical() == address))
}
