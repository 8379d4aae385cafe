//! What runs, as lines of the log: what an operator gets who sends SIGQUIT, as for a thread dump of
//! Flume, or SIGUSR1.

use flume_core::clock;

use super::signals::Ending;
use crate::runner::SourceState;
use crate::topology::AgentView;

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
        sinks(view);
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

fn sinks(view: &AgentView) {
    for group in &view.groups {
        for (sink, report) in group.sinks.iter().zip(group.runner.report()) {
            let (state, health) = (report.state_name(), &report.health);
            let fault = health.last_fault.as_ref();
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
                "status of a sink"
            );
        }
    }
}
