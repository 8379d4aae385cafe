//! Interceptors: they edit or drop events between a source and its channels.
//!
//! Law: never more events out than in. [`Batch`] keeps it by having no way to add one, and it
//! remembers which of the original events are left, so that a source can answer each client line.

use crate::event::Event;
use crate::gate::{Gate, Turn};

/// The events of one put, on their way through the chain.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<Event>,
    /// Original position of each event; empty while nothing was dropped.
    origins: Vec<usize>,
}

impl Batch {
    /// A batch with all its events.
    pub fn new(events: Vec<Event>) -> Self {
        Self {
            events,
            origins: Vec::new(),
        }
    }

    /// The events that are left.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The events that are left, for editing.
    pub fn events_mut(&mut self) -> &mut [Event] {
        &mut self.events
    }

    /// Keeps and edits events: those for which `keep` says false are dropped.
    ///
    /// # Errors
    /// The first error of `keep`; the batch is in an unspecified, but valid, state.
    pub fn try_retain<E>(
        &mut self,
        mut keep: impl FnMut(&mut Event) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut mask = Vec::with_capacity(self.events.len());
        for event in &mut self.events {
            mask.push(keep(event)?);
        }
        if mask.iter().all(|kept| *kept) {
            return Ok(());
        }
        if self.origins.is_empty() {
            self.origins = (0..self.events.len()).collect();
        }
        let mut kept = mask.iter();
        self.events
            .retain(|_| kept.next().copied().unwrap_or(false));
        let mut kept = mask.iter();
        self.origins
            .retain(|_| kept.next().copied().unwrap_or(false));
        Ok(())
    }

    /// Keeps and edits events: those for which `keep` says false are dropped.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Event) -> bool) {
        let kept: Result<(), std::convert::Infallible> = self.try_retain(|event| Ok(keep(event)));
        match kept {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// The place that an event of this batch had before any was dropped.
    pub fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or(at)
    }

    /// The events that are left.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }
}

/// Edits or drops events, a batch at a time.
///
/// One instance serves all connections of its source, so it takes `&self`.
///
/// ```
/// use flume_core::{Batch, Event, Interceptor, InterceptorError};
///
/// /// Drops events with an empty body.
/// struct NotEmpty;
///
/// impl Interceptor for NotEmpty {
///     fn name(&self) -> &str {
///         "not_empty"
///     }
///     fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
///         batch.retain(|event| !event.body.is_empty());
///         Ok(())
///     }
/// }
///
/// let mut batch = Batch::new(vec![Event::new("a"), Event::new("")]);
/// NotEmpty.intercept(&mut batch).unwrap();
/// assert_eq!(batch.events(), [Event::new("a")]);
/// ```
pub trait Interceptor: Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &str;

    /// Edits the batch.
    ///
    /// # Errors
    /// No event of the batch goes on; the source tries them one by one to find the culprit.
    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError>;

    /// Where batches wait for their turn, if they have to.
    fn gate(&self) -> Option<&Gate> {
        None
    }
}

/// An interceptor could not do its work on an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("interceptor {interceptor}: {message}")]
pub struct InterceptorError {
    /// The interceptor's name.
    pub interceptor: String,
    /// What went wrong.
    pub message: String,
}

/// The interceptors of a source, in the order of its list.
#[derive(Default)]
pub struct InterceptorChain(Vec<Box<dyn Interceptor>>);

impl InterceptorChain {
    /// A chain of these interceptors.
    pub fn new(interceptors: Vec<Box<dyn Interceptor>>) -> Self {
        Self(interceptors)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits until the batch may come: see [`Gate`]. What comes back is held until it has been
    /// through.
    pub async fn turn(&self) -> Vec<Turn<'_>> {
        let mut turns = Vec::new();
        for gate in self.0.iter().filter_map(|interceptor| interceptor.gate()) {
            turns.push(gate.pass().await);
        }
        turns
    }

    /// Runs the batch through all of them.
    ///
    /// # Errors
    /// The first error; later interceptors do not run.
    pub fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        self.0
            .iter()
            .try_for_each(|interceptor| interceptor.intercept(batch))
    }
}

impl std::fmt::Debug for InterceptorChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|interceptor| interceptor.name()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_remembers_where_its_events_stood() {
        let mut batch = Batch::new(["a", "b", "c", "d"].map(Event::new).to_vec());
        batch.retain(|event| event.body != "b");
        batch.retain(|event| event.body != "c");
        assert_eq!(batch.events(), ["a", "d"].map(Event::new));
        assert_eq!((batch.origin(0), batch.origin(1)), (0, 3));
    }
}
