//! Balanced groups whose selector is a policy, or is watched: by a candidate in its shadow, or by a
//! record.
//!
//! A watcher never costs a group its work: one that cannot be made is left out, with a warning.

use std::sync::Arc;

use flume_core::clock::{self, Instant};
use flume_core::sink_processor::{LoadBalancingProcessor, SinkProcessor};
use flume_core::{ComponentError, SinkSelector};
use flume_policy::shadow::Shadow;
use flume_policy::trace::TraceHeader;
use flume_policy::{Policy, PolicySelector, SinkInfo};

use super::Watchers;
use super::build::{Builder, cannot, refused};
use crate::plan::policy::{self, seed};
use crate::plan::traces::shadow_place;
use crate::plan::{GroupPlan, RecordPlan, SelectorPlan};
use crate::record::Recording;

/// A selector, as a record describes it.
struct Live {
    selector: Box<dyn SinkSelector>,
    zero: Instant,
    header: TraceHeader,
}

impl Builder<'_> {
    /// A balanced group with its watchers.
    pub(super) fn balanced(
        &self,
        plan: &GroupPlan,
        names: &[String],
    ) -> Result<(Box<dyn SinkProcessor>, Watchers), ComponentError> {
        let mut watchers = Watchers::default();
        let mut live = match &plan.policy {
            Some(policy) => self.live_policy(plan, policy)?,
            None => self.live_native(plan, names)?,
        };
        if let Some(shadow) = &plan.shadow {
            live.selector = self.in_shadow(plan, shadow, live.selector, &mut watchers);
        }
        if let Some(record) = &plan.record {
            live = recorded(plan, record, live, &mut watchers);
        }
        let mut context = plan.processor.clone();
        match LoadBalancingProcessor::with_selector(&mut context, names, live.selector) {
            Some(processor) => Ok((Box::new(processor), watchers)),
            None => Err(refused(&plan.name, context)),
        }
    }

    /// A policy with a native selector behind it.
    fn live_policy(&self, plan: &GroupPlan, policy: &SelectorPlan) -> Result<Live, ComponentError> {
        let selector = self.seated(plan, policy, &plan.name)?;
        let setup = policy.setup.clone();
        let artifact = selector.policy().artifact();
        Ok(Live {
            zero: selector.policy().zero(),
            header: TraceHeader {
                selector: artifact.name().to_owned(),
                digest: artifact.digest().to_owned(),
                seed: setup.seed,
                properties: setup.properties,
                sinks: setup.sinks,
                headers: selector.headers().to_vec(),
                ..TraceHeader::default()
            },
            selector: Box::new(selector),
        })
    }

    fn live_native(&self, plan: &GroupPlan, names: &[String]) -> Result<Live, ComponentError> {
        let mut context = plan.processor.clone();
        let name = context.string("selector", "round_robin");
        let seed = seed(self.agent, &plan.name);
        // The same keys in the same words, but for the one that names it.
        let mut keys = context.without(|key| key == "fallback");
        if let Some(value) = context.value("selector") {
            keys.insert("fallback", value);
        }
        let Some(selector) = policy::fallback(&mut keys, names.len(), seed) else {
            return Err(refused(&plan.name, context));
        };
        let property = |key: &str, ours: &str| {
            let value = context.clone().optional(key)?;
            Some((ours.to_owned(), value))
        };
        let properties = [
            property("backoff", "backoff"),
            property("selector.maxTimeOut", "maxTimeOut"),
        ];
        let sink = |(name, sink): (&String, &crate::plan::SinkPlan)| SinkInfo {
            name: name.clone(),
            kind: sink.component.kind.to_owned(),
            properties: Vec::new(),
        };
        Ok(Live {
            selector,
            zero: clock::now(),
            header: TraceHeader {
                selector: name,
                seed,
                properties: properties.into_iter().flatten().collect(),
                sinks: names.iter().zip(&plan.sinks).map(sink).collect(),
                ..TraceHeader::default()
            },
        })
    }

    /// Puts the candidate of the plan into the shadow of a selector.
    fn in_shadow(
        &self,
        plan: &GroupPlan,
        shadow: &SelectorPlan,
        live: Box<dyn SinkSelector>,
        watchers: &mut Watchers,
    ) -> Box<dyn SinkSelector> {
        let place = shadow_place(&plan.name);
        let candidate = match self.seated(plan, shadow, &place) {
            Ok(candidate) => candidate,
            Err(error) => {
                let error = crate::runner::chain(&error);
                tracing::warn!(
                    group = plan.name,
                    error,
                    "the group runs without its shadow"
                );
                return live;
            }
        };
        let policy: Arc<Policy> = Arc::clone(candidate.policy());
        let (sinks, misses) = (plan.sinks.len(), move || policy.misses());
        match Shadow::new(live, Box::new(candidate), sinks, &plan.name, misses) {
            Ok(shadow) => {
                watchers.shadow = Some(shadow.stats());
                Box::new(shadow)
            }
            Err(live) => live,
        }
    }

    /// A policy in one of its places.
    fn seated(
        &self,
        plan: &GroupPlan,
        policy: &SelectorPlan,
        place: &str,
    ) -> Result<PolicySelector, ComponentError> {
        let mut context = plan.processor.clone();
        let (sinks, seed) = (policy.setup.sinks.len(), policy.setup.seed);
        let Some(fallback) = policy::fallback(&mut context, sinks, seed) else {
            return Err(refused(&plan.name, context));
        };
        let policies = &self.services.policies;
        let setup = policy.setup.clone();
        let made = policies.selector(&policy.file, place, setup, fallback);
        made.map_err(|error| cannot(place, error))
    }
}

/// Records a selector.
fn recorded(plan: &GroupPlan, record: &RecordPlan, live: Live, watchers: &mut Watchers) -> Live {
    let Live {
        selector,
        zero,
        mut header,
    } = live;
    if !record.headers.is_empty() {
        header.headers.clone_from(&record.headers);
    }
    let (selector, header): (Box<dyn SinkSelector>, _) =
        match Recording::begin(record, &plan.name, header.clone()) {
            Ok(recording) => {
                watchers.record = Some(recording.stats());
                (Box::new(recording.of(selector, zero)), header)
            }
            Err(error) => {
                let path = record.path.display();
                tracing::warn!(group = plan.name, %path, %error, "the group is not recorded");
                (selector, header)
            }
        };
    Live {
        selector,
        zero,
        header,
    }
}
