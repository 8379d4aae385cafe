//! Interceptors: they edit or drop events between a source and its channels.
//!
//! Two laws. There are never more events out than in: [`Batch`] has no way to add one. An event
//! passes the chain once: what an interceptor has edited, dropped or refused is not shown to it
//! again, whatever becomes of the other events and however long a channel has no room. So an
//! interceptor may remember what it has seen. Only an event that it refused for now is shown to it
//! once more, and not to those before it. (A client that sends a refused event again sends a new
//! one.)
//!
//! A batch remembers where its events stood, so that a source can answer each line of a client.

use std::sync::Arc;

use crate::counters::Counter;
use crate::event::Event;
use crate::gate::{Gate, Turn};
use crate::transaction::ReservedPut;

/// The events of one put, on their way through the chain.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<Event>,
    /// Original position of each event; empty while each is at its own.
    origins: Vec<usize>,
    /// Events that could not be handled, by their original position.
    refused: Vec<(usize, InterceptorError)>,
    /// Those of them that are refused only for now.
    waiting: Vec<Waiting>,
    /// The interceptor that has the batch, by its place in the chain.
    link: usize,
    /// Room for events that go elsewhere.
    aside: Vec<ReservedPut>,
}

/// An event that an interceptor refused for now.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Its original position.
    pub(crate) origin: usize,
    pub(crate) event: Event,
    /// The place of the interceptor in its chain.
    link: usize,
}

/// What has left the chain.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) events: Vec<Event>,
    /// The places that they had; none if each is at its own.
    pub(crate) origins: Vec<usize>,
    /// What was refused, by its place.
    pub(crate) refused: Vec<(usize, InterceptorError)>,
    /// What can go on later, by its place.
    pub(crate) waiting: Vec<Waiting>,
}

impl Batch {
    /// A batch with all its events.
    pub fn new(events: Vec<Event>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    /// The events that are left.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Events that were not dropped: those that are left, were refused, or go elsewhere.
    fn kept(&self) -> usize {
        let aside: usize = self.aside.iter().map(ReservedPut::len).sum();
        self.events.len() + self.refused.len() + aside
    }

    /// The events that are left, for editing.
    pub fn events_mut(&mut self) -> &mut [Event] {
        &mut self.events
    }

    /// Keeps and edits events. Those for which `keep` says false are dropped; those for which it
    /// fails are refused, and the others go on without them. What is refused for now must be as it
    /// came.
    pub fn try_retain(
        &mut self,
        mut keep: impl FnMut(&mut Event) -> Result<bool, InterceptorError>,
    ) {
        let mut mask = Vec::with_capacity(self.events.len());
        for (at, event) in self.events.iter_mut().enumerate() {
            mask.push(match keep(event) {
                Ok(kept) => kept,
                Err(error) => {
                    let origin = self.origins.get(at).copied().unwrap_or(at);
                    if error.is_transient {
                        self.waiting.push(Waiting {
                            origin,
                            event: std::mem::take(event),
                            link: self.link,
                        });
                    }
                    self.refused.push((origin, error));
                    false
                }
            });
        }
        self.keep_those(&mask);
    }

    /// Edits events; those for which `edit` fails are refused, and the others go on without them.
    pub fn try_edit(&mut self, mut edit: impl FnMut(&mut Event) -> Result<(), InterceptorError>) {
        self.try_retain(|event| edit(event).map(|()| true));
    }

    /// Keeps and edits events; those for which `keep` returns false are dropped.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Event) -> bool) {
        self.try_retain(|event| Ok(keep(event)));
    }

    /// Has events put elsewhere once the batch is accepted.
    pub fn set_aside(&mut self, puts: impl IntoIterator<Item = ReservedPut>) {
        self.aside.extend(puts);
    }

    /// What was set aside, to be committed by whoever accepts the batch.
    pub fn take_aside(&mut self) -> Vec<ReservedPut> {
        std::mem::take(&mut self.aside)
    }

    /// The place that an event of this batch had before any left it.
    pub fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or(at)
    }

    /// The events that could not be handled, by the place that they had, and why.
    pub fn refused(&self) -> &[(usize, InterceptorError)] {
        &self.refused
    }

    /// The events that are left.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// All that has not been dropped, each part in order.
    pub(crate) fn into_parts(mut self) -> Passed {
        self.refused.sort_by_key(|(origin, _)| *origin);
        self.waiting.sort_by_key(|waiting| waiting.origin);
        Passed {
            events: self.events,
            origins: self.origins,
            refused: self.refused,
            waiting: self.waiting,
        }
    }

    fn keep_those(&mut self, mask: &[bool]) {
        if mask.iter().all(|kept| *kept) {
            return;
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

    /// Edits the batch. An event that cannot be handled is refused alone, by
    /// [`Batch::try_retain`] or [`Batch::try_edit`].
    ///
    /// # Errors
    /// None of the events can be handled: all that are left in the batch are refused.
    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError>;

    /// The gate at which batches wait for their turn, if there is one.
    fn gate(&self) -> Option<&Gate> {
        None
    }
}

/// A batch's turn at every gate of a chain; those of the next one come when it is dropped.
#[derive(Debug)]
pub struct Turns<'a> {
    _all: Vec<Turn<'a>>,
}

