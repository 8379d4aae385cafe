//! The health of the process: what is wrong, the worst first, in words that name a remedy.
//!
//! This is the one place that decides it. `/readyz`, `/healthz`, `/groups` and `/metrics` read the
//! same reports.
//!
//! | wrong | level | takes nothing in |
//! |---|---|---|
//! | starting, stopping, or applying a new file | waiting | yes |
//! | a source that is not open | failing; waiting at the start | yes |
//! | a channel that is full, and no sink of it works | failing | yes |
//! | no sink of a channel works | failing | no |
//! | one of several sinks fails | degraded | no |
//! | events that a sink can never deliver; so many that it stands | degraded; failing | no |
//! | a policy whose fallback stands in; a policy file that was refused | degraded | no |
//! | a channel that the file has no more and that is not empty | waiting | no |

use std::fmt;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use flume_policy::SeatState;
use serde::Serialize;

use crate::policies::PolicyFileReport;
use crate::runner::{SinkReport, SourceState};
use crate::topology::{AgentView, DepartingView, RunningChannel, SourceView, events_left};

/// What the process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Ports are being opened.
    Starting,
    /// At work.
    Running,
    /// A new file is applied.
    Reloading {
        /// Since when.
        since: Instant,
        /// Until when at the latest.
        until: Instant,
    },
    /// Channels drain, until this time at the latest.
    Stopping(Instant),
}

/// A reload counts as an obstacle only after this time.
const NOTICED: Duration = Duration::from_secs(1);

/// How bad it is; the worst is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It ends by itself.
    Waiting,
    /// Everything goes on, with less than was configured.
    Degraded,
    /// Something is not taken in or not delivered.
    Failing,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trouble {
    /// The agent and the component, as in the file.
    pub component: String,
    /// How bad it is.
    pub state: Level,
    /// Seconds since it began.
    pub since_seconds: Option<u64>,
    /// What is seen.
    pub symptom: String,
    /// What it means for events.
    pub impact: String,
    /// Why, as far as it is known.
    pub cause: String,
    /// What an operator can do.
    pub what_to_do: String,
    /// Whether events are refused because of it.
    #[serde(skip)]
    pub takes_nothing_in: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", level_name(self.state), self.component)?;
        if let Some(seconds) = self.since_seconds {
            write!(f, " for {seconds} s")?;
        }
        write!(f, ": {}", self.symptom)?;
        for (name, text) in [
            ("impact", &self.impact),
            ("cause", &self.cause),
            ("what to do", &self.what_to_do),
        ] {
            if !text.is_empty() {
                write!(f, "; {name}: {text}")?;
            }
        }
        Ok(())
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Waiting => "waiting",
        Level::Degraded => "degraded",
        Level::Failing => "failing",
    }
}

/// Everything that is wrong, the worst first.
pub(crate) fn of(
    phase: Phase,
    agents: &[AgentView],
    policies: &[PolicyFileReport],
) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = process(phase, agents).into_iter().collect();
    for view in agents {
        // At the end, a source that is closed is no news.
        if !matches!(phase, Phase::Stopping(_)) {
            let sources = view.sources.iter();
            troubles.extend(sources.filter_map(|status| source(view, status)));
        }
        let channels = view.channels.iter();
        troubles.extend(channels.flat_map(|running| channel(view, running)));
        troubles.extend(view.departing.iter().map(|gone| departing(view, gone)));
    }
    troubles.extend(policies.iter().flat_map(policy));
    // Stable: what is equally bad stays in the order of the file.
    troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.state));
    troubles
}

/// What keeps the process from taking events in, for `/readyz`.
pub(crate) fn obstacles(troubles: &[Trouble]) -> impl Iterator<Item = &Trouble> {
    troubles.iter().filter(|trouble| trouble.takes_nothing_in)
}

/// The level of the whole process; `None` if nothing is wrong.
pub(crate) fn worst(troubles: &[Trouble]) -> Option<Level> {
    troubles.iter().map(|trouble| trouble.state).max()
}

fn process(phase: Phase, agents: &[AgentView]) -> Option<Trouble> {
    let (symptom, impact) = match phase {
        Phase::Running => return None,
        Phase::Starting => ("starting".to_owned(), "ports are not open yet"),
        Phase::Reloading { until, .. } => {
            let symptom = format!(
                "applying a new file, at most {} s more",
                clock::seconds_until(until)
            );
            (symptom, "changed sources may be closed")
        }
        Phase::Stopping(until) => {
            let events = events_left(agents);
            let symptom = format!(
                "draining: {events} events left, {} s left",
                clock::seconds_until(until)
            );
            (symptom, "sources are closed")
        }
    };
    Some(Trouble {
        component: "process".to_owned(),
        state: Level::Waiting,
        since_seconds: None,
        symptom,
        impact: impact.to_owned(),
        cause: String::new(),
        what_to_do: String::new(),
        // Most reloads are over before a client could notice.
        takes_nothing_in: match phase {
            Phase::Reloading { since, .. } => clock::now() >= since + NOTICED,
            _ => true,
        },
    })
}

