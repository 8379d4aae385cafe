//! What is done for the agents, each thing beside the others: an agent is prepared for a file, started,
//! or changed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use flume_core::ComponentError;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::SourceFile;
use crate::plan::{AgentPlan, Refusal, Trials, Tried, changes};
use crate::services::Services;
use crate::topology::{ReloadTerms, RunningAgent};

/// Something has come to its end.
pub(super) enum Done {
    /// Agents were prepared.
    Prepared(Vec<Prepared>),
    /// Agents were started, as far as they could be.
    Started(Vec<RunningAgent>),
    /// An agent was changed, and how; or it goes on as it was, and why.
    Changed {
        agent: Box<RunningAgent>,
        changed: Result<Vec<String>, ComponentError>,
    },
}

/// An agent that is to be prepared for a file.
pub(super) struct Task {
    pub(super) plan: AgentPlan,
    pub(super) trials: Trials,
    /// Whether it does not run yet.
    pub(super) is_start: bool,
    /// Which file.
    pub(super) round: u64,
}

/// What became of such an agent.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) round: u64,
    pub(super) outcome: Outcome,
    /// The policies that cannot be used, with the places of their findings.
    pub(super) refusals: Vec<Refusal>,
    pub(super) file: Arc<SourceFile>,
}

/// See [`Prepared`].
pub(super) enum Outcome {
    /// It was made, and is to be started.
    Agent(Box<RunningAgent>),
    /// It runs, and is to be changed to this.
    Plan(AgentPlan),
    /// A policy of it cannot be used.
    Refused,
    /// It could not be made.
    Failed(ComponentError),
}

impl Task {
    /// Tries its policies out, and makes it if it does not run. Takes as long as they need.
    pub(super) fn prepare(self, file: &Arc<SourceFile>, services: &Services) -> Prepared {
        let (name, round) = (self.plan.name.clone(), self.round);
        // Code of one tenant must not cost the others anything.
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(services)));
        let (outcome, refusals) = judged.unwrap_or_else(|_| {
            let error = ComponentError::new("a defect: it could not be prepared");
            (Outcome::Failed(error), Vec::new())
        });
        Prepared {
            name,
            round,
            outcome,
            file: Arc::clone(file),
            refusals,
        }
    }

    fn judge(self, services: &Services) -> (Outcome, Vec<Refusal>) {
        let Self {
            plan,
            trials,
            is_start,
            ..
        } = self;
        let Tried { plan, refusals } = trials.judge(plan, &services.policies, is_start);
        let outcome = match plan {
            None => Outcome::Refused,
            Some(plan) if is_start => match made(plan, services) {
                Ok(agent) => Outcome::Agent(Box::new(agent)),
                Err(error) => Outcome::Failed(error),
            },
            Some(plan) => Outcome::Plan(plan),
        };
        (outcome, refusals)
    }
}

/// Makes an agent, with its channels open.
fn made(plan: AgentPlan, services: &Services) -> Result<RunningAgent, ComponentError> {
    let agent = RunningAgent::build(plan, services)?;
    Handle::current().block_on(agent.open())?;
    Ok(agent)
}

/// Starts agents step by step, so that an agent that feeds another finds it running. In a hurry they
/// are handed back as far as they are.
pub(super) async fn start(
    mut agents: Vec<RunningAgent>,
    services: Services,
    hurry: CancellationToken,
) -> Done {
    tokio::select! {
        () = start_all(&mut agents, &services) => {}
        () = hurry.cancelled() => {}
    }
    Done::Started(agents)
}

pub(super) async fn start_all(agents: &mut [RunningAgent], services: &Services) {
    for agent in &mut *agents {
        agent.bind().await;
    }
    for agent in &mut *agents {
        agent.start_sinks(services);
    }
    for agent in agents {
        agent.start_sources(services);
        tracing::info!(agent = agent.plan.name, "agent started");
    }
}

/// Changes an agent, on a thread of its own, since compilers may work in it.
pub(super) fn change(
    work: &mut JoinSet<Done>,
    mut agent: Box<RunningAgent>,
    plan: AgentPlan,
    terms: ReloadTerms,
    services: Services,
) {
    work.spawn_blocking(move || {
        Handle::current().block_on(async move {
            let changes = changes::between(&agent.plan, &plan);
            let span = tracing::info_span!("agent", agent = plan.name);
            let reloaded = agent.reload(plan, &terms, &services).instrument(span).await;
            Done::Changed {
                agent,
                changed: reloaded.map(|()| changes),
            }
        })
    });
}
