//! The admin port: what operators and their tools may ask a running agent over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | Flume's JSON; OpenMetrics text if `Accept` asks for it |
//! | `/livez` | 200 while the process works |
//! | `/readyz` | 200 while events are taken in, else 503 with the reason |
//! | `/healthz` | what is wrong, the worst first; 503 if something fails |
//! | `/config` | what runs, without secrets |
//! | `/groups` | each group: its selector, and each sink's state, penalty, counts and last error |
//! | `/policies` | each policy: version, places, violations, CPU time, last error |
//!
//! Only `GET` and `HEAD`, except under `/policies`, where policies can be changed. It listens on
//! loopback unless `--admin` says otherwise, since it has no password; there it answers only to
//! addresses and `localhost` (`admin/names.rs`). Flume's own keys bind it as in Flume, for `/metrics`
//! alone.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use flume_components::MemoryLimit;
use flume_components::net::passed::OpenPort;
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::names::Names;
pub(crate) use self::policies::ChangesFrom;
use crate::health::{Phase, Trouble};
use crate::metrics::{self, ProcessView, flume_json, prometheus};
use crate::plan::{InterceptorPlan, Written};
use crate::policies::Policies;
use crate::reloads::Reloads;
use crate::runner::SourceState;
use crate::topology::{AgentView, DepartingView};

mod arrival;
mod connections;
mod groups;
mod health;
mod names;
mod policies;

/// What the admin port shows: the agents that run now, and the policies.
#[derive(Clone)]
pub(crate) struct AdminView {
    agents: Arc<RwLock<Vec<AgentView>>>,
    phase: Arc<RwLock<Phase>>,
    policies: Policies,
    memory: MemoryLimit,
    reloads: Reloads,
}

impl AdminView {
    /// A view without agents, for now.
    pub(crate) fn new(policies: Policies, memory: MemoryLimit, reloads: Reloads) -> Self {
        let agents = Arc::default();
        let phase = Arc::new(RwLock::new(Phase::Starting));
        Self {
            agents,
            phase,
            policies,
            memory,
            reloads,
        }
    }

    /// Says what the process is doing from now on.
    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.write() = phase;
    }

    /// What is wrong now, the worst first.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let (phase, agents) = (*self.phase.read(), self.agents());
        crate::health::of(phase, &agents, &self.policies.reports())
    }

    /// Shows these agents from now on.
    pub(crate) fn show(&self, agents: Vec<AgentView>) {
        *self.agents.write() = agents;
    }

    /// The agents that run now.
    pub(crate) fn agents(&self) -> Vec<AgentView> {
        self.agents.read().clone()
    }
}

/// Answers on a port until `stop` is cancelled. If it is there for Flume's keys of monitoring,
/// other machines see `/metrics` alone.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    port: OpenPort<TcpListener>,
    admin: AdminView,
    (changes, is_flumes): (ChangesFrom, bool),
    stop: CancellationToken,
) -> std::io::Result<()> {
    let names = match is_flumes {
        true => Names::FlumesPage,
        false => Names::on(port.socket.local_addr()?.ip()),
    };
    connections::serve(port.socket, router(admin, changes, names), stop).await;
    Ok(())
}

fn router(admin: AdminView, changes: ChangesFrom, names: Names) -> Router {
    let policies = policies::routes(admin.policies.clone(), changes);
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(show_metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::healthy))
        .route("/config", get(config))
        .route("/groups", get(groups::show))
        .with_state(admin)
        .merge(policies)
        .layer(middleware::from_fn(refuse_methods))
        .layer(middleware::from_fn_with_state(names, names::guard))
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
         <a href=\"config\">config</a> <a href=\"healthz\">healthz</a> \
         <a href=\"readyz\">readyz</a>\n",
    )
}

async fn show_metrics(State(admin): State<AdminView>, headers: HeaderMap) -> Response {
    let samples = metrics::collect(
        &admin.agents(),
        &admin.policies.reports(),
        &ProcessView::of_this(&admin.reloads),
    );
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

async fn config(State(admin): State<AdminView>) -> Json<Value> {
    let agents: serde_json::Map<String, Value> = admin
        .agents()
        .iter()
        .map(|view| (view.plan.name.clone(), agent_config(view, &admin.memory)))
        .collect();
    Json(Value::Object(agents))
}

fn agent_config(view: &AgentView, memory: &MemoryLimit) -> Value {
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
                "properties": properties(&plan.component.keys),
            })
        });
    let channels = view.plan.channels.iter().map(|plan| {
        let shown = plan.recipe.shown().into_iter();
        let shown = shown.map(|(key, value)| (key.to_owned(), json!(value)));
        let names = ("names".to_owned(), json!(plan.names));
        Value::Object(shown.chain([names]).collect())
    });
    let groups = view.plan.groups.iter().map(|plan| {
        let sinks = plan.sinks.iter().map(|sink| {
            json!({
                "name": sink.component.name,
                "type": sink.component.kind,
                "channel": sink.channel,
                "properties": properties(&sink.component.keys),
            })
        });
        json!({
            "name": plan.name,
            "processor": properties(&plan.keys),
            "parallelism": plan.processor.parallelism,
            "sinks": sinks.collect::<Vec<_>>(),
        })
    });
    let departing = view.departing.iter().map(departing);
    json!({
        "memory-limit": { "bytes": memory.bytes, "from": memory.from },
        "sources": sources.collect::<Vec<_>>(),
        "channels": channels.collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
        "departing": departing.collect::<Vec<_>>(),
    })
}

/// Channels that the file has no more, until they are empty.
fn departing(view: &DepartingView) -> Value {
    let channels = view.channels.iter();
    let channels = channels.map(|channel| {
        let events = channel.channel.depth();
        json!({ "names": channel.names, "events": events })
    });
    let group = view.group.as_ref();
    let sinks = group.map(|group| {
        group
            .sinks
            .iter()
            .map(|sink| &sink.name)
            .collect::<Vec<_>>()
    });
    json!({
        "channels": channels.collect::<Vec<_>>(),
        "sinks": sinks.unwrap_or_default(),
        "into": view.into,
    })
}

/// The keys of a component, as far as the component lets their values be shown.
fn properties(keys: &Written) -> Value {
    let shown = keys.shown();
    let shown = shown.map(|(key, text)| (key.to_owned(), Value::String(text)));
    Value::Object(shown.collect())
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
