//! The channel processor: interceptors, then the channel selector, then the channels of a source.
//!
//! A put to several required channels reserves room in all of them before it commits to any, so a
//! refused event is in none: a client that sends it again makes no duplicate. Rooms are reserved in
//! one order everywhere (by channel name), so that two sources cannot each wait for the other.

use std::mem;
use std::sync::Arc;

use crate::channel::{Channel, ChannelError};
use crate::channel_selector::{ChannelIndex, ChannelSelector, Selection};
use crate::event::Event;
use crate::interceptor::{Batch, InterceptorChain, InterceptorError};
use crate::transaction::{PutTransaction, ReservedPut};

/// Why an event was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// A required channel refused.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// An interceptor failed.
    #[error(transparent)]
    Interceptor(#[from] InterceptorError),
}

impl ProcessError {
    /// Whether the same event can be accepted later without a change of configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Channel(error) if error.is_transient())
    }
}

/// How the events of one [`ChannelProcessor::process_each`] fared.
#[derive(Debug, Default)]
pub struct Outcomes {
    refused: Vec<(usize, ProcessError)>,
}

impl Outcomes {
    /// Whether every event was accepted.
    pub fn all_accepted(&self) -> bool {
        self.refused.is_empty()
    }

    /// The refused events, by their place in what was given, in order.
    pub fn refused(&self) -> &[(usize, ProcessError)] {
        &self.refused
    }
}

/// What one [`ChannelProcessor::process_front`] came to.
#[derive(Debug)]
pub struct Front {
    /// How many events were accepted or filtered, and taken off the front.
    pub dealt: usize,
    /// Why the event that is at the front now was refused.
    pub refused: Option<ProcessError>,
}

/// The way from a source into its channels.
pub struct ChannelProcessor {
    interceptors: InterceptorChain,
    selector: Box<dyn ChannelSelector>,
    channels: Vec<Arc<dyn Channel>>,
}

impl ChannelProcessor {
    /// A processor over the channels of a source, in the order of its `channels` list, which is
    /// what the selector's indices mean.
    pub fn new(
        interceptors: InterceptorChain,
        selector: Box<dyn ChannelSelector>,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        Self {
            interceptors,
            selector,
            channels,
        }
    }

    /// Puts a batch in one transaction for each channel: all of it is accepted, or nothing.
    ///
    /// # Errors
    /// An interceptor's error, or that of the first required channel that refuses.
    pub async fn process_batch(&self, events: Vec<Event>) -> Result<(), ProcessError> {
        let mut batch = Batch::new(events);
        let turn = self.interceptors.turn().await;
        self.interceptors.intercept(&mut batch)?;
        drop(turn);
        let (required, optional) = self.distribute(batch.into_events());
        let mut reserved = Vec::with_capacity(required.len());
        for (channel, events) in required {
            reserved.push(PutTransaction::of(channel, events)?.reserve().await?);
        }
        reserved.into_iter().for_each(ReservedPut::commit);
        put_optional(optional).await;
        Ok(())
    }

    /// Puts each event as if in a transaction of its own, in order. Those that fit at once go
    /// together; the first that does not waits as the channel says, and is then refused alone.
    pub async fn process_each(&self, mut events: Vec<Event>) -> Outcomes {
        let mut outcomes = Outcomes::default();
        let mut dealt = 0;
        while !events.is_empty() {
            let front = self.process_front(&mut events).await;
            dealt += front.dealt;
            if let Some(error) = front.refused {
                outcomes.refused.push((dealt, error));
                events.remove(0);
                dealt += 1;
            }
        }
        outcomes
    }

