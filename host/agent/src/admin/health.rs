//! `/readyz` and `/healthz`: what is wrong, as text or JSON.
//!
//! | path | 200 | 503 | for |
//! |---|---|---|---|
//! | `/readyz` | events are taken in | why not | a load balancer |
//! | `/healthz` | nothing is worse than degraded | something fails, or nothing is taken in | a pager |
//!
//! `/healthz`, and `/readyz?verbose`, list everything that is wrong, the worst first. JSON is for
//! clients that ask for it in `Accept` or with `?format=json`.
//!
//! `/readyz` is for everybody; who sees no agent is told its status and not why. Who sees some agents
//! is told of those.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
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
    if caller.may(Verb::See, On::Any).is_err() {
        return match health::obstacles(&admin.troubles()).next() {
            None => (StatusCode::OK, "ok\n").into_response(),
            Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
        };
    }
    let troubles = admin.troubles_of(&admin.seen_by(&caller));
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
    let fails = health::worst(&troubles) == Some(Level::Failing);
    let takes_in = health::obstacles(&troubles).next().is_none();
    let status = status(!fails && takes_in);
    let as_json = wants_json(query.as_deref(), &headers);
    Ok(page(status, &troubles, as_json))
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
