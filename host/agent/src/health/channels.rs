//! What is wrong with a channel and the sinks that drain it.

use std::sync::Arc;

use flume_core::ChannelFault;
use flume_core::clock::{self, Instant};

use super::{Level, Trouble};
use crate::runner::{Home, SinkReport, SourceState};
use crate::topology::{AgentView, DepartingView, RunningChannel};

/// What is wrong with a channel and its sinks.
pub(super) fn channel(view: &AgentView, running: &RunningChannel) -> Vec<Trouble> {
    let waiting = spill(view, running);
    if !waiting.is_empty() {
        return waiting.into_iter().chain(fault(view, running)).collect();
    }
    let sinks_of = drains(view, running);
    let failing = sinks_of.iter().filter(|sink| !sink.is_usable());
    let failing: Vec<&SinkReport> = failing.collect();
    let nobody_works = failing.len() == sinks_of.len();
    let (depth, capacity) = (running.channel.depth(), running.channel.capacity());
    let name = running.names.join("+");
    let mut troubles = Vec::new();
    let full_since = running.full.since(&*running.channel);
    if let Some(full_since) = full_since.filter(|_| nobody_works) {
        troubles.push(full(view, running, full_since, &failing));
    }
    troubles.extend(fault(view, running));
    let (state, impact) = match nobody_works {
        true => {
            let impact = format!("{depth} of {capacity} events wait in channel {name}");
            (Level::Failing, impact)
        }
        false => (Level::Degraded, impact_beside_others(view, &sinks_of)),
    };
    let sinks = failing.into_iter();
    troubles.extend(sinks.map(|sink| failing_sink(view, sink, state, impact.clone())));
    troubles.extend(sinks_of.iter().filter_map(|sink| aside(view, sink)));
    troubles
}

/// What the sinks that work do while others fail.
fn impact_beside_others(view: &AgentView, sinks: &[SinkReport]) -> String {
    let mut usable = sinks.iter().filter(|sink| sink.is_usable());
    let homes = view.groups.iter().filter_map(|group| group.runner.home());
    let homes: Vec<&Home> = homes.collect();
    let spare = |sink: &SinkReport| homes.iter().find(|home| home.spare() == sink.name);
    match (usable.next(), usable.next()) {
        (Some(last), None) if let Some(home) = spare(last) => {
            format!("new events go to channel {}", home.channel().name())
        }
        _ => "the other sinks deliver".to_owned(),
    }
}

/// Events of a spare that wait to come home.
fn spill(view: &AgentView, running: &RunningChannel) -> Vec<Trouble> {
    let is_of = |home: &&Home| Arc::ptr_eq(home.channel(), &running.channel);
    let groups = view.groups.iter();
    let mut groups = groups.filter_map(|group| Some((group, group.runner.home().filter(is_of)?)));
    let Some((group, home)) = groups.next() else {
        return Vec::new();
    };
    let (depth, capacity) = (running.channel.depth(), running.channel.capacity());
    if depth == 0 {
        return Vec::new();
    }
    let (name, spare) = (group.runner.name(), home.spare());
    let since = home.in_use_since();
    let is_full = since.is_some() && running.full.since(&*running.channel).is_some();
    let impact = match since {
        _ if is_full => format!("it is full: what is new waits in the channel of {name}"),
        Some(_) => format!("they come home when another sink of {name} delivers"),
        None => format!("the other sinks of {name} deliver them, beside what is new"),
    };
    vec![Trouble {
        component: component(view, running),
        state: match since {
            Some(_) => Level::Degraded,
            None => Level::Waiting,
        },
        since_seconds: since.map(clock::seconds_since),
        symptom: format!("{depth} of {capacity} events that the spare {spare} took wait in it"),
        impact,
        cause: String::new(),
        what_to_do: match since {
            Some(_) => format!("have another sink of {name} deliver again"),
            None => String::new(),
        },
        agent: Some(view.plan.name.clone()),
        takes_nothing_in: false,
    }]
}

/// What a channel says of itself.
fn fault(view: &AgentView, running: &RunningChannel) -> Option<Trouble> {
    let ChannelFault {
        cause,
        refuses_puts,
    } = running.channel.fault()?;
    let takes_nothing_in = refuses_puts && !requiring(view, running).is_empty();
    Some(Trouble {
        component: component(view, running),
        state: match refuses_puts {
            true => Level::Failing,
            false => Level::Degraded,
        },
        since_seconds: None,
        symptom: "the place of its events is at fault".to_owned(),
        impact: match refuses_puts {
            true => "it takes no event in, and delivers what it has".to_owned(),
            false => "takes may fail; they are tried again".to_owned(),
        },
        cause,
        what_to_do: "look at the disk, and at what the log says of this channel".to_owned(),
        agent: Some(view.plan.name.clone()),
        takes_nothing_in,
    })
}

