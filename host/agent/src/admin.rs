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
//! Only `GET` and `HEAD`, except under `/policies`, where policies can be changed. Who may see and
//! change what is said in one place, [`access`]; a caller who sees one agent gets every page as if
//! there were no other. The pages are on a port and on a socket. The port is on loopback unless
//! `--admin` says otherwise; there it answers only to addresses and `localhost` (`admin/names.rs`).
//! Flume's own keys bind it as in Flume, for `/metrics` alone.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use flume_components::MemoryLimit;
use flume_components::net::passed::OpenPort;
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use self::access::{Access, ChangesFrom, SeenBy, TokenFileError};
use self::access::{Caller, On, Refusal, Verb, identify};
use self::connections::Entrance;
use self::names::Names;
pub(crate) use self::socket::{AdminSocket, OpenSocket};
use crate::health::{Doing, Phase, Standing, Trouble};
use crate::metrics::{self, FleetCounts, ProcessView, flume_json, prometheus};
use crate::plan::{InterceptorPlan, Written};
use crate::policies::{Policies, PolicyFileReport};
use crate::reloads::Reloads;
use crate::runner::SourceState;
use crate::topology::{AgentView, DepartingView};

mod access;
mod arrival;
mod connections;
mod groups;
mod health;
mod names;
mod noted;
mod policies;
mod socket;

/// What the admin port shows: the agents that run now, and the policies.
#[derive(Clone)]
pub(crate) struct AdminView {
    agents: Arc<RwLock<Vec<AgentView>>>,
    standings: Arc<RwLock<Vec<Standing>>>,
    phase: Arc<RwLock<Phase>>,
    policies: Policies,
    memory: MemoryLimit,
    reloads: Reloads,
}

impl AdminView {
    /// A view without agents, for now.
    pub(crate) fn new(policies: Policies, memory: MemoryLimit, reloads: Reloads) -> Self {
        let phase = Arc::new(RwLock::new(Phase::Starting));
        Self {
            agents: Arc::default(),
            standings: Arc::default(),
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
        let standings = self.standings.read().clone();
        crate::health::of(phase, &standings, &agents, &self.policies.reports())
    }

    /// What a caller sees of it.
    fn seen_by(&self, caller: &Caller) -> Seen {
        let mut seen = Seen {
            agents: self.agents(),
            policies: self.policies.reports(),
            standings: self.standings.read().clone(),
        };
        seen.agents.retain(|view| caller.sees(&view.plan.name));
        seen.policies.retain(|report| caller.sees(&report.agent));
        seen.standings
            .retain(|standing| caller.sees(&standing.agent));
        seen
    }

    /// What is wrong with that.
    fn troubles_of(&self, seen: &Seen) -> Vec<Trouble> {
        let phase = *self.phase.read();
        crate::health::of(phase, &seen.standings, &seen.agents, &seen.policies)
    }

    /// Shows these agents from now on, and what is to be known of those that do not just run.
    pub(crate) fn show(&self, agents: Vec<AgentView>, standings: Vec<Standing>) {
        *self.agents.write() = agents;
        *self.standings.write() = standings;
    }

    /// Whether there is an agent of this name, which runs or does not.
    fn knows(&self, agent: &str) -> bool {
        let standings = self.standings.read();
        let mut names = standings.iter().map(|standing| standing.agent.as_str());
        names.any(|name| name == agent)
            || self
                .agents
                .read()
                .iter()
                .any(|view| view.plan.name == agent)
    }

    /// How many agents there are, by what they do.
    fn fleet(&self) -> FleetCounts {
        let standings = self.standings.read();
        let count = |wanted: fn(&Doing) -> bool| {
            let all = standings.iter().filter(|standing| wanted(&standing.doing));
            all.count() as u64
        };
        FleetCounts {
            running: self.agents.read().len() as u64,
            starting: count(|doing| matches!(doing, Doing::Preparing { runs: false, .. })),
            left_out: count(|doing| matches!(doing, Doing::LeftOut { .. })),
        }
    }

    /// The agents that run now.
    pub(crate) fn agents(&self) -> Vec<AgentView> {
        self.agents.read().clone()
    }
}

/// The agents that a caller may see, and their policies.
struct Seen {
    standings: Vec<Standing>,
    agents: Vec<AgentView>,
    policies: Vec<PolicyFileReport>,
}

/// Answers on a port until `stop` is cancelled. If it is there for Flume's keys of monitoring,
/// other machines see `/metrics` alone.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    port: OpenPort<TcpListener>,
    admin: AdminView,
    (access, is_flumes): (Access, bool),
    stop: CancellationToken,
) -> std::io::Result<()> {
    let names = match is_flumes {
        true => Names::FlumesPage,
        false => Names::on(port.socket.local_addr()?.ip()),
    };
    let pages = router(admin, access, names);
    connections::serve(Entrance::Port(port.socket), pages, stop).await;
    Ok(())
}

/// The same on the socket, which no browser reaches, so that it may be called by any name.
pub(crate) async fn serve_socket(
    socket: OpenSocket,
    admin: AdminView,
    access: Access,
    stop: CancellationToken,
) {
    let pages = router(admin, access, Names::Any);
    connections::serve(Entrance::Socket(socket), pages, stop).await;
}

fn router(admin: AdminView, access: Access, names: Names) -> Router {
    let policies = policies::routes(admin.policies.clone());
    let audit = admin.policies.audit().clone();
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
        .layer(middleware::from_fn_with_state(audit, noted::note))
        .layer(middleware::from_fn_with_state(access, identify))
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

async fn show_metrics(
    State(admin): State<AdminView>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller.may(Verb::See, On::Any)?;
    let seen = admin.seen_by(&caller);
    let process = caller
        .sees_all()
        .then(|| ProcessView::of_this(&admin.reloads, admin.policies.audit(), admin.fleet()));
    let samples = metrics::collect(&seen.agents, &seen.policies, process.as_ref());
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if !wants_text(accept) {
        return Ok(Json(flume_json::render(&samples)).into_response());
    }
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match prometheus::render(samples) {
        Ok(text) => Ok(([(header::CONTENT_TYPE, TYPE)], text).into_response()),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Refusal::new(status, &error.to_string()))
        }
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

async fn config(
    State(admin): State<AdminView>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Verb::See, On::Any)?;
    let seen = admin.seen_by(&caller);
    let agents: serde_json::Map<String, Value> = seen
        .agents
        .iter()
        .map(|view| (view.plan.name.clone(), agent_config(view, &admin.memory)))
        .collect();
    Ok(Json(Value::Object(agents)))
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
mod tests;
