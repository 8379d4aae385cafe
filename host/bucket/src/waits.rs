//! How many files wait for their end, and who waits for them.
//!
//! | a file | waits |
//! |---|---|
//! | that is synced and is closed and renamed for the first time | for a store that answers: not for long |
//! | that failed | for a store that is well again: perhaps for ever |
//!
//! So whoever wants to begin a file where too many wait is patient with the former, and refuses
//! because of the latter.

use tokio::sync::watch;

use crate::store::StoreError;

#[derive(Debug, Default)]
pub(crate) struct Waits(watch::Sender<Counts>);

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    first: usize,
    failed: usize,
}

impl Counts {
    fn all(self) -> usize {
        self.first + self.failed
    }
}

/// One file that waits, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Waiting {
    counts: watch::Sender<Counts>,
    failed: bool,
}

impl Waits {
    /// A file that is ended for the first time.
    pub(crate) fn first(&self) -> Waiting {
        self.0.send_modify(|counts| counts.first += 1);
        Waiting {
            counts: self.0.clone(),
            failed: false,
        }
    }

    /// A file that failed.
    pub(crate) fn failed(&self) -> Waiting {
        let mut waiting = self.first();
        waiting.fail();
        waiting
    }

    /// How many files wait.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().all()
    }

    /// Returns when fewer than `most` wait.
    ///
    /// # Errors
    /// So many failed.
    pub(crate) async fn room(&self, most: usize) -> Result<(), StoreError> {
        self.until(|counts| counts.all() < most || counts.first == 0)
            .await;
        match self.count() {
            waiting if waiting >= most => Err(StoreError::TooMany(waiting)),
            _ => Ok(()),
        }
    }

    /// Returns when all have ended or failed.
    pub(crate) async fn tried(&self) {
        self.until(|counts| counts.first == 0).await;
    }

    /// Returns when all have ended.
    pub(crate) async fn ended(&self) {
        self.until(|counts| counts.all() == 0).await;
    }

    async fn until(&self, enough: impl Fn(&Counts) -> bool) {
        // Its sender is here, so there always is an answer.
        self.0.subscribe().wait_for(enough).await.map(drop).ok();
    }
}

impl Waiting {
    /// Notes that its first try failed.
    pub(crate) fn fail(&mut self) {
        if !std::mem::replace(&mut self.failed, true) {
            self.counts.send_modify(|counts| {
                counts.first = counts.first.saturating_sub(1);
                counts.failed += 1;
            });
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.counts.send_modify(|counts| {
            let count = match self.failed {
                true => &mut counts.failed,
                false => &mut counts.first,
            };
            *count = count.saturating_sub(1);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_patience_with_a_first_try_and_none_with_a_failure() {
        let waits = Waits::default();
        let mut one = waits.first();
        let two = waits.failed();
        assert_eq!(waits.count(), 2);
        waits.room(3).await.unwrap();
        let room = waits.room(2);
        let fail = async { one.fail() };
        let (refused, ()) = tokio::join!(biased; room, fail);
        assert!(matches!(refused, Err(StoreError::TooMany(2))));
        waits.tried().await;
        drop(two);
        waits.room(2).await.unwrap();
        drop(one);
        waits.ended().await;
        assert_eq!(waits.count(), 0);
    }
}
