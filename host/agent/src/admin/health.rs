//! `/readyz` and `/healthz`: what is wrong, as text or JSON.
//!
//! | path | 200 | 503 | for |
//! |---|---|---|---|
//! | `/readyz` | events are taken in | why not | a load balancer |
//! | `/healthz` | nothing is worse than degraded | something fails, or nothing is taken in | a pager |
//!
//! With `?agent=NAME` both are about one agent: what is wrong with another is not its clients' concern.
//! `/healthz`, and `/readyz?verbose`, list everything that is wrong, the worst first. JSON is for
//! clients that ask for it in `Accept` or with `?format=json`.
//!
//! `/readyz` is for everybody; who sees no agent is told its status and not why. Who sees some agents
//! is told of those.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flume_core::printable;
use serde_json::json;

use super::AdminView;
use super::access::{Caller, On, Refusal, Verb};
use crate::health::{self, Level, Trouble};

pub(super) async fn ready(
    State(admin): State<AdminView>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let is_stranger = caller.may(Verb::See, On::Any).is_err();
    let troubles = match is_stranger {
        true => admin.troubles(),
        false => admin.troubles_of(&admin.seen_by(&caller)),
    };
    let is_known = |agent: &str| admin.knows(agent) && (is_stranger || caller.sees(agent));
    let troubles = match narrowed(troubles, query.as_deref(), &is_known) {
        Ok(troubles) => troubles,
        Err(refusal) => return refusal.into_response(),
    };
    if is_stranger {
        return match health::obstacles(&troubles).next() {
            None => (StatusCode::OK, "ok\n").into_response(),
            Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
        };
    }
    let obstacles: Vec<Trouble> = health::obstacles(&troubles).cloned().collect();
    let status = status(obstacles.is_empty());
    let shown = match has(query.as_deref(), "verbose") {
        true => troubles,
        false => obstacles,
    };
    page(status, &shown, wants_json(query.as_deref(), &headers))
}

pub(super) async fn healthy(
    State(admin): State<AdminView>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Verb::See, On::Any)?;
    let troubles = admin.troubles_of(&admin.seen_by(&caller));
    let is_known = |agent: &str| caller.sees(agent) && admin.knows(agent);
    let troubles = narrowed(troubles, query.as_deref(), &is_known)?;
    let fails = health::worst(&troubles) == Some(Level::Failing);
    let takes_in = health::obstacles(&troubles).next().is_none();
    let status = status(!fails && takes_in);
    let as_json = wants_json(query.as_deref(), &headers);
    Ok(page(status, &troubles, as_json))
}

/// With `?agent=NAME`, what is wrong with that agent, and with the whole process.
fn narrowed(
    troubles: Vec<Trouble>,
    query: Option<&str>,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Vec<Trouble>, Refusal> {
    let parts = query.unwrap_or_default().split('&');
    let mut agents = parts.filter_map(|part| part.strip_prefix("agent="));
    match agents.next() {
        // A misspelt name must not look well.
        Some(agent) if !is_known(agent) => {
            let text = format!("no agent is called {}", printable(agent));
            Err(Refusal::new(StatusCode::NOT_FOUND, &text))
        }
        Some(agent) => Ok(health::about(troubles, agent)),
        None => Ok(troubles),
    }
}

fn status(is_good: bool) -> StatusCode {
    match is_good {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn page(status: StatusCode, troubles: &[Trouble], as_json: bool) -> Response {
    if as_json {
        let worst = health::worst(troubles);
        let state = worst.map_or(json!("ok"), |level| json!(level));
        let page = Json(json!({ "status": state, "troubles": troubles }));
        return (status, page).into_response();
    }
    let mut text: String = troubles
        .iter()
        .map(|trouble| format!("{trouble}\n"))
        .collect();
    if troubles.is_empty() {
        text.push_str("ok\n");
    }
    (status, text).into_response()
}

fn wants_json(query: Option<&str>, headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.contains("application/json") || has(query, "format=json")
}

fn has(query: Option<&str>, wanted: &str) -> bool {
    let parts = query.unwrap_or_default().split('&');
    parts.into_iter().any(|part| part == wanted)
}
