//! Counts the files that are still to be closed and renamed, and waits for them.
//!
//! | a file | is pending until |
//! |---|---|
//! | that is synced, in its first attempt | the store answers: not for long |
//! | that failed | the store works again: perhaps for ever |
//!
//! Where too many files are pending, a new file waits for the first kind, and is refused because of
//! the second.

use tokio::sync::watch;

use crate::store::StoreError;

#[derive(Debug, Default)]
pub(crate) struct PendingEnds(watch::Sender<Counts>);

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

/// One pending file, until this is dropped.
#[derive(Debug)]
pub(crate) struct PendingEnd {
    counts: watch::Sender<Counts>,
    failed: bool,
}

impl PendingEnds {
    /// Counts a file in its first attempt.
    pub(crate) fn first(&self) -> PendingEnd {
        self.0.send_modify(|counts| counts.first += 1);
        PendingEnd {
            counts: self.0.clone(),
            failed: false,
        }
    }

    /// Counts a file that failed.
    pub(crate) fn failed(&self) -> PendingEnd {
        let mut file = self.first();
        file.fail();
        file
    }

    /// How many files are pending.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().all()
    }

    /// Waits until fewer than `most` files are pending.
    ///
    /// # Errors
    /// `most` or more have failed: waiting might never end.
    pub(crate) async fn room(&self, most: usize) -> Result<(), StoreError> {
        self.until(|counts| counts.all() < most || counts.first == 0)
            .await;
        match self.count() {
            pending if pending >= most => Err(StoreError::TooMany(pending)),
            _ => Ok(()),
        }
    }

    /// Waits until every first attempt is over.
    pub(crate) async fn tried(&self) {
        self.until(|counts| counts.first == 0).await;
    }

    /// Waits until no file is pending.
    pub(crate) async fn ended(&self) {
        self.until(|counts| counts.all() == 0).await;
    }

    async fn until(&self, enough: impl Fn(&Counts) -> bool) {
        // Fails only without a sender, and that is in `self`.
        self.0.subscribe().wait_for(enough).await.map(drop).ok();
    }
}

impl PendingEnd {
    /// Notes that the first attempt failed.
    pub(crate) fn fail(&mut self) {
        if !std::mem::replace(&mut self.failed, true) {
            self.counts.send_modify(|counts| {
                counts.first = counts.first.saturating_sub(1);
                counts.failed += 1;
            });
        }
    }
}

impl Drop for PendingEnd {
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
        let pending = PendingEnds::default();
        let mut one = pending.first();
        let two = pending.failed();
        assert_eq!(pending.count(), 2);
        pending.room(3).await.unwrap();
        let room = pending.room(2);
        let fail = async { one.fail() };
        let (refused, ()) = tokio::join!(biased; room, fail);
        assert!(matches!(refused, Err(StoreError::TooMany(2))));
        pending.tried().await;
        drop(two);
        pending.room(2).await.unwrap();
        drop(one);
        pending.ended().await;
        assert_eq!(pending.count(), 0);
    }
}
