//! What is wrong with the policies, and whether events are refused because of it.
//!
//! A selector has its fallback. An interceptor has none: while its policy is not asked, its source
//! refuses every event, unless `on-error = pass`. That holds for `drop` and `dead-letter:…` as well,
//! which are about single events that a working policy cannot handle.

use flume_core::clock;
use flume_policy::{SeatReport, SeatState, StandIn};

use super::{Level, Trouble};
use crate::policies::{Origin, PolicyFileReport};

/// What is wrong with a policy in its places.
pub(super) fn policy(report: &PolicyFileReport) -> Vec<Trouble> {
    let seats = report.seats.iter();
    let seats = seats.filter_map(|place| seat(report, place));
    refused(report).into_iter().chain(seats).collect()
}

fn refused(report: &PolicyFileReport) -> Option<Trouble> {
    // Its places say so themselves.
    if report.digest.is_empty() {
        return None;
    }
    let (error, failure) = (report.last_error.as_ref()?, report.failure?);
    let (symptom, what_to_do) = match failure.origin {
        Origin::File => (
            "its last new version was refused",
            "mend the file: its agent would not start again with it",
        ),
        Origin::AdminPort => (
            "a version that came over the admin port was refused",
            "mend that version; nothing is wrong with the file",
        ),
        Origin::Budget => (
            "its last version broke the contract too often and was rolled back",
            "bring a mended version: the file may still have the other one",
        ),
    };
    Some(Trouble {
        component: format!("policy {}", report.name),
        state: Level::Degraded,
        since_seconds: Some(clock::seconds_since(failure.since)),
        symptom: symptom.to_owned(),
        impact: "the version before goes on".to_owned(),
        cause: error.clone(),
        what_to_do: what_to_do.to_owned(),
        agent: Some(report.agent.clone()),
        takes_nothing_in: false,
    })
}

/// A place in which the policy is not asked.
fn seat(report: &PolicyFileReport, seat: &SeatReport) -> Option<Trouble> {
    let has_fallback = seat.stand_in == StandIn::Fallback;
    let symptom = match seat.state {
        SeatState::Running => return None,
        SeatState::Starting if has_fallback => return None,
        SeatState::Starting => "is being started again",
        SeatState::Resting { .. } => "broke the contract and rests",
        // Another version waits for the next batch.
        SeatState::Quarantined if seat.tries_next => return None,
        SeatState::Quarantined => "broke the contract too often and is not asked any more",
        SeatState::Vacant if seat.tries_next => return None,
        SeatState::Vacant => "could not be loaded",
    };
    let refuses = seat.stand_in == StandIn::Nobody && !seat.tries_next;
    let impact = match seat.stand_in {
        StandIn::Fallback => "its fallback stands in",
        StandIn::Unchanged => "events go on unchanged",
        StandIn::Nobody if refuses => "its source refuses every event",
        StandIn::Nobody => "the next batch of its source is a try",
    };
    let what_to_do = match seat.stand_in {
        _ if seat.state == SeatState::Vacant => {
            "mend the file, or upload a version: it is taken at once; if keys are wrong, mend those and \
             send SIGHUP"
        }
        StandIn::Fallback | StandIn::Unchanged => "bring a mended version, or roll back",
        StandIn::Nobody => {
            "bring a mended version, or roll back; `on-error = pass` lets events through unchanged"
        }
    };
    let fault = seat.fault.as_ref();
    let cause = fault.map(|(violation, _)| violation.detail.clone());
    let cause = seat.vacancy.clone().or(cause);
    Some(Trouble {
        component: format!("policy {} in {}", report.name, seat.place),
        state: match refuses {
            true => Level::Failing,
            false => Level::Degraded,
        },
        since_seconds: seat.down_since.map(clock::seconds_since),
        symptom: symptom.to_owned(),
        impact: impact.to_owned(),
        cause: cause.unwrap_or_default(),
        what_to_do: what_to_do.to_owned(),
        agent: Some(report.agent.clone()),
        takes_nothing_in: refuses,
    })
}
