//! The channel processor: interceptors, then the channel selector, then the channels of a source.
//!
//! A put to several required channels reserves room in all of them before it commits to any. So a
//! refused event is in none of them, and a client that sends it again makes no duplicate. Room is
//! reserved in one order everywhere (by channel name), so that two sources cannot each wait for the
//! other.
//!
//! A commit can fail only in a durable channel. Those are committed first, and channels in memory
//! only when they are safe ([`commit_all`]). If one of two durable channels fails, the source is told
//! so, and the other one may have the events: sent again, they are doubled there.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::channel::{Channel, ChannelError};
use crate::channel_selector::{ChannelIndex, ChannelSelector, Selection};
use crate::clock;
use crate::event::Event;
use crate::interceptor::{InterceptorChain, InterceptorError, Turns};
use crate::log_limit::LogLimit;
use crate::transaction::{NotCommitted, PutTransaction, ReservedFront, ReservedPut, commit_all};

mod put;

pub use put::{Progress, PutInProgress};

/// Why an event was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// A required channel refused.
    #[error("{error}")]
    Channel {
        /// The channel's name.
        channel: String,
        /// Why.
        error: ChannelError,
    },
    /// An interceptor failed.
    #[error(transparent)]
    Interceptor(#[from] InterceptorError),
}

impl ProcessError {
    /// Whether the same event can be accepted later without a change of configuration.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Channel { error, .. } => error.is_transient(),
            Self::Interceptor(error) => error.is_transient,
        }
    }

    /// What refused, and for what: the same for all events that are refused alike. There are no more
    /// of these than the configuration has components, times a few.
    pub fn cause(&self) -> (&'static str, &str) {
        match self {
            Self::Channel { channel, error } => (error.kind(), channel),
            Self::Interceptor(error) => ("interceptor", &error.interceptor),
        }
    }
}

/// A required channel that refuses events.
struct Refused<'a> {
    channel: &'a Arc<dyn Channel>,
    events: usize,
    error: ChannelError,
}

impl<'a> Refused<'a> {
    fn by(channel: &'a Arc<dyn Channel>, events: usize) -> impl FnOnce(ChannelError) -> Self {
        move |error| Self {
            channel,
            events,
            error,
        }
    }

    /// Counts the events as tried, since they are not tried again. Those that are put are counted by
    /// the channel.
    fn counted(self) -> ProcessError {
        let attempts = &self.channel.counters().event_put_attempt;
        attempts.add(self.events);
        self.into()
    }
}

/// The channel has counted the events as tried.
impl From<NotCommitted> for ProcessError {
    fn from(failed: NotCommitted) -> Self {
        Self::Channel {
            channel: failed.channel.name().to_owned(),
            error: failed.error,
        }
    }
}

impl From<Refused<'_>> for ProcessError {
    fn from(refused: Refused<'_>) -> Self {
        Self::Channel {
            channel: refused.channel.name().to_owned(),
            error: refused.error,
        }
    }
}

/// The outcome of one [`ChannelProcessor::process_each`].
#[derive(Debug, Default)]
pub struct Outcomes {
    refused: Vec<(usize, ProcessError)>,
}

impl Outcomes {
    /// Whether every event was accepted.
    pub fn all_accepted(&self) -> bool {
        self.refused.is_empty()
    }

    /// The refused events in order, by their place in the input.
    pub fn refused(&self) -> &[(usize, ProcessError)] {
        &self.refused
    }
}

/// The path from a source into its channels.
pub struct ChannelProcessor {
    interceptors: InterceptorChain,
    selector: Box<dyn ChannelSelector>,
    channels: Vec<Arc<dyn Channel>>,
    /// Lines about events that missed an optional channel, for each channel.
    complaints: Vec<Mutex<LogLimit>>,
}

/// Lines about an optional channel without room: one in this time.
const COMPLAINTS: Duration = Duration::from_secs(10);

