//! A version that every seat has accepted, before it is installed.

use std::sync::{Arc, Weak};

use super::control::SeatControl;
use crate::artifact::Artifact;
use crate::instance::Instance;

/// A version that every seat has accepted.
pub struct Candidate {
    pub(super) artifact: Artifact,
    pub(super) uploaded: bool,
    pub(super) ready: Vec<(Weak<SeatControl>, Instance)>,
    pub(super) differences: Vec<String>,
}

impl Candidate {
    /// Notes, for reports, that it is not from the policy's file.
    #[must_use]
    pub fn uploaded(mut self) -> Self {
        self.uploaded = true;
        self
    }

    /// What it asks for that the running version does not, and the other way round; a line each.
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    /// The version.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// The instance that was tried out in this seat.
    pub(super) fn take_instance(&mut self, seat: &Arc<SeatControl>) -> Option<Instance> {
        let is_seat = |(known, _): &(Weak<SeatControl>, Instance)| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(seat))
        };
        let at = self.ready.iter().position(is_seat)?;
        Some(self.ready.swap_remove(at).1)
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Candidate").field(&self.artifact).finish()
    }
}
