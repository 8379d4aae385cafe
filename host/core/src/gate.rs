//! A gate before an interceptor: one batch at a time, and none while it is closed.
//!
//! Interceptors are called synchronously. One that serves a batch at a time, or has to be waited
//! for, would block a thread that other sources need, too; at a gate, a batch waits without one.
//! Who waits is the connection that the batch came from, so the wait is felt by its client alone.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep_until;

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
    /// `None` only if the gate was torn down, which nothing does.
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
    /// Closes the gate until then. Whoever has passed is not concerned.
    pub fn close_until(&self, at: Instant) {
        *self.closed_until.lock() = Some(at);
    }

    /// Waits for a turn, and for the gate to open.
    pub async fn pass(&self) -> Turn<'_> {
        let permit = self.turn.acquire().await.ok();
        // Not taken out: a batch that gives up waiting does not open the gate.
        let until = *self.closed_until.lock();
        if let Some(until) = until.filter(|until| *until > clock::now()) {
            sleep_until(until).await;
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
        let second = tokio::time::timeout(Duration::from_secs(1), gate.pass()).await;
        assert!(second.is_err());
        gate.close_until(began + Duration::from_secs(5));
        drop(first);
        drop(gate.pass().await);
        assert_eq!(clock::now() - began, Duration::from_secs(5));
        drop(gate.pass().await);
        assert_eq!(clock::now() - began, Duration::from_secs(5));
    }
}
