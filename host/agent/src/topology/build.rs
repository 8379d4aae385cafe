//! Making components from their plans. A plan has every name resolved and every key read, so an error
//! here is about a policy whose file has changed since the plan was made.

use std::collections::BTreeMap;
use std::sync::Arc;

use flume_core::counters::Counter;
use flume_core::{
    Channel, ChannelProcessor, ComponentError, DeadLetters, Interceptor, InterceptorChain,
    SinkCounter, SinkIndex, SourceContext, SourceCounter,
};
use tokio_util::sync::CancellationToken;

use super::ages::Ages;
use super::fullness::Fullness;
use super::{
    AgentView, GroupView, RunningChannel, RunningGroup, RunningSource, SinkView, SourceView,
    Watchers,
};
use crate::plan::{ChannelPlan, GroupPlan, InterceptorPlan, OnError, SinkPlan, SourcePlan};
use crate::policies::{PolicyUseError, Vacancy};
use crate::runner::{GroupRunner, Home, Lane, Remedy, Senders, SourceRunner};
use crate::services::Services;

/// An empty channel.
pub(super) fn channel(plan: &ChannelPlan) -> RunningChannel {
    let channel = plan.recipe.make(&plan.names.join("+"));
    RunningChannel {
        names: plan.names.clone(),
        kind: plan.kind,
        ages: Ages::watch(&channel),
        full: Fullness::watch(&channel),
        channel,
        senders: Senders::default(),
    }
}

/// Makes sources and groups over these channels.
pub(super) struct Builder<'a> {
    pub(super) channels: &'a [RunningChannel],
    /// The agent before a reload, whose counters go on.
    pub(super) before: Option<&'a AgentView>,
    /// The places that have no version of their policy.
    pub(super) vacant: &'a BTreeMap<String, Vacancy>,
    pub(super) services: &'a Services,
}

