//! The end of a transaction, which may have to wait for a disk.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ChannelError;

/// What is left of a commit once it was begun: nothing, or a wait. Dropping it does not undo the
/// commit, and nobody learns then whether it went well.
#[must_use = "a commit may fail"]
pub enum Commit {
    /// It is done.
    Done,
    /// It is done when this is.
    Waits(Pin<Box<dyn Future<Output = Result<(), ChannelError>> + Send>>),
}

impl Commit {
    /// A commit that waits for this.
    pub fn waits(until: impl Future<Output = Result<(), ChannelError>> + Send + 'static) -> Self {
        Self::Waits(Box::pin(until))
    }

    /// Whether there is nothing to wait for.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

impl Future for Commit {
    type Output = Result<(), ChannelError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done => Poll::Ready(Ok(())),
            Self::Waits(until) => until.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Waits(_) => "Waits",
        })
    }
}