    /// Does the first part of [`Self::process_each`] and takes it off the front of `events`: all
    /// that fits at once, or else one event, with the wait that the channel allows. A refused event
    /// stays at the front, to be dropped or offered again; so a loop over this has to look.
    ///
    /// A source that answers each event uses this, so that no answer waits for the room of a later
    /// event. Dropped while it waits, it has not put the event that it waits for,
    /// and `events` is lost.
    pub async fn process_front(&self, events: &mut Vec<Event>) -> Front {
        let mut most = events.len();
        if self.interceptors.is_empty() {
            let (front, left) = self.put_front(mem::take(events), &[], most).await;
            *events = left;
            return front;
        }
        loop {
            let mut batch = Batch::new(events.get(..most).unwrap_or_default().to_vec());
            let turn = self.interceptors.turn().await;
            let intercepted = self.interceptors.intercept(&mut batch);
            drop(turn);
            let front = match intercepted {
                Ok(()) => {
                    let origins: Vec<usize> = (0..batch.events().len())
                        .map(|at| batch.origin(at))
                        .collect();
                    self.put_front(batch.into_events(), &origins, most).await.0
                }
                Err(error) if most <= 1 => Front {
                    dealt: 0,
                    refused: Some(error.into()),
                },
                // Somewhere in the batch is an event that cannot be handled: halve until it is
                // alone, or behind what can.
                Err(_) => {
                    most /= 2;
                    continue;
                }
            };
            // What stays is the original: an interceptor gets no event that it has edited before.
            events.drain(..front.dealt.min(events.len()));
            return front;
        }
    }

    /// Puts the first of these events and hands back the rest. They stood at `origins` (at their
    /// own places, if that is empty) among `total` events, and the others were filtered.
    async fn put_front(
        &self,
        events: Vec<Event>,
        origins: &[usize],
        total: usize,
    ) -> (Front, Vec<Event>) {
        let origin = |at: usize| origins.get(at).copied().unwrap_or(at);
        let mut rest = events.into_iter();
        let mut at = 0;
        while let Some(first) = rest.as_slice().first() {
            let selection = self.selector.select(first);
            let run = self.run_length(rest.as_slice(), &selection);
            let required = self.targets(selection.required);
            let fitting = fitting(&required, rest.as_slice().get(..run).unwrap_or_default());
            if fitting == 0 && at > 0 {
                return (
                    Front {
                        dealt: origin(at),
                        refused: None,
                    },
                    rest.collect(),
                );
            }
            let optional = self.targets(selection.optional);
            let head: Vec<Event> = rest.by_ref().take(fitting.max(1)).collect();
            let copies: Vec<_> = optional.iter().map(|c| (*c, head.clone())).collect();
            let size = head.len();
            if fitting > 0 {
                append_reserved(&required, head);
            } else if let Err(error) = put_waiting(&required, head.clone()).await {
                let left = head.into_iter().chain(rest).collect();
                let refused = Some(error.into());
                let dealt = origin(at);
                return (Front { dealt, refused }, left);
            }
            at += size;
            put_optional_each(copies).await;
        }
        (
            Front {
                dealt: total,
                refused: None,
            },
            Vec::new(),
        )
    }

    /// How many of the first events go the same way.
    fn run_length(&self, events: &[Event], selection: &Selection<'_>) -> usize {
        if self.selector.is_uniform() {
            return events.len();
        }
        events
            .iter()
            .take_while(|event| self.selector.select(event) == *selection)
            .count()
    }

    /// The channels of these indices, in the order in which rooms are reserved.
    fn targets(&self, indices: &[ChannelIndex]) -> Vec<&Arc<dyn Channel>> {
        let mut targets: Vec<_> = indices
            .iter()
            .filter_map(|i| self.channels.get(*i))
            .collect();
        if targets.len() > 1 {
            targets.sort_by(|a, b| a.name().cmp(b.name()));
            // Mirrored channels are one channel under several names.
            targets.dedup_by(|a, b| Arc::ptr_eq(a, b));
        }
        targets
    }

    /// Each channel with its events: required ones in the order of reservation, and optional ones.
    fn distribute(&self, events: Vec<Event>) -> (Put<'_>, Put<'_>) {
        let Some(first) = events.first() else {
            return (Vec::new(), Vec::new());
        };
        if self.selector.is_uniform() {
            let selection = self.selector.select(first);
            let optional = self
                .targets(selection.optional)
                .into_iter()
                .map(|c| (c, events.clone()));
            let optional = optional.collect();
            return (to_all(self.targets(selection.required), events), optional);
        }
        let (mut required, mut optional): (Put<'_>, Put<'_>) = (Vec::new(), Vec::new());
        for event in events {
            let selection = self.selector.select(&event);
            for channel in self.targets(selection.required) {
                add(&mut required, channel, event.clone());
            }
            for channel in self.targets(selection.optional) {
                add(&mut optional, channel, event.clone());
            }
        }
        required.sort_by(|(a, _), (b, _)| a.name().cmp(b.name()));
        (required, optional)
    }
}