/// A channel that has no room and no sink that works.
fn full(
    view: &AgentView,
    running: &RunningChannel,
    full_since: Instant,
    failing: &[&SinkReport],
) -> Trouble {
    let (depth, capacity) = (running.channel.depth(), running.channel.capacity());
    let refusing = requiring(view, running);
    let is_fed = |name: &String| view.plan.sources.iter().any(|s| s.channels.contains(name));
    let impact = match refusing.as_slice() {
        [] if running.names.iter().any(is_fed) => {
            "no source requires it now, so they deliver elsewhere and leave it out".to_owned()
        }
        [] => "it takes no dead letters in".to_owned(),
        [source] => format!("source {source} refuses events"),
        sources => format!("sources {} refuse events", sources.join(", ")),
    };
    // The last sink may have failed after the channel was full.
    let outages = failing.iter().filter_map(|sink| sink.health.outage);
    let since = outages
        .map(|outage| outage.since)
        .fold(full_since, Instant::max);
    Trouble {
        component: component(view, running),
        state: Level::Failing,
        since_seconds: Some(clock::seconds_since(since)),
        symptom: format!("full: {depth} of {capacity} events, and no sink of it works"),
        impact,
        cause: named(failing),
        what_to_do: "have one of its sinks deliver again".to_owned(),
        agent: Some(view.plan.name.clone()),
        takes_nothing_in: !refusing.is_empty(),
    }
}

/// The running sources that refuse an event, or some of their events, that the channel does not take.
fn requiring<'a>(view: &'a AgentView, running: &RunningChannel) -> Vec<&'a str> {
    let works = |name: &str| {
        let mut sources = view.sources.iter();
        let found = sources.find(|source| source.name == name);
        found.is_some_and(|source| matches!(source.status.state(), SourceState::Running(_)))
    };
    let plans = view.plan.sources.iter();
    let plans = plans.filter(|plan| plan.requires_any(&running.names));
    let names = plans.map(|plan| plan.component.name.as_str());
    names.filter(|name| works(name)).collect()
}

fn component(view: &AgentView, running: &RunningChannel) -> String {
    format!("channel {} of {}", running.names.join("+"), view.plan.name)
}

/// The sinks that drain a channel.
fn drains(view: &AgentView, running: &RunningChannel) -> Vec<SinkReport> {
    let groups = view.groups.iter().zip(&view.plan.groups);
    let sinks = groups.flat_map(|(group, plan)| group.runner.report().into_iter().zip(&plan.sinks));
    let own = sinks.filter(|(_, plan)| running.names.contains(&plan.channel));
    own.map(|(report, _)| report).collect()
}

fn named(sinks: &[&SinkReport]) -> String {
    let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    match names.is_empty() {
        true => "it has no sink".to_owned(),
        false => format!("see sink {}", names.join(", ")),
    }
}

fn failing_sink(view: &AgentView, sink: &SinkReport, state: Level, impact: String) -> Trouble {
    let outage = sink.health.outage;
    let symptom = match outage {
        Some(outage) if outage.not_started => "did not start".to_owned(),
        Some(outage) => format!("fails: {} batches in sequence", outage.failures),
        None => "is excluded by a penalty".to_owned(),
    };
    let fault = sink.health.last_fault.as_ref();
    Trouble {
        component: format!("sink {} of {}", sink.name, view.plan.name),
        state,
        since_seconds: outage.map(|outage| clock::seconds_since(outage.since)),
        symptom,
        impact,
        cause: fault.map(|fault| fault.text.clone()).unwrap_or_default(),
        what_to_do: "see the cause; it is tried again and again, and no event is lost".to_owned(),
        agent: Some(view.plan.name.clone()),
        takes_nothing_in: false,
    }
}

/// Events that a sink has set aside, because they can never be delivered.
fn aside(view: &AgentView, sink: &SinkReport) -> Option<Trouble> {
    let aside = &sink.health.aside;
    let oldest = aside.since?;
    let (events, remedy) = (aside.events, &aside.remedy);
    let impact = match aside.is_full {
        true => "no more can be set aside, so the next one stops those behind it",
        false => "those behind them are delivered",
    };
    let what_to_do = match remedy.as_str() {
        "retry" => {
            "mend the cause, or set `on-error` of the sink to `dead-letter:<channel>` or `drop`"
        }
        "drop" => "mend the cause: they are dropped after their tries",
        _ => "mend the cause; if they stay, their channel for dead letters has no room",
    };
    Some(Trouble {
        component: format!("sink {} of {}", sink.name, view.plan.name),
        state: match aside.is_full {
            true => Level::Failing,
            false => Level::Degraded,
        },
        since_seconds: Some(clock::seconds_since(oldest)),
        symptom: format!("{events} events cannot be delivered and are set aside ({remedy})"),
        impact: impact.to_owned(),
        cause: aside.reason.clone(),
        what_to_do: what_to_do.to_owned(),
        agent: Some(view.plan.name.clone()),
        takes_nothing_in: false,
    })
}

/// A channel that the file has no more, and that is not empty.
pub(super) fn departing(view: &AgentView, gone: &DepartingView) -> Trouble {
    let names: Vec<String> = gone
        .channels
        .iter()
        .map(|one| one.names.join("+"))
        .collect();
    let events: usize = gone.channels.iter().map(|one| one.channel.depth()).sum();
    let reports = gone.group.as_ref().map(|group| group.runner.report());
    let reports = reports.unwrap_or_default();
    let faults = reports.iter().filter_map(|sink| {
        sink.health.outage?;
        sink.health.last_fault.as_ref()
    });
    let causes: Vec<&str> = faults.map(|fault| fault.text.as_str()).collect();
    let names = names.join(", ");
    Trouble {
        component: format!("channel {names} of {}", view.plan.name),
        state: Level::Waiting,
        since_seconds: Some(clock::seconds_since(gone.since)),
        symptom: format!("the file has it no more, and {events} events wait in it"),
        impact: "it stays until it is empty".to_owned(),
        cause: causes.join("; "),
        what_to_do: String::new(),
        agent: Some(view.plan.name.clone()),
        takes_nothing_in: false,
    }
}
