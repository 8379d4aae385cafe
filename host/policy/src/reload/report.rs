//! How a policy stands, for operators.

use flume_core::clock::Instant;

use crate::error::Violation;
use crate::seat::SeatState;

/// How a policy stands, for operators.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// The digest of the version that is to run.
    pub digest: String,
    /// Its number, in the order of installation.
    pub generation: u64,
    /// The digest of the version before, if one is kept.
    pub previous: Option<String>,
    /// Its places.
    pub seats: Vec<SeatReport>,
}

/// How one place of a policy stands.
#[derive(Debug, Clone)]
pub struct SeatReport {
    /// The group, or the source and interceptor.
    pub place: String,
    /// How it stands.
    pub state: SeatState,
    /// The number of the version that runs there; behind the policy's own until its next batch.
    pub generation: u64,
    /// The last rule that was broken there, in whichever version, and when.
    pub fault: Option<(Violation, Instant)>,
}