/// An interceptor could not do its work on an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("interceptor {interceptor}: {message}")]
pub struct InterceptorError {
    /// The interceptor's name.
    pub interceptor: String,
    /// What went wrong.
    pub message: String,
    /// Whether it may work later, on the same event.
    pub is_transient: bool,
}

impl InterceptorError {
    /// It cannot handle this event, now or later.
    pub fn never(interceptor: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            interceptor: interceptor.into(),
            message: message.into(),
            is_transient: false,
        }
    }

    /// It has not handled this event, and may do so later: it rests, say. The event is as it came.
    pub fn later(interceptor: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            is_transient: true,
            ..Self::never(interceptor, message)
        }
    }
}

/// The interceptors of a source, in the order of its list, each with the number of events that it
/// dropped.
#[derive(Default)]
pub struct InterceptorChain(Vec<(Box<dyn Interceptor>, Arc<Counter>)>);

impl InterceptorChain {
    /// A chain of these interceptors.
    pub fn new(interceptors: Vec<Box<dyn Interceptor>>) -> Self {
        let interceptors = interceptors.into_iter();
        Self::counting(interceptors.map(|each| (each, Arc::default())).collect())
    }

    /// The same, with counters that are known elsewhere.
    pub fn counting(interceptors: Vec<(Box<dyn Interceptor>, Arc<Counter>)>) -> Self {
        Self(interceptors)
    }

    /// Whether there are no interceptors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes events through all interceptors, once. Waits for their [gates](Gate) first.
    pub async fn pass(&self, events: Vec<Event>) -> Batch {
        self.pass_with(self.turns().await, events)
    }

    /// Waits for a turn at every gate.
    pub async fn turns(&self) -> Turns<'_> {
        let mut turns = Vec::new();
        for gate in self.gates() {
            turns.push(gate.pass().await);
        }
        Turns { _all: turns }
    }

    /// Waits for a turn at every gate as long as all are open; `None` once one is closed.
    pub async fn turns_if_open(&self) -> Option<Turns<'_>> {
        let mut turns = Vec::new();
        for gate in self.gates() {
            turns.push(gate.pass_if_open().await?);
        }
        Some(Turns { _all: turns })
    }

    fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.0.iter().filter_map(|(known, _)| known.gate())
    }

    /// Takes events through all interceptors, once, in the turns that they have.
    pub fn pass_with(&self, turns: Turns<'_>, events: Vec<Event>) -> Batch {
        self.pass_from(0, turns, Batch::new(events))
    }

    /// Takes the first of the events that wait, and all others that wait for the same interceptor,
    /// on from there.
    pub(crate) async fn resume(&self, waiting: &mut Vec<Waiting>) -> Batch {
        let turns = self.turns().await;
        let Some(link) = waiting.first().map(|first| first.link) else {
            return Batch::default();
        };
        let mut batch = Batch::default();
        for next in waiting.extract_if(.., |next| next.link == link) {
            batch.events.push(next.event);
            batch.origins.push(next.origin);
        }
        self.pass_from(link, turns, batch)
    }

    fn pass_from(&self, first: usize, _turns: Turns<'_>, mut batch: Batch) -> Batch {
        for (link, (interceptor, dropped)) in self.0.iter().enumerate().skip(first) {
            batch.link = link;
            let before = batch.kept();
            if let Err(error) = interceptor.intercept(&mut batch) {
                batch.try_retain(|_| Err(error.clone()));
            }
            dropped.add(before.saturating_sub(batch.kept()));
        }
        batch
    }
}

impl std::fmt::Debug for InterceptorChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(interceptor, _)| interceptor.name()))
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

    #[test]
    fn a_refused_event_leaves_the_batch_with_its_place() {
        let error = |message: &str| InterceptorError::never("i1", message);
        let mut batch = Batch::new(["a", "b", "c", "d"].map(Event::new).to_vec());
        batch.try_retain(|event| match event.body.as_ref() {
            b"d" => Err(error("no d")),
            body => Ok(body != b"a"),
        });
        batch.try_edit(|event| match event.body.as_ref() {
            b"b" => Err(error("no b")),
            _ => Ok(()),
        });
        let passed = batch.into_parts();
        assert_eq!(passed.events, [Event::new("c")]);
        assert_eq!(passed.origins, [2]);
        assert_eq!(passed.refused, [(1, error("no b")), (3, error("no d"))]);
    }

    /// Drops events whose body is this, and refuses those of another.
    struct Drops(&'static str, &'static str);

    impl Interceptor for Drops {
        fn name(&self) -> &str {
            "drops"
        }
        fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
            let error = InterceptorError::never("drops", "told to refuse");
            batch.try_retain(|event| match event.body {
                ref body if body == self.1 => Err(error.clone()),
                ref body => Ok(body != self.0),
            });
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_chain_counts_what_each_interceptor_drops_and_not_what_it_refuses() {
        let counters: [Arc<Counter>; 2] = Default::default();
        let links =
            [Drops("a", "x"), Drops("b", "y")].map(|drops| Box::new(drops) as Box<dyn Interceptor>);
        let chain = links.into_iter().zip(counters.iter().map(Arc::clone));
        let chain = InterceptorChain::counting(chain.collect());
        for _ in 0..2 {
            let batch = chain
                .pass(["a", "b", "a", "x", "y", "c"].map(Event::new).to_vec())
                .await;
            assert_eq!(batch.events(), [Event::new("c")]);
        }
        assert_eq!(counters.map(|counter| counter.get()), [4, 2]);
    }
}
