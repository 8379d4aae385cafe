//! A gate before an interceptor: one batch at a time, and none while it is closed.
//!
//! Interceptors are called synchronously. One that serves one batch at a time, or is not ready,
//! would block a thread that other sources need too. At a gate, a batch waits without a thread.
//! Only the connection that the batch came from waits, so only its client notices.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::{self, Instant};

/// A gate. Batches pass in the order in which they came.
#[derive(Debug)]
pub struct Gate {
    turn: Semaphore,
    closed_until: Mutex<Option<Instant>>,
}

/// A batch's turn; the next one's comes when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    /// `None` only if the semaphore was closed, which never happens.
    _permit: Option<SemaphorePermit<'a>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(1),
            closed_until: Mutex::default(),
        }
    }
}

impl Gate {
    /// Closes the gate until then. Batches already inside are not affected.
    pub fn close_until(&self, at: Instant) {
        *self.closed_until.lock() = Some(at);
    }

    /// Waits for a turn, and for the gate to open.
    pub async fn pass(&self) -> Turn<'_> {
        let permit = self.turn.acquire().await.ok();
        // Not taken out: a batch that gives up waiting does not open the gate.
        let until = *self.closed_until.lock();
        if let Some(until) = until.filter(|until| *until > clock::now()) {
            clock::sleep_until(until).await;
        }
        Turn { _permit: permit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_gate_lets_one_pass_at_a_time_and_none_while_it_is_closed() {
        let gate = Gate::default();
        let began = clock::now();
        let first = gate.pass().await;
        let second = clock::timeout_at(began + Duration::from_secs(1), gate.pass()).await;
        assert!(second.is_err());
        gate.close_until(began + Duration::from_secs(5));
        drop(first);
        drop(gate.pass().await);
        assert_eq!(clock::now() - began, Duration::from_secs(5));
        drop(gate.pass().await);
        assert_eq!(clock::now() - began, Duration::from_secs(5));
    }
}
