//! Making components from their plans. Names of the plan are resolved already; an error here means
//! that a plan was not checked.

use std::sync::Arc;

use flume_core::channel::memory::MemoryChannel;
use flume_core::sink_processor;
use flume_core::{
    Channel, ChannelProcessor, ComponentError, Context, Interceptor, InterceptorChain, SinkCounter,
    SourceContext, SourceCounter, channel_selector,
};
use tokio_util::sync::CancellationToken;

use super::{
    AgentView, GroupView, RunningChannel, RunningGroup, RunningSource, SinkView, SourceView,
    Watchers,
};
use crate::component::{self, Component};
use crate::plan::policy::seed;
use crate::plan::{ChannelPlan, ComponentPlan, GroupPlan, InterceptorPlan, SinkPlan, SourcePlan};
use crate::policies::PolicyUseError;
use crate::runner::{GroupRunner, Lane, SourceRunner};
use crate::services::Services;
use crate::{interceptor, sink, source};

/// An empty channel.
pub(super) fn channel(plan: &ChannelPlan) -> RunningChannel {
    RunningChannel {
        names: plan.names.clone(),
        channel: Arc::new(MemoryChannel::new(plan.names.join("+"), &plan.config)),
    }
}

/// Makes sources and groups over these channels.
pub(super) struct Builder<'a> {
    pub(super) channels: &'a [RunningChannel],
    /// The agent before a reload, whose counters go on.
    pub(super) before: Option<&'a AgentView>,
    /// The name of the agent.
    pub(super) agent: &'a str,
    pub(super) services: &'a Services,
}