impl ChannelProcessor {
    /// A processor over the channels of a source, in the order of its `channels` list. The
    /// selector's indices refer to that order.
    pub fn new(
        interceptors: InterceptorChain,
        selector: Box<dyn ChannelSelector>,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        let complaint = |_: &Arc<dyn Channel>| Mutex::new(LogLimit::new(1, COMPLAINTS));
        Self {
            complaints: channels.iter().map(complaint).collect(),
            interceptors,
            selector,
            channels,
        }
    }

    /// Puts a batch in one transaction per channel. All of it is accepted, or nothing.
    ///
    /// Where every event goes the same way, room is reserved before the interceptors run. So they
    /// do not see events of a batch that a full channel refuses, and see them as new when the client
    /// sends them again. A batch that waits at a closed gate has no room meanwhile: other sources
    /// need it.
    ///
    /// # Errors
    /// An interceptor's error, or the error of the first required channel that refuses.
    pub async fn process_batch(&self, events: Vec<Event>) -> Result<(), ProcessError> {
        if self.interceptors.is_empty() {
            return self.put_batch(events, Vec::new(), Vec::new()).await;
        }
        let entered = self.enter(&events).await;
        let (turns, rooms) = entered.map_err(Refused::counted)?;
        let mut batch = self.interceptors.pass_with(turns, events);
        if let Some((_, error)) = batch.refused().iter().min_by_key(|(origin, _)| *origin) {
            return Err(error.clone().into());
        }
        let aside = batch.take_aside();
        self.put_batch(batch.into_events(), rooms, aside).await
    }

    /// Waits until a batch has both its turn at the interceptors and, if the selector says before
    /// they have run where all of it goes, room in these channels.
    ///
    /// | it has | and waits for | how long |
    /// |---|---|---|
    /// | nothing | its turn, in line | until the gates open |
    /// | its turn, and finds no room | nothing: it leaves the line | |
    /// | nothing | room, beside others | `keep-alive`: then it is refused |
    /// | room | its turn | while the gates are open: then it begins anew |
    async fn enter(&self, events: &[Event]) -> Result<(Turns<'_>, Vec<ReservedPut>), Refused<'_>> {
        let channels = match events.first() {
            Some(first) if self.selector.is_uniform() => {
                self.targets(self.selector.select(first).required)
            }
            _ => Vec::new(),
        };
        loop {
            let turns = self.interceptors.turns().await;
            if let Some(rooms) = reserve_all_now(&channels, events)? {
                return Ok((turns, rooms));
            }
            drop(turns);
            let shares = to_all(channels.clone(), events.to_vec());
            let rooms = reserve_all(shares, Vec::new()).await?;
            if let Some(turns) = self.interceptors.turns_if_open().await {
                return Ok((turns, rooms));
            }
        }
    }

    /// Puts what has passed the interceptors, into rooms that are reserved already or not, and what
    /// they set aside.
    async fn put_batch(
        &self,
        events: Vec<Event>,
        rooms: Vec<ReservedPut>,
        aside: Vec<ReservedPut>,
    ) -> Result<(), ProcessError> {
        let (required, optional) = self.distribute(events);
        let reserved = reserve_all(required, rooms).await;
        let mut reserved = reserved.map_err(Refused::counted)?;
        if !aside.is_empty() {
            reserved.extend(aside);
        }
        commit_all(reserved).await?;
        self.put_optional(optional);
        Ok(())
    }

    /// Puts each event as if in its own transaction, in order. Those that fit now go in together.
    /// The first that does not fit waits as long as the channel allows, and is then refused alone.
    pub async fn process_each(&self, events: Vec<Event>) -> Outcomes {
        let mut outcomes = Outcomes::default();
        let mut put = self.begin(events).await;
        while !put.is_complete() {
            if let Some(error) = put.advance().await.refused {
                outcomes.refused.push((put.place(), error));
                put.skip();
            }
        }
        outcomes
    }

    /// Begins to put each event as [`Self::process_each`] does. The interceptors run now, and only
    /// now. The result owns the events and puts them step by step.
    pub async fn begin(&self, events: Vec<Event>) -> PutInProgress<'_> {
        if self.interceptors.is_empty() {
            return PutInProgress::new(self, events);
        }
        let total = events.len();
        let batch = self.interceptors.pass(events).await;
        PutInProgress::intercepted(self, batch, total).await
    }

