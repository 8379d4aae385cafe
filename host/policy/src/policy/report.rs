//! The state of a policy, for operators.

use flume_core::clock::Instant;

use crate::error::Violation;
use crate::limits::Limits;

/// The state of a policy, for operators.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// The digest of the version that is to run.
    pub digest: String,
    /// What that version is, in words.
    pub world: &'static str,
    /// How many changes there were, including the one that brought this version.
    pub generation: u64,
    /// The digest of the version that a roll-back would bring back.
    pub previous: Option<String>,
    /// Whether the version was noted as [uploaded](crate::Candidate::uploaded).
    pub uploaded: bool,
    /// Its seats.
    pub seats: Vec<SeatReport>,
}

/// The state of one seat of a policy.
#[derive(Debug, Clone)]
pub struct SeatReport {
    /// The group, or the source and interceptor.
    pub place: String,
    /// What its policy may use there.
    pub limits: Limits,
    /// Its state.
    pub state: SeatState,
    /// Since when its policy is not asked, if it is not.
    pub down_since: Option<Instant>,
    /// What stands in for it meanwhile.
    pub stand_in: StandIn,
    /// Whether the next batch is to find out: another version waits for it, or it is time to try
    /// again. So somebody has to send one.
    pub tries_next: bool,
    /// The generation that runs there; less than the policy's own until the next batch.
    pub generation: u64,
    /// Why no version could be used there, as long as none runs.
    pub vacancy: Option<String>,
    /// The last rule that was broken there, in whichever version, and when.
    pub fault: Option<(Violation, Instant)>,
}

/// What stands in for a policy that is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// The native selector orders the sinks.
    Fallback,
    /// Events go on unchanged.
    Unchanged,
    /// Nobody: events are refused.
    Nobody,
}

/// The state of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatState {
    /// Its policy is asked.
    Running,
    /// Its policy broke the contract and is replaced at this time.
    Resting {
        /// When.
        until: Instant,
    },
    /// An instance is being made off the data path.
    Starting,
    /// Its policy broke the contract too often and is not asked until another version comes.
    Quarantined,
    /// No version could be used there so far; the next one is tried out.
    Vacant,
}