impl std::fmt::Debug for ChannelProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let channels: Vec<&str> = self.channels.iter().map(|channel| channel.name()).collect();
        f.debug_struct("ChannelProcessor")
            .field("interceptors", &self.interceptors)
            .field("channels", &channels)
            .finish_non_exhaustive()
    }
}

/// Channels, each with events of its own.
type Put<'a> = Vec<(&'a Arc<dyn Channel>, Vec<Event>)>;

fn add<'a>(put: &mut Put<'a>, channel: &'a Arc<dyn Channel>, event: Event) {
    match put
        .iter_mut()
        .find(|(known, _)| Arc::ptr_eq(known, channel))
    {
        Some((_, events)) => events.push(event),
        None => put.push((channel, vec![event])),
    }
}

/// The events for each of the channels; the last one gets the original.
fn to_all<'a>(channels: Vec<&'a Arc<dyn Channel>>, events: Vec<Event>) -> Put<'a> {
    let mut rest = Some(events);
    let last = channels.len().saturating_sub(1);
    let share = |(at, channel)| {
        let events = if at == last {
            rest.take()
        } else {
            rest.clone()
        };
        (channel, events.unwrap_or_default())
    };
    channels.into_iter().enumerate().map(share).collect()
}

/// Reserves as many of the first events as all channels have room for; says how many.
fn fitting(channels: &[&Arc<dyn Channel>], events: &[Event]) -> usize {
    let mut wanted = events.len();
    for channel in channels {
        wanted = wanted.min(channel.transaction_capacity());
    }
    let mut reserved: Vec<(&Arc<dyn Channel>, usize)> = Vec::with_capacity(channels.len());
    for channel in channels {
        let got = channel.try_reserve(events.get(..wanted).unwrap_or_default());
        for (earlier, had) in &mut reserved {
            earlier.release(events.get(got..*had).unwrap_or_default());
            *had = got;
        }
        reserved.push((channel, got));
        wanted = got;
    }
    wanted
}

/// Appends to channels in which room is reserved already.
fn append_reserved(channels: &[&Arc<dyn Channel>], events: Vec<Event>) {
    for (channel, events) in to_all(channels.to_vec(), events) {
        channel.append(events);
    }
}

/// Reserves in each channel, waiting as each says, and commits to all.
async fn put_waiting(
    channels: &[&Arc<dyn Channel>],
    events: Vec<Event>,
) -> Result<(), ChannelError> {
    let mut reserved = Vec::with_capacity(channels.len());
    for (channel, events) in to_all(channels.to_vec(), events) {
        reserved.push(PutTransaction::of(channel, events)?.reserve().await?);
    }
    reserved.into_iter().for_each(ReservedPut::commit);
    Ok(())
}

/// Optional channels take a batch if they can; a refusal is logged and the source is not told.
async fn put_optional(puts: Put<'_>) {
    for (channel, mut events) in puts {
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(channel.transaction_capacity()));
            let size = events.len();
            let put = match PutTransaction::of(channel, std::mem::replace(&mut events, rest)) {
                Ok(transaction) => transaction.commit().await,
                Err(error) => Err(error),
            };
            if let Err(error) = put {
                log_optional(channel, size, &error);
            }
        }
    }
}

/// The same for events that stand for themselves. A full channel makes the source wait once, and
/// not, as in Flume, for each of the events.
async fn put_optional_each(puts: Put<'_>) {
    for (channel, mut events) in puts {
        let mut refusal: Option<ChannelError> = None;
        let mut refused = 0;
        while !events.is_empty() {
            let fitting = fitting(&[channel], &events);
            let rest = events.split_off(fitting.max(1));
            let head = std::mem::replace(&mut events, rest);
            if fitting > 0 {
                channel.append(head);
            } else if refusal.is_some() {
                refused += 1;
            } else if let Err(error) = put_waiting(&[channel], head).await {
                refusal = Some(error);
                refused += 1;
            }
        }
        if let Some(error) = refusal {
            log_optional(channel, refused, &error);
        }
    }
}

fn log_optional(channel: &Arc<dyn Channel>, events: usize, error: &ChannelError) {
    tracing::error!(channel = channel.name(), events, %error, "unable to put on optional channel");
}

#[cfg(test)]
mod tests;
