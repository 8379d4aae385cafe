//! A policy as the selector of a group, with a native one as its fallback.
//!
//! News is collected between two orders and goes with the next one, so a batch costs one call. The
//! fallback gets everything at once, whether it is needed or not, so that its back-off is up to date.

use std::collections::VecDeque;
use std::sync::Arc;

use flume_core::SinkSelector;
use flume_core::clock::Instant;
use flume_core::sink_group::{Load, SinkIndex, SinkState, Step};

use crate::bindings::sink_selector::{self as guest, Feedback};
use crate::call_cost::CallCost;
use crate::columns::Columns;
use crate::contract;
use crate::error::{PolicyError, Violation, ViolationKind};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::pace::CallPace;
use crate::policy::{Policy, StandIn};
use crate::seat::Seat;
use crate::setup::{SelectorSetup, Setup};

mod news;

pub(crate) use self::news::News;

/// Asks a policy, and the fallback if the policy has no good answer.
pub struct PolicySelector {
    seat: Seat,
    fallback: Box<dyn SinkSelector>,
    news: News,
    columns: Columns,
    pace: CallPace,
    /// When the policy last named a sink to try, or was first asked.
    tried_at: Option<Instant>,
}

impl Policy {
    /// A selector for a group, tried out. `fallback` orders the batches that the policy cannot.
    ///
    /// # Errors
    /// The policy is not a sink selector, does not accept its properties, or broke the contract.
    pub fn selector(
        self: &Arc<Self>,
        place: &str,
        limits: Limits,
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> Result<PolicySelector, PolicyError> {
        let sinks = setup.sinks.len();
        let seat = Seat::take(
            self,
            place,
            Setup::Selector(setup),
            limits,
            StandIn::Fallback,
        )?;
        Ok(PolicySelector::of(seat, sinks, fallback))
    }

    /// A selector for a group for which no version can be used yet, and why. `fallback` orders its
    /// batches until one comes.
    pub fn vacant_selector(
        self: &Arc<Self>,
        (place, why): (&str, &str),
        limits: Limits,
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> PolicySelector {
        let sinks = setup.sinks.len();
        let setup = Setup::Selector(setup);
        let seat = Seat::leave_vacant(self, place, setup, limits, (StandIn::Fallback, why));
        PolicySelector::of(seat, sinks, fallback)
    }
}

impl PolicySelector {
    fn of(seat: Seat, sinks: usize, fallback: Box<dyn SinkSelector>) -> Self {
        Self {
            seat,
            fallback,
            news: News::new(sinks),
            columns: Columns::default(),
            pace: CallPace::default(),
            tried_at: None,
        }
    }

    /// The policy, for operators.
    pub fn policy(&self) -> &Arc<Policy> {
        self.seat.policy()
    }

    /// The headers that it now asks to be shown.
    pub fn headers(&self) -> &[String] {
        self.seat.headers()
    }

    /// What calls cost in which the policy was shown events, as far as they have shown.
    pub fn cost(&mut self) -> CallCost {
        self.seat.cost().clone()
    }

    /// One call: gives the news, and checks the answer.
    fn ask<R>(
        &mut self,
        now: Instant,
        load: Load<'_>,
        call: impl FnOnce(
            &mut Instance,
            crate::bindings::types::Moment,
            &[Feedback],
            guest::Load<'_>,
        ) -> Result<R, Violation>,
    ) -> Option<R> {
        let at = self.seat.policy().moment(now);
        if self.seat.wait(now).is_some() {
            self.seat.policy().stats().throttled.increment();
            return None;
        }
        self.seat.instance(now)?;
        if self.seat.take_fresh() {
            self.news.repeat();
        }
        let version = self.seat.version();
        let instance = self.seat.instance(now)?;
        let events = if instance.sees_events() {
            load.events
        } else {
            &[]
        };
        self.columns.fill(events, instance.needs());
        let headers = self.columns.headers();
        let shown = guest::Load {
            depth: u64::try_from(load.depth).unwrap_or(u64::MAX),
            events: self.columns.events(),
            headers: &headers,
        };
        let news = self.news.tell();
        let answer = self.pace.run(version, || call(instance, at, news, shown));
        let (took, used) = (instance.last_call(), instance.used());
        self.seat.policy().stats().called(took);
        match answer {
            Ok(answer) => {
                self.seat.cost().learn(events.len(), used);
                self.seat.succeeded(now);
                Some(answer)
            }
            Err(violation) => {
                self.seat.violated(&violation, now);
                None
            }
        }
    }

    /// An empty order leaves the group idle: only while every sink is down, and not for ever.
    fn check_empty(&mut self, order: &VecDeque<SinkIndex>, now: Instant) -> Result<(), Violation> {
        let since = *self.tried_at.get_or_insert(now);
        if !order.is_empty() {
            self.tried_at = Some(now);
            return Ok(());
        }
        let detail = if !self.news.all_failed() {
            "no sink to try, though not every sink has failed".to_owned()
        } else if now.saturating_duration_since(since) > self.seat.limits().idle {
            format!(
                "no sink to try for {:?}",
                now.saturating_duration_since(since)
            )
        } else {
            return Ok(());
        };
        // The fallback may try a sink now.
        self.tried_at = Some(now);
        Err(Violation::new(ViolationKind::OrderEmpty, detail))
    }
}

impl SinkSelector for PolicySelector {
    fn order(&mut self, now: Instant) -> VecDeque<SinkIndex> {
        self.order_load(now, Load::default())
    }

    fn order_load(&mut self, now: Instant, load: Load<'_>) -> VecDeque<SinkIndex> {
        let sinks = self.news.sinks();
        let answer = self.ask(now, load, |instance, at, news, shown| {
            contract::order(&instance.order(at, news, shown)?, sinks)
        });
        if let Some(order) = answer {
            match self.check_empty(&order, now) {
                Ok(()) => return order,
                Err(violation) => self.seat.violated(&violation, now),
            }
        }
        self.seat.policy().stats().fallbacks.increment();
        self.fallback.order_load(now, load)
    }

    fn route(&mut self, now: Instant, load: Load<'_>) -> Option<Vec<SinkIndex>> {
        if !self.seat.instance(now)?.is_router() {
            return None;
        }
        let sinks = self.news.sinks();
        let answer = self.ask(now, load, |instance, at, news, shown| {
            let answer = instance.route(at, news, shown)?;
            answer
                .map(|answer| contract::route(&answer, load.events.len(), sinks))
                .transpose()
        });
        answer.flatten()
    }

    fn wants_events(&self) -> bool {
        self.seat.wants_events() || self.fallback.wants_events()
    }

    fn step(&mut self, sink: SinkIndex, step: Step, now: Instant) {
        self.news.step(sink, step);
        self.fallback.step(sink, step, now);
    }

    fn failed(&mut self, sink: SinkIndex, now: Instant) {
        let at = self.seat.policy().nanos(now);
        self.news.failed(sink, at);
        self.fallback.failed(sink, now);
    }

    fn delivered(&mut self, sink: SinkIndex, now: Instant) {
        let at = self.seat.policy().nanos(now);
        self.news.delivered(sink, at);
        self.fallback.delivered(sink, now);
    }

    fn states(&self, now: Instant) -> Vec<SinkState> {
        self.fallback.states(now)
    }
}

impl std::fmt::Debug for PolicySelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PolicySelector")
            .field(self.seat.policy())
            .finish()
    }
}