fn source(view: &AgentView, source: &SourceView) -> Option<Trouble> {
    let (state, symptom, cause) = match source.status.state() {
        SourceState::Starting => (Level::Waiting, "is starting", String::new()),
        SourceState::Failed(error) => (Level::Failing, "failed", error),
        SourceState::Running(_) | SourceState::Completed | SourceState::Stopped => return None,
    };
    let what_to_do = match state {
        Level::Failing => "see the cause; it is tried again and again",
        _ => "",
    };
    Some(Trouble {
        component: format!("source {} of {}", source.name, view.plan.name),
        state,
        since_seconds: Some(clock::seconds_since(source.status.since())),
        symptom: symptom.to_owned(),
        impact: "it takes no events in".to_owned(),
        cause,
        what_to_do: what_to_do.to_owned(),
        takes_nothing_in: true,
    })
}

/// What is wrong with a channel and its sinks.
fn channel(view: &AgentView, running: &RunningChannel) -> Vec<Trouble> {
    let sinks_of = drains(view, running);
    let failing = sinks_of.iter().filter(|sink| !sink.is_usable());
    let failing: Vec<&SinkReport> = failing.collect();
    let nobody_works = failing.len() == sinks_of.len();
    let (depth, capacity) = (running.channel.depth(), running.channel.capacity());
    let name = running.names.join("+");
    let mut troubles = Vec::new();
    let is_full = running.channel.is_full() || running.channel.is_short_of_room();
    if is_full && nobody_works {
        troubles.push(Trouble {
            component: format!("channel {name} of {}", view.plan.name),
            state: Level::Failing,
            since_seconds: None,
            symptom: format!("full: {depth} of {capacity} events, and no sink of it works"),
            impact: "its sources refuse events".to_owned(),
            cause: sinks_named(&failing),
            what_to_do: "have one of its sinks deliver again".to_owned(),
            takes_nothing_in: true,
        });
    }
    let (state, impact) = match nobody_works {
        true => {
            let impact = format!("{depth} of {capacity} events wait in channel {name}");
            (Level::Failing, impact)
        }
        false => (Level::Degraded, "the other sinks deliver".to_owned()),
    };
    let sinks = failing.into_iter();
    troubles.extend(sinks.map(|sink| sink_trouble(view, sink, state, impact.clone())));
    troubles.extend(sinks_of.iter().filter_map(|sink| aside(view, sink)));
    troubles
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
        takes_nothing_in: false,
    })
}

/// The sinks that drain a channel.
fn drains(view: &AgentView, running: &RunningChannel) -> Vec<SinkReport> {
    let groups = view.groups.iter().zip(&view.plan.groups);
    let sinks = groups.flat_map(|(group, plan)| group.runner.report().into_iter().zip(&plan.sinks));
    let own = sinks.filter(|(_, plan)| running.names.contains(&plan.channel));
    own.map(|(report, _)| report).collect()
}

fn sinks_named(sinks: &[&SinkReport]) -> String {
    let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    match names.is_empty() {
        true => "it has no sink".to_owned(),
        false => format!("see sink {}", names.join(", ")),
    }
}

fn sink_trouble(view: &AgentView, sink: &SinkReport, state: Level, impact: String) -> Trouble {
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
        takes_nothing_in: false,
    }
}

fn departing(view: &AgentView, gone: &DepartingView) -> Trouble {
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
        since_seconds: None,
        symptom: format!("the file has it no more, and {events} events wait in it"),
        impact: "it stays until it is empty".to_owned(),
        cause: causes.join("; "),
        what_to_do: String::new(),
        takes_nothing_in: false,
    }
}

fn policy(report: &PolicyFileReport) -> Vec<Trouble> {
    let trouble =
        |component: String, symptom: &str, impact: &str, cause: String, remedy: &str| Trouble {
            component,
            state: Level::Degraded,
            since_seconds: None,
            symptom: symptom.to_owned(),
            impact: impact.to_owned(),
            cause,
            what_to_do: remedy.to_owned(),
            takes_nothing_in: false,
        };
    let refused = report.last_error.as_ref().map(|error| {
        trouble(
            format!("policy {}", report.name),
            "its last new version was refused",
            "the version before goes on",
            error.clone(),
            "mend the file: the process would not start again with it",
        )
    });
    let seats = report.seats.iter().filter_map(|seat| {
        let symptom = match seat.state {
            SeatState::Running | SeatState::Starting => return None,
            SeatState::Resting { .. } => "broke the contract and rests",
            SeatState::Quarantined => "broke the contract too often and is not asked any more",
        };
        let fault = seat.fault.as_ref();
        let cause = fault.map(|(violation, _)| violation.detail.clone());
        Some(trouble(
            format!("policy {} in {}", report.name, seat.place),
            symptom,
            "its fallback stands in",
            cause.unwrap_or_default(),
            "bring a mended version, or roll back",
        ))
    });
    refused.into_iter().chain(seats).collect()
}

#[cfg(test)]
mod tests;
