//! `/policies`: the state of policies, and the ways to change them while they run.
//!
//! | request | effect |
//! |---|---|
//! | `GET /policies`, `GET /policies/<agent>/<name>` | reports |
//! | `PUT /policies/<agent>/<name>` | the body, a module, runs in all places of the policy |
//! | `DELETE /policies/<agent>/<name>` | the version in the file runs again |
//! | `POST /policies/<agent>/<name>/rollback` | the previous version runs again |
//!
//! Who may do that is said in `access`. Changes are never accepted from browsers: any web page can
//! send requests to a port of its reader's machine, and with DNS rebinding they look like requests to
//! the page's own host.
//!
//! Modules on their way are bounded together, and for each agent: many that arrive slowly would fill
//! the memory. One of each agent has room that no other can take.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use flume_core::clock::{self, Instant};
use flume_policy::{SeatReport, SeatState, Violation};
use serde_json::{Map, Value, json};

use super::access::{Caller, On, Refusal, Verb};
use super::arrival::{MOST_BYTES, arrive};
use super::names::{USE_ADDRESS, is_address};
use crate::policies::{
    ChangeError, Changed, MOST_ARRIVING, MOST_OF_ONE, OWN_ROOM, Policies, PolicyFileReport,
};

/// What the forms of web pages can send; browsers of old tell no `Origin` with them.
const OF_FORMS: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// The pages, for these policies.
pub(super) fn routes(policies: Policies) -> Router {
    let changes = Router::new()
        .route("/policies/{agent}/{name}", put(replace).delete(restore))
        .route("/policies/{agent}/{name}/rollback", post(roll_back))
        .route_layer(middleware::from_fn(guard));
    Router::new()
        .route("/policies", get(all))
        .route("/policies/{agent}/{name}", get(one))
        .merge(changes)
        .with_state(policies)
}

/// Lets through the changes that their caller may make, and no browser's.
async fn guard(
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
    request: Request,
    next: Next,
) -> Response {
    let (agent, _) = path;
    let allowed = caller.may(Verb::Change, On::Agent(&agent));
    let allowed = allowed.and_then(|()| match of_browser(&caller, &request) {
        None => Ok(()),
        Some(why) => Err(Refusal::forbidden(why)),
    });
    match allowed {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a change may be a browser's, or is one's.
fn of_browser(caller: &Caller, request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        Some("changes are not accepted from browsers")
    } else if is_form(request) {
        Some("changes are not accepted from forms")
    } else if !caller.is_known() && !host.is_some_and(is_address) {
        Some(USE_ADDRESS)
    } else {
        None
    }
}

/// Whether a form of a web page could have sent this: forms know one method that changes anything.
fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_of_forms = OF_FORMS.iter().any(|form| kind.eq_ignore_ascii_case(form));
    request.method() == Method::POST && is_of_forms
}

async fn all(
    State(policies): State<Policies>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Verb::See, On::Any)?;
    let reports = policies.reports().into_iter();
    let seen = reports.filter(|report| caller.sees(&report.agent));
    let shown: Map<String, Value> = seen.map(|r| (r.name.clone(), shown(&r))).collect();
    Ok(Json(Value::Object(shown)))
}

async fn one(
    State(policies): State<Policies>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Verb::See, On::Agent(&path.0))?;
    let name = name(path)?;
    let reports = policies.reports();
    match reports.iter().find(|report| report.name == name) {
        Some(report) => Ok(Json(shown(report))),
        None => Err(refusal(&ChangeError::Unknown(name))),
    }
}

async fn replace(
    State(policies): State<Policies>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<String, Refusal> {
    // The turn comes first, so that the number of modules in memory is limited.
    let agent = path.0.clone();
    let turn = policies.turn(&name(path)?);
    let turn = turn.map_err(|error| refusal(&error))?;
    let said = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|l| l.to_str().ok()?.parse().ok());
    let size = said.unwrap_or(MOST_BYTES).min(MOST_BYTES);
    let Some(_room) = policies.room(&agent, size) else {
        let text = format!(
            "modules are on their way: each agent has room of its own for one of at most {OWN_ROOM} \
             bytes, and beside that there is room for {MOST_OF_ONE} bytes of those for one agent, and \
             for {MOST_ARRIVING} of all; say the length of a module, and try again"
        );
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, &text));
    };
    let module = arrive(body).await;
    let module = module.map_err(|error| Refusal::new(error.status(), &error.to_string()))?;
    let changed = turn.replace(module, caller.by()).await;
    let changed = changed.map_err(|error| refusal(&error))?;
    let file = changed.path.display();
    Ok(format!(
        "{}the file {file} is unchanged: a restart, or its next change, brings its version back\n",
        summary(&changed)
    ))
}

