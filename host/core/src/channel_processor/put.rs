//! A put of single events in progress: it owns what has left the interceptors and is in no channel
//! yet, and knows where each event stood in what the source gave.
//!
//! | the event at the front | [`PutInProgress::advance`] |
//! |---|---|
//! | fits | puts it, and all after it that fit at once |
//! | does not fit | if it is the first: waits as its channel says; then puts it, or says why not |
//! | was refused by an interceptor | says why |
//!
//! A refused event stays at the front until [`PutInProgress::skip`]: the source may offer it again,
//! as it left the interceptors. No method hands events back.

use std::vec;

use super::{ChannelProcessor, ProcessError, copies, reserve_all, to_all};
use crate::channel::ChannelError;
use crate::event::Event;
use crate::interceptor::{Batch, InterceptorError};
use crate::transaction::{ReservedFront, ReservedPut};

/// What one [`PutInProgress::advance`] came to.
#[derive(Debug)]
pub struct Progress {
    /// How many more events were accepted, those that interceptors dropped among them.
    pub accepted: usize,
    /// Why the event at the front was refused.
    pub refused: Option<ProcessError>,
}

/// Events of a source on their way into its channels, each for itself.
///
/// Dropped, it forgets the events that are in no channel yet. The same is true while `advance`
/// waits, so it may be dropped at any point.
pub struct PutInProgress<'a> {
    processor: &'a ChannelProcessor,
    /// What left the interceptors and is in no channel yet.
    events: vec::IntoIter<Event>,
    /// The places of all that left the interceptors; empty if each is at its own.
    origins: Vec<usize>,
    /// How many have gone out of `events`.
    gone: usize,
    /// What interceptors refused, in the order of places.
    refused: vec::IntoIter<(usize, InterceptorError)>,
    /// How many events there were.
    total: usize,
    /// How many of them, from the first, are accepted or skipped.
    answered: usize,
}

impl<'a> PutInProgress<'a> {
    pub(super) fn new(processor: &'a ChannelProcessor, events: Vec<Event>) -> Self {
        let total = events.len();
        Self {
            processor,
            events: events.into_iter(),
            origins: Vec::new(),
            gone: 0,
            refused: Vec::new().into_iter(),
            total,
            answered: 0,
        }
    }

    pub(super) fn intercepted(
        processor: &'a ChannelProcessor,
        mut batch: Batch,
        total: usize,
    ) -> Self {
        // Each event is answered for itself, so what goes elsewhere waits for no other.
        batch.take_aside().into_iter().for_each(ReservedPut::commit);
        let (events, origins, refused) = batch.into_parts();
        Self {
            events: events.into_iter(),
            origins,
            refused: refused.into_iter(),
            total,
            ..Self::new(processor, Vec::new())
        }
    }

    /// Whether every event is accepted or skipped.
    pub fn is_complete(&self) -> bool {
        self.answered == self.total
    }

    /// The place, among all events, of the one at the front.
    pub fn place(&self) -> usize {
        self.answered
    }

    /// Puts all that fits at once, or else one event, with the wait that the channel allows. So no
    /// answer to one event waits for the room of a later one.
    pub async fn advance(&mut self) -> Progress {
        let refused = match self.refusal() {
            Some(error) => Some(error.into()),
            None => self.put().await.err().map(ProcessError::from),
        };
        let front = self.front();
        let accepted = front - self.answered;
        self.answered = front;
        Progress { accepted, refused }
    }

    /// Gives up the event at the front, which was refused.
    pub fn skip(&mut self) {
        if self.is_complete() {
            return;
        }
        match self.refused.as_slice().first() {
            Some((place, _)) if *place == self.answered => drop(self.refused.next()),
            _ => drop(self.next()),
        }
        self.answered += 1;
    }

    /// The place of the first event that is neither in its channels nor dropped.
    fn front(&self) -> usize {
        let refused = self.refused.as_slice().first();
        let refused = refused.map_or(self.total, |(place, _)| *place);
        match self.events.as_slice() {
            [] => refused,
            _ => refused.min(self.origins.get(self.gone).copied().unwrap_or(self.gone)),
        }
    }

    /// Why an interceptor refused the event at the front, if one did.
    fn refusal(&self) -> Option<InterceptorError> {
        let (place, error) = self.refused.as_slice().first()?;
        (*place == self.front()).then(|| error.clone())
    }

    /// How many events are left before the next that an interceptor refused.
    fn run(&self) -> usize {
        let left = self.events.len();
        match self.refused.as_slice().first() {
            None => left,
            Some((place, _)) => {
                let origins = self.origins.get(self.gone..).unwrap_or_default();
                origins.partition_point(|origin| origin < place).min(left)
            }
        }
    }

    fn next(&mut self) -> Option<Event> {
        let event = self.events.next();
        self.gone += usize::from(event.is_some());
        event
    }

    async fn put(&mut self) -> Result<(), ChannelError> {
        let processor = self.processor;
        let mut left = self.run();
        let mut is_first = true;
        while let (Some(first), true) = (self.events.as_slice().first(), left > 0) {
            let selection = processor.selector.select(first);
            let events = self.events.as_slice();
            let run = processor.run_length(events.get(..left).unwrap_or(events), &selection);
            let required = processor.targets(selection.required);
            let optional = processor.targets(selection.optional);
            let reserved = ReservedFront::reserve(&required, &mut self.events, run);
            let fitting = reserved.events().len();
            let copies = if fitting > 0 {
                let copies = copies(optional, reserved.events());
                reserved.commit();
                self.gone += fitting;
                left -= fitting;
                copies
            } else {
                drop(reserved);
                let Some(head) = self.events.as_slice().first().filter(|_| is_first) else {
                    break;
                };
                let copies = copies(optional, std::slice::from_ref(head));
                let shares = to_all(required, vec![head.clone()]);
                let reserved = reserve_all(shares, Vec::new()).await?;
                reserved.into_iter().for_each(ReservedPut::commit);
                self.next();
                left -= 1;
                copies
            };
            is_first = false;
            processor.put_optional(copies);
        }
        Ok(())
    }
}
