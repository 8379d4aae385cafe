//! `/policies`: the state of policies, and the ways to change them while they run.
//!
//! | request | effect |
//! |---|---|
//! | `GET /policies`, `GET /policies/<agent>/<name>` | reports |
//! | `PUT /policies/<agent>/<name>` | the body, a module, runs in all places of the policy |
//! | `DELETE /policies/<agent>/<name>` | the version in the file runs again |
//! | `POST /policies/<agent>/<name>/rollback` | the previous version runs again |
//!
//! There is no password. Changes are accepted from programs on this machine only, unless the
//! operator says otherwise, and never from browsers: any web page can send requests to a port of
//! its reader's machine, and with DNS rebinding they look like requests to the page's own host. What
//! came through a proxy on this machine is from wherever the proxy had it.
//!
//! Modules on their way are bounded together: many that arrive slowly would fill the memory.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use clap::ValueEnum;
use flume_core::clock::{self, Instant};
use flume_policy::{SeatReport, SeatState, Violation};
use serde_json::{Map, Value, json};

use super::arrival::{MOST_BYTES, arrive};
use super::names::{USE_ADDRESS, is_address};
use crate::policies::{ChangeError, Changed, MOST_ARRIVING, Policies, PolicyFileReport};

/// Headers that proxies add.
const OF_PROXIES: [&str; 6] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What the forms of web pages can send; browsers of old tell no `Origin` with them.
const OF_FORMS: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// Whose changes are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangesFrom {
    /// Those of programs on this machine.
    #[default]
    Loopback,
    /// Those of anyone who can reach the port.
    Any,
    /// Nobody's.
    Off,
}

/// The pages, for these policies.
pub(super) fn routes(policies: Policies, from: ChangesFrom) -> Router {
    let changes = Router::new()
        .route("/policies/{agent}/{name}", put(replace).delete(restore))
        .route("/policies/{agent}/{name}/rollback", post(roll_back))
        .layer(middleware::from_fn_with_state(from, guard));
    Router::new()
        .route("/policies", get(all))
        .route("/policies/{agent}/{name}", get(one))
        .merge(changes)
        .with_state(policies)
}

/// Lets through the changes that the operator allows.
async fn guard(State(from): State<ChangesFrom>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let why = objection(from, peer.map(|peer| peer.0.ip()), request.headers());
    match why.or_else(|| is_form(&request).then_some("changes are not accepted from forms")) {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
    }
}

/// Why a change is not accepted.
fn objection(from: ChangesFrom, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<&'static str> {
    let is_here = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    let is_passed_on = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    if from == ChangesFrom::Off {
        Some("changes are turned off (--admin-changes)")
    } else if from == ChangesFrom::Loopback && !is_here {
        Some("changes are accepted from this machine only (--admin-changes)")
    } else if from == ChangesFrom::Loopback && is_passed_on {
        Some("this came through a proxy, so it need not be from this machine (--admin-changes)")
    } else if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        Some("changes are not accepted from browsers")
    } else if !host.is_some_and(is_address) {
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

async fn all(State(policies): State<Policies>) -> Json<Value> {
    let reports = policies.reports();
    let shown: Map<String, Value> = reports.iter().map(|r| (r.name.clone(), shown(r))).collect();
    Json(Value::Object(shown))
}

async fn one(State(policies): State<Policies>, Path(path): Path<(String, String)>) -> Response {
    let name = name(path);
    match policies.reports().iter().find(|report| report.name == name) {
        Some(report) => Json(shown(report)).into_response(),
        None => refusal(&ChangeError::Unknown(name)),
    }
}

async fn replace(
    State(policies): State<Policies>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // The turn comes first, so that the number of modules in memory is limited.
    let turn = match policies.turn(&name(path)) {
        Ok(turn) => turn,
        Err(error) => return refusal(&error),
    };
    let said = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|l| l.to_str().ok()?.parse().ok());
    let Some(_room) = policies.room(said.unwrap_or(MOST_BYTES).min(MOST_BYTES)) else {
        let text = format!("modules of {MOST_ARRIVING} bytes are on their way; try again\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let module = match arrive(body).await {
        Ok(module) => module,
        Err(error) => return (error.status(), format!("{error}\n")).into_response(),
    };
    match turn.replace(module).await {
        Ok(changed) => {
            let file = changed.path.display();
            format!(
                "{}the file {file} is unchanged: a restart, or its next change, brings \
                 its version back\n",
                summary(&changed)
            )
            .into_response()
        }
        Err(error) => refusal(&error),
    }
}

async fn restore(State(policies): State<Policies>, Path(path): Path<(String, String)>) -> Response {
    recalled(policies.restore(&name(path)).await)
}

async fn roll_back(
    State(policies): State<Policies>,
    Path(path): Path<(String, String)>,
) -> Response {
    recalled(policies.roll_back(&name(path)).await)
}

fn recalled(changed: Result<Changed, ChangeError>) -> Response {
    changed.map_or_else(
        |error| refusal(&error),
        |changed| summary(&changed).into_response(),
    )
}

fn name((agent, name): (String, String)) -> String {
    format!("{agent}/{name}")
}

/// What has changed, for people.
fn summary(changed: &Changed) -> String {
    let (name, from, to) = (&changed.name, &changed.from, &changed.to);
    let mut text = match from == to {
        true => format!("{name}: {to} runs already\n"),
        false => format!("{name}: {to} runs now, before it was {from}\n"),
    };
    for difference in &changed.differences {
        text.push_str(&format!("  {difference}\n"));
    }
    text
}

fn refusal(error: &ChangeError) -> Response {
    let status = match error {
        ChangeError::Unknown(_) => StatusCode::NOT_FOUND,
        ChangeError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        ChangeError::NothingBefore(_) | ChangeError::Overtaken(_) => StatusCode::CONFLICT,
        ChangeError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ChangeError::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{error}\n")).into_response()
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
        "digest": report.digest,
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
    };
    json!({
        "place": seat.place,
        "state": state,
        "rest-ms": rest,
        "generation": seat.generation,
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
