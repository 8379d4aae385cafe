//! Making an instance in the background.
//!
//! A start that takes some microseconds is cheapest where the instance is needed. One that takes
//! longer than a batch may wait gets a thread, for as long as it takes: so no place waits for another
//! tenant's slow start, as it would in a queue. A seat has at most one such thread, so there are never
//! more of them than places; and they run at a lower priority than deliveries.

use std::io;
use std::thread::{self, JoinHandle};

use crate::artifact::Artifact;
use crate::behind::lower_priority;
use crate::engine::PolicyEngine;
use crate::error::{PolicyError, Violation, ViolationKind};
use crate::instance::Instance;
use crate::terms::Terms;

/// How much lower the priority of a start is than that of deliveries. Events may wait for it.
const NICE: i32 = 10;

/// An instance that is being made. If this is dropped, the thread ends on its own, within the
/// deadline of a start, and drops the instance.
pub(super) struct BackgroundStart(JoinHandle<Result<Instance, PolicyError>>);

impl BackgroundStart {
    /// Begins to make an instance.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn begin(
        engine: &PolicyEngine,
        artifact: &Artifact,
        terms: &Terms,
    ) -> io::Result<Self> {
        let (engine, artifact, terms) = (engine.clone(), artifact.clone(), terms.clone());
        let start = move || {
            lower_priority(NICE, "starting a policy");
            let deadline = terms.limits.start_deadline.max(terms.limits.deadline);
            Instance::start(&engine, &artifact, &terms, deadline)
        };
        let thread = thread::Builder::new().name("policy-start".to_owned());
        thread.spawn(start).map(Self)
    }

    /// Whether [`Self::finish`] need not wait.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// What came of it.
    pub(super) fn finish(self) -> Result<Instance, PolicyError> {
        self.0.join().unwrap_or_else(|_| {
            let detail = "the start of the policy was abandoned".to_owned();
            Err(Violation::new(ViolationKind::Trap, detail).into())
        })
    }
}
