//! What runs, as lines of the log: what an operator gets who sends SIGQUIT, as for a thread dump of
//! Flume, or SIGUSR1.

use flume_core::clock;

use super::signals::Ending;
use crate::runner::SourceState;
use crate::topology::{AgentView, GroupView};

/// Logs the state of all components.
pub(super) fn log(agents: &[AgentView], ending: Option<Ending>) {
    tracing::info!(
        agents = agents.len(),
        seconds_left = ending.map(|ending| clock::seconds_until(ending.deadline)),
        "status: {}",
        if ending.is_some() {
            "draining"
        } else {
            "running"
        }
    );
    for view in agents {
        sources(view);
        channels(view);
        view.groups.iter().for_each(|group| sinks(view, group));
        departing(view);
    }
}

fn sources(view: &AgentView) {
    for source in &view.sources {
        let (state, address, error) = match source.status.state() {
            SourceState::Starting => ("starting", None, None),
            SourceState::Running(address) => ("running", address, None),
            SourceState::Failed(error) => ("failed", None, Some(error)),
            SourceState::Completed => ("completed", None, None),
            SourceState::Stopped => ("stopped", None, None),
        };
        tracing::info!(
            agent = view.plan.name,
            source = source.name,
            state,
            address = address.map(tracing::field::display),
            connections = source.counters.open_connection.get(),
            received = source.counters.event_received.get(),
            accepted = source.counters.event_accepted.get(),
            error,
            "status of a source"
        );
    }
}

fn channels(view: &AgentView) {
    for channel in &view.channels {
        tracing::info!(
            agent = view.plan.name,
            channel = channel.channel.name(),
            events = channel.channel.depth(),
            capacity = channel.channel.capacity(),
            "status of a channel"
        );
    }
}

fn sinks(view: &AgentView, group: &GroupView) {
    for (sink, report) in group.sinks.iter().zip(group.runner.report()) {
        let (state, health) = (report.state_name(), &report.health);
        let fault = health.last_fault.as_ref();
        let aside = &health.aside;
        tracing::info!(
            agent = view.plan.name,
            group = group.runner.name(),
            sink = sink.name,
            state,
            failures = health.outage.map_or(0, |outage| outage.failures),
            delivered = sink.counters.event_drain_success.get(),
            failed_batches = sink.counters.event_write_fail.get(),
            last_error = fault.map(|fault| &*fault.text),
            seconds_ago = fault.map(|fault| clock::seconds_since(fault.at)),
            aside = aside.events,
            aside_seconds = aside.since.map(clock::seconds_since),
            aside_because = aside.since.map(|_| &*aside.reason),
            "status of a sink"
        );
    }
}

/// Channels that the file has no more, with what empties them.
fn departing(view: &AgentView) {
    for gone in &view.departing {
        for channel in &gone.channels {
            tracing::info!(
                agent = view.plan.name,
                channel = channel.channel.name(),
                events = channel.channel.depth(),
                seconds = clock::seconds_since(gone.since),
                moves_into = gone.into,
                "status of a departing channel"
            );
        }
        gone.group.iter().for_each(|group| sinks(view, group));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flume_components::said::Said;
    use flume_core::clock::now;
    use tokio::time::sleep;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::testing::{plan, services};
    use crate::topology::{ReloadTerms, RunningAgent};

    /// Ten events, none of which has the time that the folder of the sink needs.
    const ASIDE: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1
a1.sources.r1.interceptors = i1
a1.sources.r1.interceptors.i1.type = regex_extractor
a1.sources.r1.interceptors.i1.regex = at (\\\\d+)$
a1.sources.r1.interceptors.i1.serializers = s1
a1.sources.r1.interceptors.i1.serializers.s1.name = timestamp
a1.channels.c1.type = memory
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = /nowhere
a1.sinks.k1.hdfs.path = %Y
a1.sinks.k1.hdfs.withoutTimestamp = fail
";

    /// Events that wait where the file has nothing any more are listed, too.
    #[tokio::test(start_paused = true)]
    async fn events_aside_and_departing_channels_are_listed() {
        let services = services(1);
        let mut agent = RunningAgent::build(plan(ASIDE), &services).unwrap();
        agent.bind().await;
        agent.start_sinks(&services);
        agent.start_sources(&services);
        sleep(Duration::from_secs(30)).await;
        let said = Said::listen();
        log(&[agent.view()], None);
        let of_sink = said.lines("status of a sink");
        assert_eq!(of_sink.len(), 1);
        for part in ["aside=10", "aside_seconds=30", "no `timestamp` header"] {
            assert!(of_sink[0].contains(part), "{part}: {}", of_sink[0]);
        }
        assert_eq!(said.lines("departing channel"), [""; 0]);

        let terms = ReloadTerms {
            deadline: now() + Duration::from_secs(30),
            hurry: CancellationToken::new(),
            may_lose: false,
            ports: Default::default(),
        };
        let other = ASIDE.replace("c1", "c2").replace("k1", "k2");
        agent.reload(plan(&other), &terms, &services).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        let said = Said::listen();
        log(&[agent.view()], None);
        let gone = said.lines("departing channel");
        assert_eq!(gone.len(), 1);
        assert!(gone[0].contains("channel=\"c1\"") && gone[0].contains("seconds=60"));
        let sinks = said.lines("status of a sink");
        assert_eq!(sinks.len(), 2);
        assert!(sinks[1].contains("sink=\"k1\"") && sinks[1].contains("aside=10"));
    }
}