async fn restore(
    State(policies): State<Policies>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
) -> Result<String, Refusal> {
    let changed = policies.restore(&name(path)?, caller.by()).await;
    changed
        .map(|changed| summary(&changed))
        .map_err(|error| refusal(&error))
}

async fn roll_back(
    State(policies): State<Policies>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
) -> Result<String, Refusal> {
    let changed = policies.roll_back(&name(path)?, caller.by()).await;
    changed
        .map(|changed| summary(&changed))
        .map_err(|error| refusal(&error))
}

/// The name of a policy. What comes after the agent has no slash in it, so that the agent of the
/// policy is the one that the caller was asked about.
fn name((agent, stem): (String, String)) -> Result<String, Refusal> {
    let name = format!("{agent}/{stem}");
    match stem.contains('/') {
        true => Err(refusal(&ChangeError::Unknown(name))),
        false => Ok(name),
    }
}

/// What has changed, for people.
fn summary(changed: &Changed) -> String {
    let (name, from, to) = (&changed.name, &changed.from, &changed.to);
    let mut text = match from == to {
        true => format!("{name}: {to} runs already\n"),
        false if from.is_empty() => format!("{name}: {to} runs now, the first version\n"),
        false => format!("{name}: {to} runs now, before it was {from}\n"),
    };
    for difference in &changed.differences {
        text.push_str(&format!("  {difference}\n"));
    }
    text
}

fn refusal(error: &ChangeError) -> Refusal {
    let (status, was_tried) = match error {
        ChangeError::Unknown(_) => (StatusCode::NOT_FOUND, false),
        ChangeError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, false),
        ChangeError::NothingBefore(_) | ChangeError::Overtaken(_) => (StatusCode::CONFLICT, true),
        ChangeError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, true),
        ChangeError::Interrupted => (StatusCode::INTERNAL_SERVER_ERROR, false),
    };
    let refusal = Refusal::new(status, &error.to_string());
    match was_tried {
        true => refusal.noted(),
        false => refusal,
    }
}

fn shown(report: &PolicyFileReport) -> Value {
    let totals = &report.totals;
    let broken = totals.violations.iter().filter(|(_, count)| *count > 0);
    let violations: Map<String, Value> = broken
        .map(|(kind, count)| (kind.id().to_owned(), json!(count)))
        .collect();
    json!({
        "file": report.path.display().to_string(),
        "kind": report.world,
        "digest": (!report.digest.is_empty()).then_some(&report.digest),
        "generation": report.generation,
        "previous": report.previous,
        "uploaded": report.uploaded,
        "seats": report.seats.iter().map(seat).collect::<Vec<_>>(),
        "calls": totals.calls,
        "events": totals.events,
        "cpu-seconds": totals.cpu.as_secs_f64(),
        "fallbacks": totals.fallbacks,
        "throttled": totals.throttled,
        "poison": totals.poison,
        "replacements": totals.replacements,
        "swaps": totals.swaps,
        "roll-backs": totals.roll_backs,
        "log-lines-dropped": totals.log_lines_dropped,
        "call-micros": { "p99": micros(totals.usual_call), "max": micros(totals.longest_call) },
        "swap-micros": { "max": micros(totals.longest_swap) },
        "memory-bytes": { "now": totals.memory, "max": totals.most_memory },
        "violations": violations,
        "last-error": report.last_error,
        "last-error-from": report.failure.map(|failure| failure.origin.words()),
    })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The state of a policy in one place, and the rule that it last broke there.
pub(super) fn seat(seat: &SeatReport) -> Value {
    let (state, rest) = match seat.state {
        SeatState::Running => ("running", None),
        SeatState::Resting { until } => {
            let rest = until.saturating_duration_since(clock::now());
            ("resting", Some(rest.as_millis()))
        }
        SeatState::Starting => ("starting", None),
        SeatState::Quarantined => ("quarantined", None),
        SeatState::Vacant => ("vacant", None),
    };
    json!({
        "place": seat.place,
        "state": state,
        "rest-ms": rest,
        "deadline-ms": seat.limits.deadline.as_millis(),
        "deadline-us-per-event": seat.limits.deadline_per_event.as_micros(),
        "generation": seat.generation,
        "vacant-because": seat.vacancy,
        "last-violation": seat.fault.as_ref().map(last_violation),
    })
}

fn last_violation((violation, at): &(Violation, Instant)) -> Value {
    json!({
        "rule": violation.kind.id(),
        "text": violation.detail,
        "seconds-ago": clock::seconds_since(*at),
    })
}

#[cfg(test)]
mod tests;
