//! What is wrong with the clients of clusters: nobody can be reached, or readers fall behind.

use std::sync::OnceLock;

use flume_core::ClientCounter;
use flume_core::clock;

use super::{Level, Trouble};
use crate::topology::AgentView;

/// What a client does for its component.
#[derive(Clone, Copy)]
struct Use {
    kind: &'static str,
    /// What is not done while nobody can be reached.
    impact: &'static str,
}

/// Adds what is wrong with the clients of an agent, unless it is said of their components already.
pub(super) fn add(troubles: &mut Vec<Trouble>, view: &AgentView) {
    for trouble in clients(view) {
        let is_said =
            |known: &Trouble| known.component == trouble.component && known.state >= trouble.state;
        if !troubles.iter().any(is_said) {
            troubles.push(trouble);
        }
    }
}

fn clients(view: &AgentView) -> Vec<Trouble> {
    let source = Use {
        kind: "source",
        impact: "it reads nothing",
    };
    let channel = Use {
        kind: "channel",
        impact: "puts are refused after a while, and nothing is taken",
    };
    let sink = Use {
        kind: "sink",
        impact: "it delivers nothing",
    };
    let sources = view.sources.iter();
    let sources = sources.map(|it| (source, it.name.clone(), it.counters.client.get().cloned()));
    let channels = view.channels.iter();
    let channels = channels.map(|it| {
        let client = &it.channel.counters().client;
        (channel, it.names.join("+"), OnceLock::get(client).cloned())
    });
    let sinks = view.groups.iter().flat_map(|group| &group.sinks);
    let sinks = sinks.map(|it| (sink, it.name.clone(), it.counters.client.get().cloned()));
    let all = sources.chain(channels).chain(sinks);
    let known = all.filter_map(|(of, name, client)| Some((of, name, client?)));
    known
        .flat_map(|(of, name, client)| troubles(view, of, &name, &client))
        .collect()
}

fn troubles(view: &AgentView, of: Use, name: &str, client: &ClientCounter) -> Vec<Trouble> {
    let agent = &view.plan.name;
    let trouble = |state, symptom: &str| Trouble {
        component: format!("{} {name} of {agent}", of.kind),
        state,
        since_seconds: None,
        symptom: symptom.to_owned(),
        impact: String::new(),
        cause: String::new(),
        what_to_do: String::new(),
        agent: Some(agent.clone()),
        takes_nothing_in: false,
    };
    let mut troubles = Vec::new();
    if let Some((since, error)) = client.away() {
        troubles.push(Trouble {
            since_seconds: Some(clock::seconds_since(since)),
            impact: of.impact.to_owned(),
            cause: error,
            what_to_do: "see whether the brokers run, and whether this machine reaches them"
                .to_owned(),
            ..trouble(Level::Failing, "no broker can be reached")
        });
    }
    let behind = client.behind();
    if behind.is_growing {
        let (records, partitions) = (behind.records, behind.partitions);
        let symptom = format!("behind by {records} records on {partitions} partitions, growing");
        troubles.push(Trouble {
            impact: "what is new is delivered later and later".to_owned(),
            what_to_do: "make the way from here faster, or run this agent on more machines: \
                         partitions are shared by the group"
                .to_owned(),
            ..trouble(Level::Degraded, &symptom)
        });
    }
    troubles
}
