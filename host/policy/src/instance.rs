//! One instance of a policy: its store, its limits, and its exports as functions.
//!
//! A store holds one policy in one place and nothing else, since a trap poisons all of a store. After
//! any violation the instance is thrown away.

use std::str::Utf8Error;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use flume_core::clock::{self, Instant};
use wasmtime::component::Instance as ComponentInstance;
use wasmtime::{Store, Trap};

use crate::artifact::{Artifact, Indices};
use crate::bindings::{batch_router, interceptor, sink_selector, state, types};
use crate::edits::Room;
use crate::engine::PolicyEngine;
use crate::error::{PolicyError, Problem, Violation, ViolationKind, cut};
use crate::host::{self, Host};
use crate::limits::Limits;
use crate::log::GuestLog;
use crate::setup::Setup;
use crate::stats::InstanceMemory;
use crate::terms::{Account, Terms};

mod configure;

/// Headers that a selector and an interceptor may ask for.
const MOST_HEADERS: (usize, usize) = (16, 64);

/// The most bytes of a header's name: each event is searched for it.
const MOST_NAME: usize = 1024;

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
    /// At most this many of the first bytes, and the length.
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
    account: Account,
    memory: InstanceMemory,
    took: Duration,
    last_call: Duration,
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
        terms: &Terms,
        deadline: Duration,
    ) -> Result<Self, PolicyError> {
        let (setup, limits) = (&terms.setup, &terms.limits);
        let code = artifact.code_for(setup)?;
        let log = GuestLog::new(
            artifact.shared_name(),
            artifact.short_digest().into(),
            &terms.account,
        );
        let mut store = Store::new(engine.wasmtime(), Host::new(limits, setup.seed(), log));
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(limits.result_bytes);
        host::install_deadlines(&mut store);
        let mut memory = InstanceMemory::new(Arc::clone(&terms.account.stats));
        let began = arm(&mut store, deadline);
        let working = ThreadTime::now();
        let started = (|store: &mut Store<Host>| {
            let instance = code.pre.instantiate(&mut *store)?;
            let exports = Exports::of(&code.indices, &mut *store, &instance)?;
            let indices = code.state.as_ref();
            let state = indices
                .map(|indices| indices.load(&mut *store, &instance))
                .transpose()?;
            let answer = exports.configure(&mut *store, setup)?;
            Ok::<_, wasmtime::Error>((exports, state, answer))
        })(&mut store);
        let took = working.elapsed();
        terms.account.spent(clock::now() - began);
        let (exports, state, answer) =
            started.map_err(|error| explain(&mut store, &error, START))?;
        let needs = checked(answer.map_err(PolicyError::Config)?, setup)?;
        let limits = limits.clone();
        memory.note(store.data().limiter.memory());
        Ok(Self {
            store,
            exports,
            state,
            needs,
            limits,
            account: terms.account.clone(),
            memory,
            took,
            last_call: Duration::ZERO,
        })
    }

    /// What the policy asked to be shown.
    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The time that its start needed, without the time for which the thread waited for a processor.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    /// How long the last call took.
    pub(crate) fn last_call(&self) -> Duration {
        self.last_call
    }

    /// What the last call used of the processor; to be asked as soon as it has returned.
    pub(crate) fn used(&self) -> Duration {
        self.store.data().used(self.last_call)
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

    /// What it may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What there is room for in the answer of the last call.
    pub(crate) fn room(&self) -> Room {
        Room {
            result: self.limits.result_bytes,
            used: self.store.data().limiter.memory(),
            memory: self.limits.memory,
        }
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
        let deadline = self.limits.deadline_for(shown(&load));
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
        let deadline = self.limits.deadline_for(shown(&load));
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
            Exports::Interceptor(interceptor) => {
                let answer = interceptor.call_intercept(store, at, batch);
                answer.map_err(|error| match error.downcast_ref::<Utf8Error>() {
                    Some(_) => error.context(NoText),
                    None => error,
                })
            }
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

    /// Takes over a state; the inner error is the policy's own message.
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
        imported.map(|answer| answer.map_err(|words| cut(&words).into_owned()))
    }

    /// A call under its deadline, charged to the policy.
    fn call<R>(
        &mut self,
        deadline: Duration,
        call: impl FnOnce(&Exports, &mut Store<Host>) -> wasmtime::Result<R>,
    ) -> Result<R, Violation> {
        let began = arm(&mut self.store, deadline);
        let answer = call(&self.exports, &mut self.store);
        self.last_call = clock::now() - began;
        let host = self.store.data();
        self.account.spent(self.last_call);
        self.memory.note(host.limiter.memory());
        answer.map_err(|error| explain(&mut self.store, &error, CALL))
    }
}

impl Exports {
    fn of(
        indices: &Indices,
        store: &mut Store<Host>,
        instance: &ComponentInstance,
    ) -> wasmtime::Result<Self> {
        Ok(match indices {
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

    /// Configures; the inner error is the policy's own message.
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

/// How many events a selector is shown.
fn shown(load: &sink_selector::Load<'_>) -> usize {
    usize::try_from(load.events).unwrap_or(usize::MAX)
}

fn checked(needs: Needs, setup: &Setup) -> Result<Needs, Violation> {
    let most = match setup {
        Setup::Selector(_) => MOST_HEADERS.0,
        Setup::Interceptor(_) => MOST_HEADERS.1,
    };
    let count = needs.headers.len();
    let longest = needs.headers.iter().map(String::len).max().unwrap_or(0);
    let detail = if count > most {
        format!("asks for {count} headers, at most {most} are shown")
    } else if longest > MOST_NAME {
        format!("asks for a header whose name has {longest} bytes, at most {MOST_NAME}")
    } else {
        return Ok(needs);
    };
    Err(Violation::new(ViolationKind::Needs, detail))
}

/// Gives the next call its deadline; returns when it began.
fn arm(store: &mut Store<Host>, deadline: Duration) -> Instant {
    let host = store.data_mut();
    // What earlier calls logged and were refused does not explain this one.
    host.log.begin();
    host.limiter.denied = None;
    let began = clock::now();
    host::arm(store, deadline, began);
    began
}

/// The keys of a deadline.
const START: &str = "start-deadline-ms";
const CALL: &str = "deadline-ms, deadline-us-per-event";

/// An interceptor answered with bytes that are not a string; only names of headers are strings.
#[derive(Debug, thiserror::Error)]
#[error("a string is not valid UTF-8")]
struct NoText;

/// Which rule a failed call broke.
fn explain(store: &mut Store<Host>, error: &wasmtime::Error, time: &str) -> Violation {
    let host = store.data_mut();
    let said = host
        .log
        .take_error()
        .map(|line| format!(": {line}"))
        .unwrap_or_default();
    if let Some(denied) = host.limiter.denied.take() {
        return Violation::new(ViolationKind::Memory, format!("{denied}{said}"));
    }
    if error.downcast_ref::<NoText>().is_some() {
        let detail = format!("the name of a header: {}", error.root_cause());
        return Violation::new(ViolationKind::EditText, detail);
    }
    let (kind, detail) = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let deadline = host.deadline();
            let detail = format!("took too long: more than {deadline:?} ({time})");
            (ViolationKind::Deadline, detail)
        }
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
        None if error
            .root_cause()
            .to_string()
            .contains("resource limit exceeded") =>
        {
            (ViolationKind::Memory, error.root_cause().to_string())
        }
        None => (ViolationKind::Trap, error.root_cause().to_string()),
    };
    Violation::new(kind, format!("{detail}{said}"))
}