impl Builder<'_> {
    pub(super) fn group(&self, plan: &GroupPlan) -> Result<RunningGroup, ComponentError> {
        let names: Vec<String> = plan
            .sinks
            .iter()
            .map(|sink| sink.component.name.clone())
            .collect();
        let mut context = plan.processor.clone();
        let kind = sink_processor::find(&context.string("type", "default"));
        let is_special = plan.policy.is_some() || plan.shadow.is_some() || plan.record.is_some();
        let (processor, watchers) = match is_special {
            true => self.balanced(plan, &names)?,
            false => kind
                .and_then(|kind| {
                    (kind.configure)(&mut context, &names, seed(self.agent, &plan.name))
                })
                .map(|processor| (processor, Watchers::default()))
                .ok_or_else(|| refused(&plan.name, context))?,
        };
        let mut lanes = Vec::new();
        let mut sinks = Vec::new();
        for sink in &plan.sinks {
            let counters = self.sink_counters(&sink.component.name);
            let name = sink.component.name.clone();
            sinks.push(SinkView {
                name,
                counters: Arc::clone(&counters),
            });
            lanes.push(self.lane(sink, counters)?);
        }
        // Balanced sinks take turns batch by batch, so none of them runs ahead.
        let pipelined = !kind.is_some_and(|kind| kind.names.contains(&"load_balance"));
        let runner = GroupRunner::new(&plan.name, processor, lanes, pipelined, plan.parallelism);
        Ok(RunningGroup {
            view: GroupView {
                runner,
                sinks,
                watchers,
            },
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
            task: None,
        })
    }

    fn lane(&self, plan: &SinkPlan, counters: Arc<SinkCounter>) -> Result<Lane, ComponentError> {
        let channel = self.channel(&plan.channel)?;
        let (component, services) = (plan.component.clone(), self.services.clone());
        let factory = Box::new(move || make(sink::COMPONENTS, &component, &services));
        Lane::new(&plan.component.name, channel, counters, factory)
    }

    pub(super) fn source(&self, plan: &SourcePlan) -> Result<RunningSource, ComponentError> {
        let name = plan.component.name.clone();
        let mut context = plan.selector.clone();
        let selector = channel_selector::find(&context.string("type", "replicating"))
            .and_then(|kind| (kind.configure)(&mut context, &plan.channels))
            .ok_or_else(|| refused(&name, context))?;
        let interceptors: Result<Vec<_>, _> = plan
            .interceptors
            .iter()
            .map(|plan| self.interceptor(&name, plan))
            .collect();
        let chain = InterceptorChain::new(interceptors?);
        let channels: Result<Vec<_>, _> = plan
            .channels
            .iter()
            .map(|name| self.channel(name))
            .collect();
        let counters = self.source_counters(&name);
        let stop = CancellationToken::new();
        let context = SourceContext {
            channels: Arc::new(ChannelProcessor::new(chain, selector, channels?)),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };
        let (component, services) = (plan.component.clone(), self.services.clone());
        let factory = Box::new(move || make(source::COMPONENTS, &component, &services));
        let runner = SourceRunner::new(&name, factory, context);
        let status = runner.status();
        Ok(RunningSource {
            view: SourceView {
                name,
                status,
                counters,
            },
            stop,
            runner: Some(runner),
            task: None,
        })
    }

    fn interceptor(
        &self,
        source: &str,
        plan: &InterceptorPlan,
    ) -> Result<Box<dyn Interceptor>, ComponentError> {
        let plan = match plan {
            InterceptorPlan::Native(plan) => {
                return make(interceptor::COMPONENTS, plan, self.services);
            }
            InterceptorPlan::Policy(plan) => plan,
        };
        let channel = |name: &str| self.channel(name).ok();
        let place = format!("{source}.{}", plan.name);
        let Some(remedy) = plan.on_error.resolve(channel) else {
            let message = format!("`{place}`: no channel for dead letters in the plan");
            return Err(ComponentError::new(message));
        };
        let policies = &self.services.policies;
        let made = policies.interceptor(&plan.file, &place, plan.setup.clone(), remedy);
        match made {
            Ok(interceptor) => Ok(Box::new(interceptor)),
            Err(error) => Err(cannot(&place, error)),
        }
    }

    fn channel(&self, name: &str) -> Result<Arc<dyn Channel>, ComponentError> {
        let is_called = |channel: &&RunningChannel| channel.names.iter().any(|known| known == name);
        match self.channels.iter().find(is_called) {
            Some(channel) => Ok(Arc::clone(&channel.channel) as Arc<dyn Channel>),
            None => Err(ComponentError::new(format!(
                "no channel `{name}` in the plan"
            ))),
        }
    }

    fn sink_counters(&self, name: &str) -> Arc<SinkCounter> {
        let known = self.before.into_iter().flat_map(|before| &before.groups);
        let found = known
            .flat_map(|group| &group.sinks)
            .find(|sink| sink.name == name);
        found.map_or_else(Arc::default, |sink| Arc::clone(&sink.counters))
    }

    fn source_counters(&self, name: &str) -> Arc<SourceCounter> {
        let mut known = self.before.into_iter().flat_map(|before| &before.sources);
        let found = known.find(|source| source.name == name);
        found.map_or_else(Arc::default, |source| Arc::clone(&source.counters))
    }
}

fn make<T>(
    table: &'static [Component<T>],
    plan: &ComponentPlan,
    services: &Services,
) -> Result<T, ComponentError> {
    let mut context = plan.context.clone();
    let component = component::find(table, plan.kind);
    let made = component.and_then(|component| (component.configure)(&mut context, services));
    made.ok_or_else(|| refused(&plan.name, context))
}

/// A component that its own plan cannot make: what its context says.
pub(super) fn refused(name: &str, context: Context) -> ComponentError {
    let findings: Vec<String> = context.finish().into_iter().map(|d| d.message).collect();
    ComponentError::new(format!("`{name}` cannot be made: {}", findings.join("; ")))
}

/// A policy that was good when it was planned, and no longer is: its file has changed since.
pub(super) fn cannot(place: &str, error: PolicyUseError) -> ComponentError {
    ComponentError::caused_by(format!("the policy of `{place}` cannot be used"), error)
}