    /// Optional channels take what fits now. The source does not wait for them, and does not see
    /// which events they missed: those are counted in the channel.
    fn put_optional(&self, shares: Shares<'_>) {
        for (channel, events) in shares {
            let channels = [channel];
            let mut rest = events.into_iter();
            let mut missed = 0;
            while rest.len() > 0 {
                let reserved = ReservedFront::reserve(&channels, &mut rest, usize::MAX);
                if reserved.events().is_empty() {
                    drop(reserved);
                    // A later event may be smaller.
                    rest.next();
                    missed += 1;
                } else {
                    reserved.hand_over();
                }
            }
            if missed > 0 {
                self.count_missed(channel, missed);
            }
        }
    }

    fn count_missed(&self, channel: &Arc<dyn Channel>, missed: usize) {
        let counters = channel.counters();
        counters.event_put_attempt.add(missed);
        let counter = &counters.event_missed;
        counter.add(missed);
        let mut known = self.channels.iter().zip(&self.complaints);
        let complaint = known.find(|(known, _)| Arc::ptr_eq(known, channel));
        let admitted = complaint.and_then(|(_, limit)| limit.lock().admit(clock::now()));
        if let Some(left_out) = admitted {
            tracing::warn!(
                channel = channel.name(),
                events = missed,
                all = counter.get(),
                left_out,
                "events missed an optional channel, which has no room"
            );
        }
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

    /// The channels of these indices, in the order in which room is reserved.
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

    /// Each channel with its events: the required ones in the order of reservation, then the
    /// optional ones.
    fn distribute(&self, events: Vec<Event>) -> (Shares<'_>, Shares<'_>) {
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
        let (mut required, mut optional): (Shares<'_>, Shares<'_>) = (Vec::new(), Vec::new());
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

/// Channels, each with its own events.
type Shares<'a> = Vec<(&'a Arc<dyn Channel>, Vec<Event>)>;

fn add<'a>(put: &mut Shares<'a>, channel: &'a Arc<dyn Channel>, event: Event) {
    match put
        .iter_mut()
        .find(|(known, _)| Arc::ptr_eq(known, channel))
    {
        Some((_, events)) => events.push(event),
        None => put.push((channel, vec![event])),
    }
}

/// The events for each of the channels; the last one gets the original.
fn to_all<'a>(channels: Vec<&'a Arc<dyn Channel>>, events: Vec<Event>) -> Shares<'a> {
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

/// A copy of the events for each of the channels.
fn copies<'a>(channels: Vec<&'a Arc<dyn Channel>>, events: &[Event]) -> Shares<'a> {
    let copy = |channel| (channel, events.to_vec());
    channels.into_iter().map(copy).collect()
}

/// Reserves room for the events in each channel, or in none if one of them has none now.
fn reserve_all_now<'a>(
    channels: &[&'a Arc<dyn Channel>],
    events: &[Event],
) -> Result<Option<Vec<ReservedPut>>, Refused<'a>> {
    let mut reserved = Vec::with_capacity(channels.len());
    for channel in channels {
        let put = PutTransaction::of(channel, events.to_vec());
        match put
            .map_err(Refused::by(channel, events.len()))?
            .try_reserve()
        {
            Ok(room) => reserved.push(room),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(reserved))
}

/// Reserves room in each channel, waiting as long as each allows. Rooms that are reserved already
/// are those of the first channels, in the same order.
async fn reserve_all<'a>(
    shares: Shares<'a>,
    rooms: Vec<ReservedPut>,
) -> Result<Vec<ReservedPut>, Refused<'a>> {
    let mut rooms = rooms.into_iter();
    let mut reserved = Vec::with_capacity(shares.len());
    for (channel, events) in shares {
        let count = events.len();
        let put = async {
            let put = PutTransaction::of(channel, events)?;
            match rooms.next() {
                Some(room) => room.exchange(put).await,
                None => put.reserve().await,
            }
        };
        reserved.push(put.await.map_err(Refused::by(channel, count))?);
    }
    Ok(reserved)
}

#[cfg(test)]
mod tests;
