//! The versions of a policy, numbered: the one that is to run, and the one before it.
//!
//! | change | current | previous |
//! |---|---|---|
//! | begin with A | A, number 1 | none |
//! | install B | B, number 2 | A; none if A is [no version](Artifact::none) |
//! | roll back | A, number 3 | none: B is forgotten, so that the two do not take turns |
//! | install C for new seats only | C, number 4 | none: the other seats never ran C |
//!
//! Law: each change has a number of its own, so a seat is up to date if its number is the current
//! one; and no roll-back leads to a version that was itself rolled back.

use std::sync::Arc;

use crate::artifact::Artifact;

/// One version of a policy, as it was put into place by one change.
#[derive(Debug)]
pub(crate) struct Generation {
    /// How many changes there were, this one included.
    pub(crate) number: u64,
    pub(crate) artifact: Artifact,
    /// Whether it is not from the policy's file.
    pub(crate) uploaded: bool,
}

/// A change back to the previous version.
#[derive(Debug, Clone)]
pub struct RollBack {
    pub(crate) from: Arc<Generation>,
    pub(crate) to: Arc<Generation>,
    /// The number under which the restored version ran before.
    pub(crate) restored: u64,
}

impl RollBack {
    /// The version that was taken out.
    pub fn from(&self) -> &Artifact {
        &self.from.artifact
    }

    /// The version that runs again.
    pub fn to(&self) -> &Artifact {
        &self.to.artifact
    }
}

/// The one history of a policy.
#[derive(Debug)]
pub(crate) struct History {
    current: Arc<Generation>,
    previous: Option<Arc<Generation>>,
    /// A roll-back that began in a seat, until [`Self::take_begun`].
    begun: Option<RollBack>,
}

impl History {
    pub(crate) fn new(artifact: Artifact) -> Self {
        let current = Arc::new(Generation {
            number: 1,
            artifact,
            uploaded: false,
        });
        Self {
            current,
            previous: None,
            begun: None,
        }
    }

    pub(crate) fn current(&self) -> &Arc<Generation> {
        &self.current
    }

    pub(crate) fn previous(&self) -> Option<&Arc<Generation>> {
        self.previous.as_ref()
    }

    /// Makes another version the current one.
    pub(crate) fn install(&mut self, artifact: Artifact, uploaded: bool) {
        let before = self.advance(artifact, uploaded);
        self.previous = Some(before).filter(|before| !before.artifact.is_none());
    }

    /// The same for a version that only new seats will run: there is no roll-back from it.
    pub(crate) fn install_for_new_seats(&mut self, artifact: Artifact) {
        self.advance(artifact, false);
        self.previous = None;
    }

    /// Makes the previous version the current one again; `None` if there is no previous one.
    pub(crate) fn roll_back(&mut self) -> Option<RollBack> {
        let restored = self.previous.take()?;
        let from = self.advance(restored.artifact.clone(), restored.uploaded);
        Some(RollBack {
            from,
            to: Arc::clone(&self.current),
            restored: restored.number,
        })
    }

    /// Keeps a roll-back until it is finished in the other seats.
    pub(crate) fn begin(&mut self, roll_back: RollBack) {
        self.begun = Some(roll_back);
    }

    /// The roll-back that began in a seat, once.
    pub(crate) fn take_begun(&mut self) -> Option<RollBack> {
        self.begun.take()
    }

    fn advance(&mut self, artifact: Artifact, uploaded: bool) -> Arc<Generation> {
        let next = Generation {
            number: self.current.number + 1,
            artifact,
            uploaded,
        };
        // It is over with the next change.
        self.begun = None;
        std::mem::replace(&mut self.current, Arc::new(next))
    }
}