impl Builder<'_> {
    pub(super) fn group(&self, plan: &GroupPlan) -> Result<RunningGroup, ComponentError> {
        let is_special = plan.policy.is_some() || plan.shadow.is_some() || plan.record.is_some();
        let (processor, watchers) = match &plan.processor.selector {
            Some(native) if is_special => self.balanced(plan, native)?,
            _ => (plan.processor.processor.make(), Watchers::default()),
        };
        let home = self.home(plan)?;
        let mut lanes = Vec::new();
        let mut sinks = Vec::new();
        for sink in &plan.sinks {
            let counters = self.sink_counters(&sink.component.name);
            let name = sink.component.name.clone();
            sinks.push(SinkView {
                name,
                channel: sink.channel.clone(),
                counters: Arc::clone(&counters),
            });
            let lane = self.lane(sink, counters)?;
            lanes.push(match &home {
                Some((_, home)) if sink.outlet.is_none() => lane.taking_home(home),
                _ => lane,
            });
        }
        let how = &plan.processor;
        let (pipelined, parallelism) = (how.pipelined, how.parallelism);
        let runner = GroupRunner::new(&plan.name, processor, lanes, pipelined, parallelism);
        let drained = plan.sinks.iter().map(|sink| sink.channel.as_str());
        let runner = runner.fed_by(self.senders(drained)?);
        let runner = match home {
            Some((spare, home)) => runner.with_spare(spare, home),
            None => runner,
        };
        let letters = plan.sinks.iter();
        let letters = letters.filter_map(|sink| sink.on_error.dead_letters());
        let letters = self.senders(letters)?;
        Ok(RunningGroup {
            letters,
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
        let drained = self.running(&plan.channel)?;
        let channel = Arc::clone(&drained.channel);
        let recipe = plan.component.recipe.clone();
        let outlet = plan.outlet.as_ref();
        let outlet = outlet.map(|outlet| self.channel(&outlet.to)).transpose()?;
        let factory = Box::new(move || {
            let mut sink = recipe.make();
            if let Some(outlet) = &outlet {
                sink.set_outlet(outlet);
            }
            sink
        });
        let lane = Lane::new(&plan.component.name, channel, counters, factory);
        drained.ages.note_aside_of(&lane.faults());
        Ok(lane.on_error(self.remedy(&plan.on_error)?))
    }

    /// The spare of a group, and the way home of what it takes.
    fn home(&self, plan: &GroupPlan) -> Result<Option<(SinkIndex, Arc<Home>)>, ComponentError> {
        let Some((at, spare, outlet)) = plan.spare() else {
            return Ok(None);
        };
        let known = self.before.into_iter().flat_map(|before| &before.groups);
        let mut known = known.filter(|group| group.runner.name() == plan.name);
        let counts = known.find_map(|group| Some(Arc::clone(group.runner.home()?.counts())));
        let names = (plan.name.as_str(), spare.component.name.as_str());
        let channel = self.channel(&outlet.to)?;
        let home = Home::new(names, channel, outlet.share, counts.unwrap_or_default());
        Ok(Some((at, Arc::new(home))))
    }

    fn remedy(&self, on_error: &OnError) -> Result<Remedy, ComponentError> {
        Ok(match on_error {
            OnError::Retry => Remedy::Retry,
            OnError::Drop => Remedy::Drop,
            OnError::DeadLetter(name) => Remedy::DeadLetter(self.letters(name)?),
        })
    }

    fn letters(&self, name: &str) -> Result<DeadLetters, ComponentError> {
        Ok(DeadLetters {
            channel: self.channel(name)?,
            wall: self.services.components.wall.clone(),
        })
    }

    pub(super) fn source(&self, plan: &SourcePlan) -> Result<RunningSource, ComponentError> {
        let name = plan.component.name.clone();
        let interceptors: Result<Vec<_>, _> = plan
            .interceptors
            .iter()
            .map(|plan| self.interceptor(&name, plan))
            .collect();
        let dropped = self.drop_counters(&name, plan);
        let counters = dropped.iter().map(|(_, counter)| Arc::clone(counter));
        let chain = InterceptorChain::counting(interceptors?.into_iter().zip(counters).collect());
        let channels: Result<Vec<_>, _> = plan
            .channels
            .iter()
            .map(|name| self.channel(name))
            .collect();
        let counters = self.source_counters(&name);
        let stop = CancellationToken::new();
        let context = SourceContext {
            channels: Arc::new(ChannelProcessor::new(
                chain,
                plan.selector.make(),
                channels?,
            )),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };
        let recipe = plan.component.recipe.clone();
        let letters = plan.letters.as_ref();
        let letters = letters.map(|name| self.letters(name)).transpose()?;
        let factory = Box::new(move || {
            let mut source = recipe.make();
            if let Some(letters) = &letters {
                source.set_letters(letters.clone());
            }
            source
        });
        let runner = SourceRunner::new(&name, factory, context);
        let status = runner.status();
        Ok(RunningSource {
            view: SourceView {
                name,
                status,
                counters,
                dropped,
            },
            stop,
            runner: Some(runner),
            task: None,
        })
    }

    /// The interceptors of a source with the events that they dropped, which go on after a reload.
    fn drop_counters(&self, source: &str, plan: &SourcePlan) -> Vec<(String, Arc<Counter>)> {
        let before = self.before.map(|before| &before.sources);
        let before = before.and_then(|all| all.iter().find(|before| before.name == source));
        let before = before.map_or(&[][..], |before| &before.dropped);
        let counter = |plan: &InterceptorPlan| {
            let name = plan.name().to_owned();
            let known = before.iter().find(|(known, _)| *known == name);
            let counter = known.map_or_else(Arc::default, |(_, counter)| Arc::clone(counter));
            (name, counter)
        };
        plan.interceptors.iter().map(counter).collect()
    }

    fn interceptor(
        &self,
        source: &str,
        plan: &InterceptorPlan,
    ) -> Result<Box<dyn Interceptor>, ComponentError> {
        let plan = match plan {
            InterceptorPlan::Native(plan) => {
                return Ok(plan.recipe.make());
            }
            InterceptorPlan::Policy(plan) => plan,
        };
        let channel = |name: &str| self.channel(name).ok();
        let place = format!("{source}.{}", plan.name);
        let Some(remedy) = plan
            .on_error
            .resolve(channel, &self.services.components.wall)
        else {
            let message = format!("`{place}`: no channel for dead letters in the plan");
            return Err(ComponentError::new(message));
        };
        let policies = &self.services.policies;
        let setup = plan.setup.clone();
        let made = match self.vacant.get(&place) {
            Some(vacancy) => {
                policies.vacant_interceptor(&plan.file, (&place, vacancy), setup, remedy)
            }
            None => policies.interceptor(&plan.file, &place, setup, remedy),
        };
        match made {
            Ok(interceptor) => Ok(Box::new(interceptor)),
            Err(error) => Err(cannot(&place, error)),
        }
    }

    /// Who puts dead letters into these channels.
    fn senders<'n>(
        &self,
        channels: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<Senders>, ComponentError> {
        let senders = |name| Ok(self.running(name)?.senders.clone());
        channels.map(senders).collect()
    }

    fn channel(&self, name: &str) -> Result<Arc<dyn Channel>, ComponentError> {
        Ok(Arc::clone(&self.running(name)?.channel))
    }

    fn running(&self, name: &str) -> Result<&RunningChannel, ComponentError> {
        let is_called = |channel: &&RunningChannel| channel.names.iter().any(|known| known == name);
        match self.channels.iter().find(is_called) {
            Some(channel) => Ok(channel),
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

/// A policy could be used when the plan was made, and cannot any more: its file has changed since.
pub(super) fn cannot(place: &str, error: PolicyUseError) -> ComponentError {
    ComponentError::caused_by(format!("the policy of `{place}` cannot be used"), error)
}
