//! The health of the process: what is wrong, the worst first, in words that name a remedy.
//!
//! This is the one place that decides it. `/readyz`, `/healthz`, `/groups` and `/metrics` read the
//! same reports.
//!
//! | wrong | level | takes nothing in |
//! |---|---|---|
//! | starting, stopping, or an agent to which a new file is applied | waiting | yes |
//! | an agent that is left out; one whose policies are tried out for its start | failing; waiting | yes |
//! | a source that is not open | failing; waiting at the start | yes |
//! | a channel that is full, and no sink of it works | failing | if a running source requires it |
//! | no sink of a channel works | failing | no |
//! | one of several sinks fails | degraded | no |
//! | events that the spare of a group took, while no other sink works; while they come home | degraded; waiting | no |
//! | events that a sink can never deliver; so many that it stands | degraded; failing | no |
//! | no server of a cluster can be reached; a reader that falls behind | failing; degraded | no |
//! | a policy of a group that is not asked, or could not be loaded: its fallback stands in | degraded | no |
//! | a policy of an interceptor that is not asked, unless its events may pass | failing | until the next try |
//! | a policy file that was refused | degraded | no |
//! | a channel that the file has no more and that is not empty | waiting | no |

use std::fmt;
use std::time::Duration;

use flume_core::clock::{self, Instant};
use serde::Serialize;

use self::channels::{channel, departing};
use self::policies::policy;
use crate::policies::PolicyFileReport;
use crate::runner::SourceState;
use crate::topology::{AgentView, SourceView, events_left};

mod channels;
mod clients;
mod policies;

/// What the process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Ports are being opened.
    Starting,
    /// At work.
    Running,
    /// Channels drain, until this time at the latest.
    Stopping(Instant),
}

/// What is to be known of an agent besides what runs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The agent.
    pub agent: String,
    /// What it is doing.
    pub doing: Doing,
}

/// What an agent does that does not just run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Its policies are compiled and tried out for a file.
    Preparing {
        /// Since when.
        since: Instant,
        /// Whether it runs meanwhile, from the file before.
        runs: bool,
    },
    /// It is started, or a new file is applied to it.
    Changing {
        /// Since when.
        since: Instant,
        /// Until when at the latest.
        until: Instant,
    },
    /// It does not run, because a policy of it cannot be used.
    LeftOut {
        /// Since when.
        since: Instant,
        /// What is wrong.
        why: String,
    },
}

/// A change counts as an obstacle only after this time.
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
    /// The agent that it is about; none if it is about all.
    #[serde(skip)]
    pub agent: Option<String>,
    /// Whether events are refused because of it.
    #[serde(skip)]
    pub takes_nothing_in: bool,
}

impl Trouble {
    /// What is seen and where, without the rest.
    pub(crate) fn headline(&self) -> String {
        let level = level_name(self.state);
        format!("{level} {}: {}", self.component, self.symptom)
    }
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
    standings: &[Standing],
    agents: &[AgentView],
    policies: &[PolicyFileReport],
) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = process(phase, agents).into_iter().collect();
    // At the end, nobody starts any more.
    if !matches!(phase, Phase::Stopping(_)) {
        troubles.extend(standings.iter().map(standing));
    }
    for view in agents {
        // At the end, a source that is closed is no news.
        if !matches!(phase, Phase::Stopping(_)) {
            let sources = view.sources.iter();
            troubles.extend(sources.filter_map(|status| source(view, status)));
        }
        let channels = view.channels.iter();
        troubles.extend(channels.flat_map(|running| channel(view, running)));
        troubles.extend(view.departing.iter().map(|gone| departing(view, gone)));
        clients::add(&mut troubles, view);
    }
    troubles.extend(policies.iter().flat_map(policy));
    // Stable: what is equally bad stays in the order of the file.
    troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.state));
    troubles
}

/// What concerns one agent: its own troubles, and those of the whole process.
pub(crate) fn about(troubles: Vec<Trouble>, agent: &str) -> Vec<Trouble> {
    let concerns = |trouble: &Trouble| trouble.agent.as_deref().is_none_or(|of| of == agent);
    troubles.into_iter().filter(concerns).collect()
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
        agent: None,
        takes_nothing_in: true,
    })
}

fn standing(Standing { agent, doing }: &Standing) -> Trouble {
    let since = match doing {
        Doing::Preparing { since, .. }
        | Doing::Changing { since, .. }
        | Doing::LeftOut { since, .. } => *since,
    };
    let trouble = Trouble {
        component: format!("agent {agent}"),
        state: Level::Waiting,
        since_seconds: Some(clock::seconds_since(since)),
        symptom: String::new(),
        impact: "it takes no events in".to_owned(),
        cause: String::new(),
        what_to_do: String::new(),
        agent: Some(agent.clone()),
        takes_nothing_in: true,
    };
    match doing {
        Doing::Preparing { runs: false, .. } => Trouble {
            symptom: "its policies are compiled and tried out before it starts".to_owned(),
            ..trouble
        },
        Doing::Preparing { runs: true, .. } => Trouble {
            symptom: "the policies of its new file are compiled and tried out".to_owned(),
            impact: "it goes on from the file before".to_owned(),
            takes_nothing_in: false,
            ..trouble
        },
        Doing::Changing { since, until } => Trouble {
            symptom: format!(
                "applying a new file, at most {} s more",
                clock::seconds_until(*until)
            ),
            impact: "changed sources may be closed".to_owned(),
            // Most changes are over before a client could notice.
            takes_nothing_in: clock::now() >= *since + NOTICED,
            ..trouble
        },
        Doing::LeftOut { why, .. } => Trouble {
            state: Level::Failing,
            symptom: "is left out".to_owned(),
            cause: why.clone(),
            what_to_do: format!(
                "mend it and send SIGHUP; `{agent}.policies.at-start = fallback` has it start all the \
                 same"
            ),
            ..trouble
        },
    }
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
        agent: Some(view.plan.name.clone()),
        takes_nothing_in: true,
    })
}

#[cfg(test)]
mod tests;
