//! What a lane does about a batch that was not delivered, by who is to blame.
//!
//! | to blame | then |
//! |---|---|
//! | the place | all that is under way goes back to the channel, and the group hears of it |
//! | some events | these are [set aside](super::aside), the rest goes on, or is delivered already |
//! | either | a [`search`] finds out, with nothing else under way |

use flume_core::{Blame, EventDeliveryError, Status, TakeTransaction};

use super::failed::Failed;
use super::mode::LaneMode;
use super::search::search;
use super::takes::Takes;

impl LaneMode {
    /// Delivers or sends the next batch, if there is one.
    pub(super) async fn deliver_next(
        &mut self,
        takes: &mut Takes,
    ) -> Result<Status, EventDeliveryError> {
        if takes.try_is_due() {
            Box::pin(self.try_aside(takes)).await?;
        }
        match self.next(takes).await {
            Ok(status) => Ok(status),
            Err(failed) => Box::pin(self.answer_for(failed, takes)).await,
        }
    }

    async fn answer_for(
        &mut self,
        mut failed: Failed,
        takes: &mut Takes,
    ) -> Result<Status, EventDeliveryError> {
        loop {
            if let Some(batch) = failed.batch.take() {
                let (batch, error) = takes.commit_rest(batch, failed.error).await;
                failed = Failed::with(batch, error);
            }
            let error = match (failed.error.blame(), failed.batch) {
                (Blame::Events(_), Some(batch)) => match takes.condemn(batch, failed.error).await {
                    Ok(_goes_back) => None,
                    Err((_goes_back, error)) => Some(error),
                },
                (Blame::Batch, batch) => {
                    // Newest first.
                    drop(batch);
                    self.roll_back();
                    return self.search_next(failed.error, takes).await;
                }
                (_, _goes_back) => Some(failed.error),
            };
            if let Some(error) = error {
                return Err(error);
            }
            match self.next(takes).await {
                Ok(status) => return Ok(status),
                Err(again) => failed = again,
            }
        }
    }

    /// Searches the next batch, with nothing else under way.
    async fn search_next(
        &mut self,
        error: EventDeliveryError,
        takes: &mut Takes,
    ) -> Result<Status, EventDeliveryError> {
        let most = takes.most(self.sink().batch_size());
        let Some(batch) = takes.take(most) else {
            return Err(error);
        };
        match search(self.sink_mut(), batch, error, takes).await {
            Ok(()) => Ok(Status::Ready),
            Err((_goes_back, error)) => Err(error),
        }
    }

    /// Delivers a batch that has failed, without the events that are to blame.
    ///
    /// # Errors
    /// The place is to blame: the batch if it is still whole, and the reason.
    pub(super) async fn answer_here(
        &mut self,
        mut batch: TakeTransaction,
        mut error: EventDeliveryError,
        takes: &mut Takes,
    ) -> Result<(), (Option<TakeTransaction>, EventDeliveryError)> {
        let whole = batch.events().len();
        loop {
            (batch, error) = takes.commit_rest(batch, error).await;
            let failed = match error.blame() {
                Blame::Place => (Some(batch), error),
                Blame::Batch => match search(self.sink_mut(), batch, error, takes).await {
                    Ok(()) => return Ok(()),
                    Err(failed) => failed,
                },
                Blame::Events(_) | Blame::Refused(_) => match takes.condemn(batch, error).await {
                    Ok(rest) if rest.events().is_empty() => return Ok(()),
                    Ok(rest) => {
                        batch = rest;
                        match self.sink_mut().deliver(batch.events()).await {
                            Ok(()) => {
                                takes.commit(batch).await;
                                return Ok(());
                            }
                            Err(again) => error = again,
                        }
                        continue;
                    }
                    Err((batch, error)) => (Some(batch), error),
                },
            };
            let left = failed.0.as_ref().map_or(0, |batch| batch.events().len());
            return if left < whole { Ok(()) } else { Err(failed) };
        }
    }

    /// Has the sink deliver an event that is aside. Nothing is under way, unless it is held back.
    async fn deliver_aside(
        &mut self,
        at: usize,
        takes: &mut Takes,
    ) -> Result<(), EventDeliveryError> {
        if let Self::Gathering(mode) = self {
            return mode.deliver_aside(at, takes).await;
        }
        self.sink_mut().deliver(takes.aside(at)).await?;
        if let Some(event) = takes.end_aside(at) {
            takes.commit(event).await;
        }
        Ok(())
    }

    /// Tries an event that is aside.
    ///
    /// # Errors
    /// The place is to blame.
    pub(super) async fn try_aside(&mut self, takes: &mut Takes) -> Result<(), EventDeliveryError> {
        if let Self::Pipelined(_) = self {
            // If it fails, nothing else is to fail with it.
            self.drain(takes).await?;
        }
        let Some(at) = takes.begin_try() else {
            return Ok(());
        };
        match self.deliver_aside(at, takes).await {
            Ok(()) => Ok(()),
            Err(error) => {
                if !matches!(error.blame(), Blame::Events(_) | Blame::Refused(_)) {
                    self.roll_back();
                }
                takes.tried(at, error).await
            }
        }
    }

    /// Has everything that is under way delivered.
    pub(super) async fn drain(&mut self, takes: &mut Takes) -> Result<(), EventDeliveryError> {
        loop {
            let drained = match self {
                Self::Single(_) => Ok(()),
                Self::Pipelined(mode) => mode.drain(takes).await,
                Self::Gathering(mode) => mode.drain(takes).await.map_err(Failed::from),
            };
            let Err(Failed { batch, error }) = drained else {
                return Ok(());
            };
            let Some(batch) = batch else {
                return Err(error);
            };
            let (batch, error) = takes.commit_rest(batch, error).await;
            let condemned = takes.condemn(batch, error).await;
            condemned.map_err(|(_, error)| error)?;
        }
    }
}
