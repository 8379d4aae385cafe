//! A gate before an interceptor: one batch at a time, and none while it is closed.
//!
//! Interceptors are called synchronously. One that serves one batch at a time, or is not ready,
//! would block a thread that other sources need too. At a gate, a batch waits without a thread.
//! Only the connection that the batch came from waits, so only its client notices.

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::clock::{self, Instant};

/// A gate. Batches pass in the order in which they came.
#[derive(Debug)]
pub struct Gate {
    turn: Semaphore,
    closed_until: Mutex<Option<Instant>>,
    /// Wakes those who wait only while it is open.
    closes: Notify,
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
            closes: Notify::new(),
        }
    }
}

impl Gate {
    /// Closes the gate until then. Batches already inside are not affected.
    pub fn close_until(&self, at: Instant) {
        *self.closed_until.lock() = Some(at);
        self.closes.notify_waiters();
    }

    /// Waits for a turn, and for the gate to open.
    pub async fn pass(&self) -> Turn<'_> {
        let permit = self.turn.acquire().await.ok();
        if let Some(until) = self.closed_until() {
            clock::sleep_until(until).await;
        }
        Turn { _permit: permit }
    }

    /// Waits for a turn as long as the gate is open; `None` once it is closed.
    pub async fn pass_if_open(&self) -> Option<Turn<'_>> {
        let closes = self.closes.notified();
        tokio::pin!(closes);
        // Before the look, so that it does not close unseen.
        closes.as_mut().enable();
        if self.closed_until().is_some() {
            return None;
        }
        let permit = tokio::select! {
            biased;
            () = closes => return None,
            permit = self.turn.acquire() => permit.ok(),
        };
        Some(Turn { _permit: permit })
    }

    /// When it opens, if it is closed. Only time opens it: a batch that gives up waiting does not.
    fn closed_until(&self) -> Option<Instant> {
        let until = *self.closed_until.lock();
        until.filter(|until| *until > clock::now())
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

    #[tokio::test(start_paused = true)]
    async fn who_waits_only_while_it_is_open_is_told_that_it_closes() {
        let gate = Gate::default();
        let first = gate.pass_if_open().await.unwrap();
        let second = gate.pass_if_open();
        tokio::pin!(second);
        let soon = clock::now() + Duration::from_secs(1);
        assert!(clock::timeout_at(soon, &mut second).await.is_err());
        gate.close_until(clock::now() + Duration::from_secs(5));
        assert!(second.await.is_none(), "while the turn is taken");
        drop(first);
        assert!(gate.pass_if_open().await.is_none(), "while it is free");
        drop(gate.pass().await);
        assert!(gate.pass_if_open().await.is_some());
    }
}
