//! A put of single events in progress: it owns what has left the interceptors and is in no channel
//! yet, and knows where each event stood in what the source gave.
//!
//! | the event at the front | [`PutInProgress::advance`] |
//! |---|---|
//! | fits | puts it, and all after it that fit at once |
//! | does not fit | if it is the first: waits as its channel says; then puts it, or says why not |
//! | was refused by an interceptor | says why |
//! | was refused by an interceptor for now, as it was said before | has it go on from that interceptor |
//!
//! A refused event stays at the front until [`PutInProgress::skip`]: the source may offer it again,
//! as it left the interceptors. No method hands events back.

use std::sync::Arc;
use std::vec;

use super::{ChannelProcessor, ProcessError, copies, reserve_all, to_all};
use crate::channel::Channel;
use crate::event::Event;
use crate::interceptor::{Batch, InterceptorError, Passed, Waiting};
use crate::transaction::{NotCommitted, ReservedFront, commit_all};

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
    /// What was refused on the way to the channels, in the order of places: by an interceptor, or by a
    /// durable channel to which one wanted to send it.
    refused: vec::IntoIter<(usize, ProcessError)>,
    /// What of it was refused for now, in the order of places.
    waiting: Vec<Waiting>,
    /// Whether the event at the front was refused by an interceptor, and the source knows.
    is_told: bool,
    /// The channel that refused the event at the front.
    refused_by: Option<Arc<dyn Channel>>,
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
            waiting: Vec::new(),
            is_told: false,
            refused_by: None,
            total,
            answered: 0,
        }
    }

    pub(super) async fn intercepted(
        processor: &'a ChannelProcessor,
        mut batch: Batch,
        total: usize,
    ) -> Self {
        // Each event is answered for itself, so what goes elsewhere waits for no other.
        if let Err(failed) = commit_all(batch.take_aside()).await {
            return Self {
                refused: all_refused(0..total, failed).into_iter(),
                total,
                ..Self::new(processor, Vec::new())
            };
        }
        let passed = batch.into_parts();
        Self {
            events: passed.events.into_iter(),
            origins: passed.origins,
            refused: refusals(passed.refused).collect::<Vec<_>>().into_iter(),
            waiting: passed.waiting,
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
        if self.is_told {
            self.resume().await;
        }
        self.refused_by = None;
        let refused = match self.refusal() {
            Some(error) => Some(error),
            None => self.put().await.err(),
        };
        self.is_told = matches!(refused, Some(ProcessError::Interceptor(_)));
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
        self.waiting
            .retain(|waiting| waiting.origin > self.answered);
        if let Some(channel) = self.refused_by.take() {
            channel.counters().event_put_attempt.increment();
        }
        self.is_told = false;
        self.answered += 1;
    }

    /// Has the event at the front go on through the interceptors, if one refused it for now, and all
    /// that wait for the same one.
    async fn resume(&mut self) {
        let front = self.front();
        if self.waiting.first().map(|first| first.origin) != Some(front) {
            return;
        }
        let mut resumed: Vec<usize> = self.waiting.iter().map(|it| it.origin).collect();
        let chain = &self.processor.interceptors;
        let mut batch = chain.resume(&mut self.waiting).await;
        let committed = commit_all(batch.take_aside()).await;
        let left = &self.waiting;
        let is_left = |origin: &usize| left.binary_search_by_key(origin, |it| it.origin).is_ok();
        resumed.retain(|origin| !is_left(origin));
        match committed {
            Ok(()) => self.merge(batch.into_parts(), &resumed),
            Err(failed) => self.refuse(all_refused(resumed.iter().copied(), failed), &resumed),
        }
    }

    /// Some events are refused now, or not any more.
    fn refuse(&mut self, now: impl IntoIterator<Item = (usize, ProcessError)>, before: &[usize]) {
        let mut refused: Vec<_> = self.refused.by_ref().collect();
        refused.retain(|(origin, _)| before.binary_search(origin).is_err());
        refused.extend(now);
        refused.sort_by_key(|(origin, _)| *origin);
        self.refused = refused.into_iter();
    }

    /// Takes in what has become of events that were refused before.
    fn merge(&mut self, passed: Passed, resumed: &[usize]) {
        self.refuse(refusals(passed.refused), resumed);
        self.waiting.extend(passed.waiting);
        self.waiting.sort_by_key(|waiting| waiting.origin);
        let origins = self.origins.split_off(self.gone.min(self.origins.len()));
        let mut events: Vec<(usize, Event)> =
            origins.into_iter().zip(self.events.by_ref()).collect();
        events.extend(passed.origins.into_iter().zip(passed.events));
        events.sort_by_key(|(origin, _)| *origin);
        let (origins, events): (Vec<usize>, Vec<Event>) = events.into_iter().unzip();
        (self.origins, self.events, self.gone) = (origins, events.into_iter(), 0);
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

    /// Why the event at the front was refused before it came to its channels, if it was.
    fn refusal(&self) -> Option<ProcessError> {
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

    async fn put(&mut self) -> Result<(), ProcessError> {
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
                reserved.commit().await?;
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
                let reserved = match reserve_all(shares, Vec::new()).await {
                    Ok(reserved) => reserved,
                    Err(refused) => {
                        self.refused_by = Some(Arc::clone(refused.channel));
                        return Err(refused.into());
                    }
                };
                commit_all(reserved).await?;
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

/// What interceptors refused.
fn refusals(
    refused: Vec<(usize, InterceptorError)>,
) -> impl Iterator<Item = (usize, ProcessError)> {
    let refused = refused.into_iter();
    refused.map(|(origin, error)| (origin, error.into()))
}

/// All of these, because what interceptors set aside of them could not be kept.
fn all_refused(
    origins: impl Iterator<Item = usize>,
    failed: NotCommitted,
) -> Vec<(usize, ProcessError)> {
    let error = ProcessError::from(failed);
    origins.map(|origin| (origin, error.clone())).collect()
}
