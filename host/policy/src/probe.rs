//! The trial of an instance before it is used: made-up calls, under the limits of real ones.
//!
//! What goes wrong here goes wrong while the previous version is still at work. The instance is
//! thrown away afterwards, since what it has learnt never happened.
//!
//! A guest must not be able to tell a trial from work, or it would behave only here. So the time is
//! that of its place, setup and limits are its place's, no batch is empty, what sinks do follows from
//! the guest's own orders ([`group`]), and all else is drawn at random ([`events`]), anew each time.
//! Nothing of it is from the place's real events: they are nobody's business before a version is
//! accepted. What no trial can hide is that it ends.

use std::time::Duration;

use fastrand::Rng;
use flume_core::Event;
use flume_core::clock::{self, Instant};
use flume_core::sink_group::SinkIndex;

use self::events::MadeUp;
use self::group::Group;
use crate::artifact::Artifact;
use crate::bindings::sink_selector;
use crate::call_cost::CallCost;
use crate::columns::Columns;
use crate::contract;
use crate::edits::Edits;
use crate::engine::PolicyEngine;
use crate::error::{PolicyError, Violation};
use crate::guest_clock::GuestClock;
use crate::instance::Instance;
use crate::setup::Setup;
use crate::terms::Terms;

mod events;
mod group;
mod time;

use self::time::Time;

/// Calls of a selector, over some minutes of its time.
const ORDERS: u32 = 1000;

/// Batches for an interceptor; fewer have too few of the odd events in them.
const BATCHES: std::ops::RangeInclusive<u32> = 8..=24;

/// An instance whose twin has passed the trial, so that nothing of the trial is left in it.
///
/// # Errors
/// It is of another kind, does not accept its properties, or breaks the contract.
pub(crate) fn tried_out(
    engine: &PolicyEngine,
    artifact: &Artifact,
    terms: &Terms,
    clock: &GuestClock,
) -> Result<Instance, PolicyError> {
    let deadline = terms.limits.start_deadline;
    let start = || Instance::start(engine, artifact, terms, deadline);
    let mut trial = Trial {
        instance: &mut start()?,
        time: Time::of(clock),
        random: Rng::new(),
        columns: Columns::default(),
        began: clock::now(),
    };
    match &terms.setup {
        Setup::Selector(setup) => trial.selector(setup.sinks.len())?,
        Setup::Interceptor(_) => trial.interceptor()?,
    }
    start()
}

struct Trial<'a> {
    instance: &'a mut Instance,
    time: Time,
    random: Rng,
    columns: Columns,
    began: Instant,
}

impl Trial<'_> {
    /// First all sinks are well, then one alone, then none, then all again. An empty order is not
    /// judged here: only in real use is it known how long the sinks stay idle.
    fn selector(&mut self, sinks: usize) -> Result<(), Violation> {
        let mut made_up = MadeUp::new(&mut self.random);
        let mut group = Group::new(sinks, ORDERS, &mut self.random);
        // Shares of a batch that was split, and the sinks that failed them.
        let mut shares: Vec<(SinkIndex, Vec<Event>)> = Vec::new();
        for _ in 0..ORDERS {
            let share = shares.pop();
            let (except, events) = match share {
                Some((sink, events)) => (Some(sink), events),
                None => (None, self.next_batch(&mut group, &mut made_up)),
            };
            self.columns.fill(&events, self.instance.needs());
            let headers = self.columns.headers();
            let load = sink_selector::Load {
                depth: group.depth(),
                events: self.columns.events(),
                headers: &headers,
            };
            let at = self.time.moment();
            if self.instance.is_router() && except.is_none() {
                let route = self.instance.route(at, group.tell(), load)?;
                let route = contract::route(&route.unwrap_or_default(), events.len(), sinks)?;
                for failed in group.send(&route, &mut self.time, &mut self.random) {
                    let share = events
                        .iter()
                        .zip(&route)
                        .filter(|(_, sink)| **sink == failed);
                    shares.push((failed, share.map(|(event, _)| event.clone()).collect()));
                }
            } else {
                let order = self.instance.order(at, group.tell(), load)?;
                let mut order = contract::order(&order, sinks)?;
                order.retain(|sink| Some(*sink) != except);
                let count = except.map_or(group.batch(), |_| events.len());
                group.try_in(order, count, &self.time, &mut self.random);
            }
            if self.is_late() {
                break;
            }
        }
        Ok(())
    }

    /// Time passes; then a batch is to be ordered, of which a policy may see events.
    fn next_batch(&mut self, group: &mut Group, made_up: &mut MadeUp) -> Vec<Event> {
        group.proceed(&mut self.time, &mut self.random);
        if !self.instance.sees_events() {
            return Vec::new();
        }
        let (needs, unix_ms) = (self.instance.needs(), self.time.moment().unix_ms);
        made_up.batch(group.batch(), needs, unix_ms, &mut self.random)
    }

    /// Batches of all sizes, with odd events among them, in parts as an interceptor gets them.
    fn interceptor(&mut self) -> Result<(), Violation> {
        let mut made_up = MadeUp::new(&mut self.random);
        let mut cost = CallCost::default();
        for _ in 0..self.random.u32(BATCHES) {
            self.time.pass_between_batches(&mut self.random);
            let size = events::size(&mut self.random);
            let (needs, unix_ms) = (self.instance.needs(), self.time.moment().unix_ms);
            let batch = made_up.batch(size, needs, unix_ms, &mut self.random);
            let mut rest = &batch[..];
            while !rest.is_empty() && !self.is_late() {
                let most = cost.part(rest.len(), self.instance.limits());
                let part = self.hand_in(rest.get(..most).unwrap_or_default(), &mut cost)?;
                rest = rest.get(part..).unwrap_or_default();
            }
            if self.is_late() {
                break;
            }
        }
        Ok(())
    }

    /// One call about the first of these events; returns how many.
    fn hand_in(&mut self, events: &[Event], cost: &mut CallCost) -> Result<usize, Violation> {
        let at = self.time.moment();
        let shown = self.columns.fill(events, self.instance.needs());
        let deadline = self.instance.limits().deadline_for(shown);
        let headers = self.columns.headers();
        let answer = self
            .instance
            .intercept(at, self.columns.batch(&headers), deadline)?;
        let used = self.instance.used();
        let events = events.get(..shown).unwrap_or_default();
        Edits::checked(answer, events, self.instance.room())?;
        cost.learn(shown, used);
        self.time.pass(used.max(Duration::from_micros(1)));
        Ok(shown)
    }

    /// A policy may be slow, and each call has had its deadline.
    fn is_late(&self) -> bool {
        clock::now() > self.began + self.instance.start_deadline()
    }
}
