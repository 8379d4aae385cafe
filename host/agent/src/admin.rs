//! The admin port: what operators and their tools may ask a running agent over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | Flume's JSON; OpenMetrics text if `Accept` asks for it |
//! | `/livez` | 200 while the process works |
//! | `/readyz` | 200 when every source is open, else 503 with those that are not |
//! | `/config` | what runs, secrets masked |
//! | `/groups` | each group: its selector, and of each sink state, penalty, delivered, last error |
//! | `/policies` | each policy: version, places, violations, CPU time, last error |
//!
//! Only `GET` and `HEAD`, but for `policies`, which can be changed here. It listens on loopback
//! unless told otherwise, since it has no password.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::policies::ChangesFrom;
use crate::metrics::{self, flume_json, prometheus};
use crate::plan::InterceptorPlan;
use crate::policies::Policies;
use crate::runner::SourceState;
use crate::topology::{AgentView, SourceView};

mod groups;
mod policies;

/// What the admin port shows: the agents that run now, and the policies.
#[derive(Clone)]
pub struct Board {
    agents: Arc<RwLock<Vec<AgentView>>>,
    policies: Policies,
}

impl Board {
    /// A board without agents, as yet.
    pub fn new(policies: Policies) -> Self {
        let agents = Arc::default();
        Self { agents, policies }
    }

    /// Shows these agents from now on.
    pub fn show(&self, agents: Vec<AgentView>) {
        *self.agents.write() = agents;
    }

    /// The agents that run now.
    pub fn agents(&self) -> Vec<AgentView> {
        self.agents.read().clone()
    }
}

/// Answers on a listener until `stop` is cancelled.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    board: Board,
    changes: ChangesFrom,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let stopped = async move { stop.cancelled().await };
    let pages = router(board, changes).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, pages)
        .with_graceful_shutdown(stopped)
        .await
}

/// The address that a listener got.
///
/// # Errors
/// The address is in use or not the machine's.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn router(board: Board, changes: ChangesFrom) -> Router {
    let policies = policies::routes(board.policies.clone(), changes);
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(show_metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/config", get(config))
        .route("/groups", get(groups::show))
        .with_state(board)
        .merge(policies)
        .layer(middleware::from_fn(refuse_methods))
}

/// Flume answers TRACE and OPTIONS with 403.
async fn refuse_methods(request: Request, next: Next) -> Response {
    match *request.method() {
        Method::TRACE | Method::OPTIONS => StatusCode::FORBIDDEN.into_response(),
        _ => next.run(request).await,
    }
}

async fn index() -> Html<&'static str> {
    Html(
        "flume-host: <a href=\"metrics\">metrics</a> <a href=\"groups\">groups</a> \
         <a href=\"policies\">policies</a> \
         <a href=\"config\">config</a> <a href=\"readyz\">readyz</a>\n",
    )
}

async fn show_metrics(State(board): State<Board>, headers: HeaderMap) -> Response {
    let samples = metrics::collect(&board.agents(), &board.policies.reports());
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if !wants_text(accept) {
        return Json(flume_json::render(&samples)).into_response();
    }
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match prometheus::render(samples) {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Whether a client prefers text, as Prometheus does. Browsers and Flume's tools do not, nor does a
/// library that names JSON first and takes text as well.
fn wants_text(accept: &str) -> bool {
    let weight = |wanted: &[&str]| {
        let ranges = accept.split(',').map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            (kind, weight.unwrap_or(1.0))
        });
        let of_kind = ranges.filter(|(kind, _)| wanted.contains(&kind.as_str()));
        of_kind.map(|(_, weight)| weight).fold(0.0, f32::max)
    };
    let text = weight(&["application/openmetrics-text", "text/plain"]);
    text > weight(&["application/json", "application/*"]) && text >= weight(&["*/*"])
}

async fn ready(State(board): State<Board>) -> Response {
    let mut waiting = String::new();
    for view in board.agents() {
        for SourceView { name, status, .. } in &view.sources {
            let state = match status.state() {
                SourceState::Starting => "is starting".to_owned(),
                SourceState::Failed(error) => format!("failed: {error}"),
                SourceState::Running(_) | SourceState::Completed | SourceState::Stopped => continue,
            };
            waiting.push_str(&format!("source {name} of {}: {state}\n", view.plan.name));
        }
    }
    match waiting.is_empty() {
        true => "ok\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, waiting).into_response(),
    }
}

async fn config(State(board): State<Board>) -> Json<Value> {
    let agents: serde_json::Map<String, Value> = board
        .agents()
        .iter()
        .map(|view| (view.plan.name.clone(), agent_config(view)))
        .collect();
    Json(Value::Object(agents))
}

fn agent_config(view: &AgentView) -> Value {
    let sources = view
        .plan
        .sources
        .iter()
        .zip(&view.sources)
        .map(|(plan, source)| {
            let address = match source.status.state() {
                SourceState::Running(Some(address)) => Some(address.to_string()),
                _ => None,
            };
            json!({
                "name": plan.component.name,
                "type": plan.component.kind,
                "listens": address,
                "channels": plan.channels,
                "interceptors": plan.interceptors.iter().map(InterceptorPlan::kind).collect::<Vec<_>>(),
                "properties": properties(&plan.component.context),
            })
        });
    let channels = view.plan.channels.iter().map(|plan| {
        json!({
            "names": plan.names,
            "capacity": plan.config.capacity,
            "transactionCapacity": plan.config.transaction_capacity,
            "keep-alive": plan.config.keep_alive.as_secs(),
        })
    });
    let groups = view.plan.groups.iter().map(|plan| {
        let sinks = plan.sinks.iter().map(|sink| {
            json!({
                "name": sink.component.name,
                "type": sink.component.kind,
                "channel": sink.channel,
                "properties": properties(&sink.component.context),
            })
        });
        json!({
            "name": plan.name,
            "processor": properties(&plan.processor),
            "parallelism": plan.parallelism,
            "sinks": sinks.collect::<Vec<_>>(),
        })
    });
    json!({
        "sources": sources.collect::<Vec<_>>(),
        "channels": channels.collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
    })
}

/// The keys of a component as they were written, secrets masked.
fn properties(context: &flume_core::Context) -> Value {
    let shown = |key: &str, text: &str| {
        let lower = key.to_ascii_lowercase();
        let secret = ["password", "secret", "token", "credential"];
        match secret.iter().any(|word| lower.contains(word)) {
            true => Value::String("***".to_owned()),
            false => Value::String(text.to_owned()),
        }
    };
    context
        .iter()
        .map(|(key, value)| (key.to_owned(), shown(key, &value.text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::wants_text;

    #[test]
    fn prometheus_gets_text_and_others_json() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for text in [prometheus, "text/plain", "Text/Plain, */*"] {
            assert!(wants_text(text), "{text}");
        }
        let browser = "text/html,application/xml;q=0.9,*/*;q=0.8";
        let library = "application/json, text/plain, */*";
        for json in ["", "*/*", browser, library, "text/plain;q=0.1, */*"] {
            assert!(!wants_text(json), "{json}");
        }
    }
}
