//! Making an instance where nobody waits for it.
//!
//! A start that takes some microseconds is cheapest where the instance is needed. One that takes
//! longer than a batch may wait gets a thread of its own, for as long as it takes: so no place
//! waits for another tenant's slow start, as it would behind a queue. A seat has one at most, so
//! there are never more of them than places; and they stand back behind deliveries.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::SeatPost;
use crate::aside;
use crate::error::{PolicyError, Violation, ViolationKind};
use crate::instance::Instance;
use crate::reload::{Generation, Policy};

/// An instance in the making. If it is given up, the thread ends by itself, within the deadline of
/// a start, and takes the instance with it.
pub(super) struct Replacement(JoinHandle<Result<Instance, PolicyError>>);

impl Replacement {
    /// Begins to make an instance.
    ///
    /// # Errors
    /// There is no thread to spare.
    pub(super) fn begin(
        policy: &Arc<Policy>,
        generation: &Generation,
        post: &SeatPost,
    ) -> io::Result<Self> {
        let policy = Arc::clone(policy);
        let (artifact, setup) = (generation.artifact.clone(), post.setup.clone());
        let start = move || {
            aside::stand_back("starting a policy");
            let limits = policy.limits();
            policy.start(
                &artifact,
                &setup,
                limits.start_deadline.max(limits.deadline),
            )
        };
        let thread = thread::Builder::new().name("policy-start".to_owned());
        thread.spawn(start).map(Self)
    }

    /// Whether [`Self::finish`] has nothing to wait for.
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
