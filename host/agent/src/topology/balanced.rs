//! Balanced groups whose selector is a policy, or is watched: by a candidate in its shadow, or by a
//! record.
//!
//! A watcher never costs a group its work: one that cannot be made is left out, with a warning.

use std::sync::Arc;

use flume_core::clock::{self, Instant};
use flume_core::sink_processor::{LoadBalancingProcessor, SinkProcessor};
use flume_core::sink_selector::NativeSelector;
use flume_core::{ComponentError, SinkSelector, chain};
use flume_policy::shadow::Shadow;
use flume_policy::trace::TraceHeader;
use flume_policy::{Policy, PolicySelector, SinkInfo};

use super::Watchers;
use super::build::{Builder, cannot};
use crate::plan::traces::shadow_place;
use crate::plan::{GroupPlan, RecordPlan, SelectorPlan, SinkPlan};
use crate::record::Recording;

/// A selector, as a record describes it.
struct Live {
    selector: Box<dyn SinkSelector>,
    zero: Instant,
    header: TraceHeader,
}

impl Builder<'_> {
    /// A balanced group with its watchers. The native selector orders its sinks, or stands in for
    /// the policy that does.
    pub(super) fn balanced(
        &self,
        plan: &GroupPlan,
        native: &NativeSelector,
    ) -> Result<(Box<dyn SinkProcessor>, Watchers), ComponentError> {
        let mut watchers = Watchers::default();
        let mut live = match &plan.policy {
            Some(policy) => self.live_policy(plan, policy, native)?,
            None => live_native(plan, native),
        };
        if let Some(shadow) = &plan.shadow {
            live.selector = self.in_shadow(plan, (shadow, native), live.selector, &mut watchers);
        }
        if let Some(record) = &plan.record {
            live = recorded(plan, record, live, &mut watchers);
        }
        let processor = LoadBalancingProcessor::new(plan.sinks.len(), live.selector);
        Ok((Box::new(processor), watchers))
    }

    /// A policy, with a native selector that stands in for it.
    fn live_policy(
        &self,
        plan: &GroupPlan,
        policy: &SelectorPlan,
        fallback: &NativeSelector,
    ) -> Result<Live, ComponentError> {
        let selector = self.seated(policy, fallback, &plan.name)?;
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

    /// Puts the candidate of the plan into the shadow of a selector.
    fn in_shadow(
        &self,
        plan: &GroupPlan,
        (shadow, fallback): (&SelectorPlan, &NativeSelector),
        live: Box<dyn SinkSelector>,
        watchers: &mut Watchers,
    ) -> Box<dyn SinkSelector> {
        let place = shadow_place(&plan.name);
        let candidate = match self.seated(shadow, fallback, &place) {
            Ok(candidate) => candidate,
            Err(error) => {
                let error = chain(&error);
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
        policy: &SelectorPlan,
        fallback: &NativeSelector,
        place: &str,
    ) -> Result<PolicySelector, ComponentError> {
        let policies = &self.services.policies;
        let setup = policy.setup.clone();
        let made = match self.vacant.get(place) {
            Some(vacancy) => {
                let place = (place, vacancy);
                policies.vacant_selector(&policy.file, place, setup, fallback.make())
            }
            None => policies.selector(&policy.file, place, setup, fallback.make()),
        };
        made.map_err(|error| cannot(place, error))
    }
}

fn live_native(plan: &GroupPlan, native: &NativeSelector) -> Live {
    let sink = |sink: &SinkPlan| SinkInfo {
        name: sink.component.name.clone(),
        kind: sink.component.kind.to_owned(),
        properties: Vec::new(),
    };
    Live {
        selector: native.make(),
        zero: clock::now(),
        header: TraceHeader {
            selector: native.name().to_owned(),
            seed: native.seed(),
            properties: native.properties().to_vec(),
            sinks: plan.sinks.iter().map(sink).collect(),
            ..TraceHeader::default()
        },
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
