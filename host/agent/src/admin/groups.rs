//! `/groups`: the state of the groups, and what orders their sinks.

use axum::extract::State;
use axum::{Extension, Json};
use flume_core::ClientCounter;
use flume_core::clock::{self, Instant};
use flume_core::sink_group::SinkState;
use serde_json::{Map, Value, json};

use super::AdminView;
use super::access::{Caller, On, Refusal, Verb};
use crate::plan::GroupPlan;
use crate::plan::traces::shadow_place;
use crate::policies::PolicyFileReport;
use crate::runner::SinkReport;
use crate::topology::{AgentView, GroupView, SinkView};

/// By agent and group: `processor`, `selector` (null where nothing is balanced), `shadow`, `record`
/// and `spare` (null where there is none) and `sinks`.
pub(super) async fn show(
    State(admin): State<AdminView>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Verb::See, On::Any)?;
    let seen = admin.seen_by(&caller);
    let agents = seen.agents.iter();
    let agents: Map<String, Value> = agents
        .map(|view| (view.plan.name.clone(), agent(view, &seen.policies)))
        .collect();
    Ok(Json(Value::Object(agents)))
}

fn agent(view: &AgentView, reports: &[PolicyFileReport]) -> Value {
    let groups = view.groups.iter().zip(&view.plan.groups);
    let shown = groups.map(|(group, plan)| {
        let processor = plan.keys.text("type").unwrap_or_default();
        let shown = json!({
            "processor": processor,
            "selector": selector(plan, &view.plan.name, reports),
            "shadow": shadow(group, plan, &view.plan.name, reports),
            "record": record(group),
            "spare": spare(group),
            "sinks": sinks(group),
        });
        (plan.name.clone(), shown)
    });
    Value::Object(shown.collect())
}

/// What orders the sinks of a balanced group.
fn selector(plan: &GroupPlan, agent: &str, reports: &[PolicyFileReport]) -> Value {
    let Some(native) = &plan.processor.selector else {
        return Value::Null;
    };
    if plan.policy.is_none() {
        return json!({ "native": native.name() });
    }
    let found = seat(reports, agent, &plan.name);
    let fallback = native.name();
    match found {
        Some((report, seat)) => json!({
            "policy": report.name,
            "digest": report.digest,
            "generation": report.generation,
            "seat": super::policies::seat(seat),
            "fallback": fallback,
            "fallbacks": report.totals.fallbacks,
        }),
        // Between two versions of the file, while the group is made anew.
        None => {
            json!({ "policy": plan.keys.text("selector").unwrap_or_default(), "fallback": fallback })
        }
    }
}

/// The policy of an agent that has this place, and its state there.
fn seat<'r>(
    reports: &'r [PolicyFileReport],
    agent: &str,
    place: &str,
) -> Option<(&'r PolicyFileReport, &'r flume_policy::SeatReport)> {
    let mut reports = reports.iter().filter(|report| report.agent == agent);
    reports.find_map(|report| {
        let seat = report.seats.iter().find(|seat| seat.place == place)?;
        Some((report, seat))
    })
}

/// The shadow candidate of a group, and how often it would have decided otherwise.
fn shadow(group: &GroupView, plan: &GroupPlan, agent: &str, reports: &[PolicyFileReport]) -> Value {
    let Some(stats) = &group.watchers.shadow else {
        return Value::Null;
    };
    let mut shown = json!({
        "compared": stats.compared.get(),
        "first-differs": stats.first_differs.get(),
        "order-differs": stats.order_differs.get(),
        "unanswered": stats.unanswered.get(),
        "dropped": stats.dropped.get(),
    });
    let found = seat(reports, agent, &shadow_place(&plan.name));
    if let (Some((report, seat)), Some(shown)) = (found, shown.as_object_mut()) {
        shown.insert("policy".to_owned(), json!(report.name));
        shown.insert("digest".to_owned(), json!(report.digest));
        shown.insert("seat".to_owned(), super::policies::seat(seat));
    }
    shown
}

/// The record of a group's selector.
fn record(group: &GroupView) -> Value {
    let Some(stats) = &group.watchers.record else {
        return Value::Null;
    };
    let (entries, dropped) = stats.entries();
    json!({
        "file": stats.path.display().to_string(),
        "entries": entries,
        "dropped": dropped,
        "bytes": stats.written(),
        "failed-writes": stats.failures(),
    })
}

/// The spare of a group, and what is on its way home.
fn spare(group: &GroupView) -> Value {
    let Some(home) = group.runner.home() else {
        return Value::Null;
    };
    json!({
        "sink": home.spare(),
        "channel": home.channel().name(),
        "drain-share": home.share().fraction(),
        "in-use-since": home.in_use_since().map(ago),
        "waiting": home.channel().depth(),
        "spared": home.counts().spared.get(),
        "came-home": home.counts().came_home.get(),
    })
}

fn sinks(group: &GroupView) -> Vec<Value> {
    let sinks = group.runner.report().into_iter().zip(&group.sinks);
    let shown = sinks.map(|(report, SinkView { counters, .. })| {
        json!({
            "name": report.name,
            "state": report.state_name(),
            "penalty-ms": penalty_millis(report.state),
            "failures-in-sequence": report.health.outage.map_or(0, |outage| outage.failures),
            "since": report.health.outage.map(|outage| ago(outage.since)),
            "last-success": report.health.last_success.map(ago),
            "delivered": counters.event_drain_success.get(),
            "failed-batches": counters.event_write_fail.get(),
            "restarts": report.restarts,
            "last-error": last_error(&report),
            "client": counters.client.get().map(client),
        })
    });
    shown.collect()
}

/// The client of a cluster that a sink has.
fn client(client: &ClientCounter) -> Value {
    json!({
        "in-flight": client.in_flight(),
        "unreachable-since": client.away().map(|(since, _)| ago(since)),
        "errors": client.errors(),
    })
}

fn penalty_millis(state: SinkState) -> Option<u128> {
    match state {
        SinkState::Penalty { until, .. } => {
            Some(until.saturating_duration_since(clock::now()).as_millis())
        }
        _ => None,
    }
}

fn last_error(report: &SinkReport) -> Value {
    match &report.health.last_fault {
        None => Value::Null,
        Some(fault) => json!({ "text": fault.text, "seconds-ago": clock::seconds_since(fault.at) }),
    }
}

fn ago(at: Instant) -> Value {
    json!({ "seconds-ago": clock::seconds_since(at) })
}
