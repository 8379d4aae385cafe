//! `/groups`: how the groups stand, and what orders their sinks.

use axum::Json;
use axum::extract::State;
use flume_core::clock;
use flume_core::sink_processor::SinkState;
use serde_json::{Map, Value, json};

use super::Board;
use crate::plan::GroupPlan;
use crate::plan::traces::shadow_place;
use crate::policies::PolicyFileReport;
use crate::runner::SinkReport;
use crate::topology::{AgentView, GroupView, SinkView};

/// By agent and group: `processor`, `selector` (null where nothing is balanced), `shadow` and
/// `record` (null where there is none) and `sinks`.
pub(super) async fn show(State(board): State<Board>) -> Json<Value> {
    let reports = board.policies.reports();
    let agents = board.agents();
    let agents = agents.iter();
    let agents: Map<String, Value> = agents
        .map(|view| (view.plan.name.clone(), agent(view, &reports)))
        .collect();
    Json(Value::Object(agents))
}

fn agent(view: &AgentView, reports: &[PolicyFileReport]) -> Value {
    let groups = view.groups.iter().zip(&view.plan.groups);
    let shown = groups.map(|(group, plan)| {
        let processor = plan.processor.clone().string("type", "default");
        let shown = json!({
            "processor": processor,
            "selector": selector(plan, &view.plan.name, reports),
            "shadow": shadow(group, plan, &view.plan.name, reports),
            "record": record(group),
            "sinks": sinks(group),
        });
        (plan.name.clone(), shown)
    });
    Value::Object(shown.collect())
}

/// What orders the sinks of a balanced group.
fn selector(plan: &GroupPlan, agent: &str, reports: &[PolicyFileReport]) -> Value {
    let mut processor = plan.processor.clone();
    if !crate::plan::policy::choice::is_balancing(&processor.string("type", "default")) {
        return Value::Null;
    }
    if plan.policy.is_none() {
        return json!({ "native": processor.string("selector", "round_robin") });
    }
    let found = seat(reports, agent, &plan.name);
    let fallback = processor.string("fallback", "round_robin");
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
        None => json!({ "policy": processor.string("selector", ""), "fallback": fallback }),
    }
}

/// A policy of an agent that has this place, with how it stands there.
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

/// The candidate in the shadow of a group's selector, and how often it would decide otherwise.
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

fn sinks(group: &GroupView) -> Vec<Value> {
    let sinks = group.runner.report().into_iter().zip(&group.sinks);
    let shown = sinks.map(|(report, SinkView { counters, .. })| {
        json!({
            "name": report.name,
            "state": state_name(report.state),
            "penalty-ms": penalty_millis(report.state),
            "failures-in-sequence": failures(report.state),
            "delivered": counters.event_drain_success.get(),
            "failed-batches": counters.event_write_fail.get(),
            "restarts": report.restarts,
            "last-error": last_error(&report),
        })
    });
    shown.collect()
}

fn state_name(state: SinkState) -> &'static str {
    match state {
        SinkState::Active => "active",
        SinkState::Standby => "standby",
        SinkState::Live => "live",
        SinkState::Penalty { .. } => "penalty",
    }
}

fn penalty_millis(state: SinkState) -> Option<u128> {
    match state {
        SinkState::Penalty { until, .. } => {
            Some(until.saturating_duration_since(clock::now()).as_millis())
        }
        _ => None,
    }
}

fn failures(state: SinkState) -> u32 {
    match state {
        SinkState::Penalty { failures, .. } => failures,
        _ => 0,
    }
}

fn last_error(report: &SinkReport) -> Value {
    match &report.fault {
        None => Value::Null,
        Some(fault) => json!({
            "text": fault.text,
            "seconds-ago": clock::now().saturating_duration_since(fault.at).as_secs(),
        }),
    }
}
