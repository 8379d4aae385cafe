//! One instance of a policy: its store, its limits, and its exports as functions.
//!
//! A store holds one policy in one place and nothing else: a trap poisons all of a store. After a
//! violation the instance is thrown away, whatever the violation was.

use std::time::Duration;

use flume_core::clock;
use wasmtime::component::Instance as ComponentInstance;
use wasmtime::{Store, Trap};

use crate::artifact::Artifact;
use crate::bindings::{batch_router, interceptor, sink_selector, state, types};
use crate::engine::{PolicyEngine, TICK};
use crate::error::{LoadError, PolicyError, Problem, Violation, ViolationKind};
use crate::limits::Limits;
use crate::log::GuestLog;
use crate::setup::Setup;

mod configure;
mod host;

pub(crate) use host::Host;

/// Headers that a selector and an interceptor may ask for.
const MOST_HEADERS: (usize, usize) = (16, 64);

/// What a policy asked to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Headers.
    pub headers: Vec<String>,
    /// How much of each body.
    pub bodies: Bodies,
}

/// How much of each body is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Nothing.
    None,
    /// The length.
    Length,
    /// This many of the first bytes at most, and the length.
    Prefix(usize),
    /// All.
    Whole,
}

/// A running policy.
pub(crate) struct Instance {
    store: Store<Host>,
    exports: Exports,
    state: Option<state::Guest>,
    needs: Needs,
    limits: Limits,
    took: Duration,
}

enum Exports {
    Selector {
        selector: sink_selector::Guest,
        router: Option<batch_router::Guest>,
    },
    Interceptor(interceptor::Guest),
}

impl Instance {
    /// Instantiates and configures a policy.
    ///
    /// # Errors
    /// It is of another kind, does not accept its properties, or breaks the contract.
    pub(crate) fn start(
        engine: &PolicyEngine,
        artifact: &Artifact,
        setup: &Setup,
        limits: &Limits,
        deadline: Duration,
        log: GuestLog,
    ) -> Result<Self, PolicyError> {
        if !artifact.fits(setup) {
            let (is, wanted) = (artifact.world().words(), setup.wanted());
            return Err(LoadError::WrongKind { is, wanted }.into());
        }
        let mut store = Store::new(engine.wasmtime(), Host::new(limits, log));
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(limits.result_bytes);
        arm(&mut store, deadline);
        let began = clock::now();
        let started = (|store: &mut Store<Host>| {
            let instance = artifact.pre().instantiate(&mut *store)?;
            let exports = Exports::of(artifact, &mut *store, &instance)?;
            let indices = artifact.state_indices();
            let state = indices
                .map(|indices| indices.load(&mut *store, &instance))
                .transpose()?;
            let answer = exports.configure(&mut *store, setup)?;
            Ok::<_, wasmtime::Error>((exports, state, answer))
        })(&mut store);
        let took = clock::now() - began;
        store.data().log.spent(took);
        let (exports, state, answer) = started.map_err(|error| explain(&mut store, &error))?;
        let needs = checked(answer.map_err(PolicyError::Config)?, setup)?;
        let limits = limits.clone();
        Ok(Self {
            store,
            exports,
            state,
            needs,
            limits,
            took,
        })
    }

    /// What the policy asked to be shown.
    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// How long its start took.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    /// Whether it can split batches.
    pub(crate) fn is_router(&self) -> bool {
        matches!(
            &self.exports,
            Exports::Selector {
                router: Some(_),
                ..
            }
        )
    }

    /// Whether a selector is to be shown the events that it routes.
    pub(crate) fn sees_events(&self) -> bool {
        self.is_router() || !self.needs.headers.is_empty()
    }

    /// Whether it has a state to hand over.
    pub(crate) fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// How long a call may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.limits.deadline
    }

    /// How long a start may take.
    pub(crate) fn start_deadline(&self) -> Duration {
        self.limits.start_deadline
    }

    /// Asks for an order.
    pub(crate) fn order(
        &mut self,
        at: types::Moment,
        feedback: &[sink_selector::Feedback],
        load: sink_selector::Load<'_>,
    ) -> Result<Vec<u32>, Violation> {
        let deadline = self.limits.deadline;
        self.call(deadline, |exports, store| match exports {
            Exports::Selector { selector, .. } => selector.call_order(store, at, feedback, load),
            Exports::Interceptor(_) => Ok(Vec::new()),
        })
    }

    /// Asks for a sink for each event; `None` if the policy cannot split batches.
    pub(crate) fn route(
        &mut self,
        at: types::Moment,
        feedback: &[sink_selector::Feedback],
        load: sink_selector::Load<'_>,
    ) -> Result<Option<Vec<u32>>, Violation> {
        let deadline = self.limits.deadline;
        self.call(deadline, |exports, store| match exports {
            Exports::Selector {
                router: Some(router),
                ..
            } => router.call_route(store, at, feedback, load).map(Some),
            _ => Ok(None),
        })
    }

    /// Hands over a batch.
    pub(crate) fn intercept(
        &mut self,
        at: types::Moment,
        batch: interceptor::Batch<'_>,
        deadline: Duration,
    ) -> Result<interceptor::Edits, Violation> {
        self.call(deadline, |exports, store| match exports {
            Exports::Interceptor(interceptor) => interceptor.call_intercept(store, at, batch),
            Exports::Selector { .. } => Ok(interceptor::Edits {
                verdicts: Vec::new(),
                headers: Vec::new(),
                bodies: None,
            }),
        })
    }

    /// The state, if the policy has one.
    pub(crate) fn export_state(&mut self) -> Result<Option<state::SnapshotResult>, Violation> {
        let Some(guest) = self.state.take() else {
            return Ok(None);
        };
        let deadline = self.limits.deadline;
        let exported = self.call(deadline, |_, store| guest.call_export_state(store));
        self.state = Some(guest);
        exported
            .map(Some)
            .map_err(|violation| match violation.kind {
                ViolationKind::ResultSize => {
                    Violation::new(ViolationKind::StateSize, violation.detail)
                }
                _ => violation,
            })
    }

    /// Takes over a state; the inner error is the policy's own word.
    pub(crate) fn import_state(
        &mut self,
        snapshot: &state::SnapshotResult,
    ) -> Result<Result<(), String>, Violation> {
        let Some(guest) = self.state.take() else {
            return Ok(Err("takes over no state".to_owned()));
        };
        let snapshot = state::SnapshotParam {
            format: snapshot.format,
            bytes: &snapshot.bytes,
        };
        let deadline = self.limits.deadline;
        let imported = self.call(deadline, |_, store| {
            guest.call_import_state(store, snapshot)
        });
        self.state = Some(guest);
        imported
    }

    /// A call under its deadline, on the policy's account.
    fn call<R>(
        &mut self,
        deadline: Duration,
        call: impl FnOnce(&Exports, &mut Store<Host>) -> wasmtime::Result<R>,
    ) -> Result<R, Violation> {
        arm(&mut self.store, deadline);
        let began = clock::now();
        let answer = call(&self.exports, &mut self.store);
        self.store.data().log.spent(clock::now() - began);
        answer.map_err(|error| explain(&mut self.store, &error))
    }
}

impl Exports {
    fn of(
        artifact: &Artifact,
        store: &mut Store<Host>,
        instance: &ComponentInstance,
    ) -> wasmtime::Result<Self> {
        use crate::artifact::Indices;
        Ok(match artifact.indices() {
            Indices::Interceptor(indices) => Self::Interceptor(indices.load(store, instance)?),
            Indices::Selector { selector, router } => Self::Selector {
                selector: selector.load(&mut *store, instance)?,
                router: match router {
                    Some(router) => Some(router.load(store, instance)?),
                    None => None,
                },
            },
        })
    }

    /// Configures; the inner error is the policy's own word.
    fn configure(
        &self,
        store: &mut Store<Host>,
        setup: &Setup,
    ) -> wasmtime::Result<Result<Needs, Vec<Problem>>> {
        match (self, setup) {
            (Self::Selector { selector, .. }, Setup::Selector(setup)) => {
                configure::selector(selector, store, setup)
            }
            (Self::Interceptor(interceptor), Setup::Interceptor(setup)) => {
                configure::interceptor(interceptor, store, setup)
            }
            // `Instance::start` has compared the kinds.
            _ => wasmtime::bail!("the policy is of another kind"),
        }
    }
}

fn checked(needs: Needs, setup: &Setup) -> Result<Needs, Violation> {
    let most = match setup {
        Setup::Selector(_) => MOST_HEADERS.0,
        Setup::Interceptor(_) => MOST_HEADERS.1,
    };
    if needs.headers.len() <= most {
        return Ok(needs);
    }
    let detail = format!(
        "asks for {} headers, at most {most} are shown",
        needs.headers.len()
    );
    Err(Violation::new(ViolationKind::Needs, detail))
}

/// Gives the next call its deadline. The tick that is under way does not count.
fn arm(store: &mut Store<Host>, deadline: Duration) {
    let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos());
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1));
}

/// Which rule a failed call broke.
fn explain(store: &mut Store<Host>, error: &wasmtime::Error) -> Violation {
    let host = store.data_mut();
    let said = host
        .log
        .take_error()
        .map(|line| format!(": {line}"))
        .unwrap_or_default();
    if let Some(denied) = host.limiter.denied.take() {
        return Violation::new(ViolationKind::Memory, format!("{denied}{said}"));
    }
    let (kind, detail) = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (ViolationKind::Deadline, "took too long".to_owned()),
        Some(Trap::StackOverflow) => (ViolationKind::Stack, "recursion too deep".to_owned()),
        Some(trap) => (ViolationKind::Trap, trap.to_string()),
        // The engine has no type for this one; a test holds its wording.
        None if error
            .root_cause()
            .to_string()
            .contains("fuel allocated for hostcalls") =>
        {
            (ViolationKind::ResultSize, "answer too large".to_owned())
        }
        None => (ViolationKind::Trap, error.root_cause().to_string()),
    };
    Violation::new(kind, format!("{detail}{said}"))
}
