//! The numbers of policies.

use std::time::Duration;

use flume_core::counters::MetricKind::{Counter, Gauge};
use flume_policy::SeatState;

use super::{Number, Reading, reading};
use crate::policies::PolicyFileReport;

/// The numbers of a policy, over all its places.
pub(in crate::metrics) const POLICY: &[Reading<PolicyFileReport>] = &[
    reading(
        Counter,
        "CallCount",
        "calls",
        "Calls of the policy: orders, routes and batches to intercept.",
        |r| Number::Whole(r.totals.calls),
    ),
    reading(
        Counter,
        "EventCount",
        "events",
        "Events that were handed to an interceptor.",
        |r| Number::Whole(r.totals.events),
    ),
    reading(
        Counter,
        "CpuNanosCount",
        "ns",
        "Time spent in calls, starts and trials.",
        |r| Number::Whole(nanos(r.totals.cpu)),
    ),
    reading(
        Counter,
        "FallbackCount",
        "batches",
        "Batches that the native fallback ordered instead.",
        |r| Number::Whole(r.totals.fallbacks),
    ),
    reading(
        Counter,
        "ThrottledCount",
        "batches",
        "Batches that found the share of `cpu-percent` used up.",
        |r| Number::Whole(r.totals.throttled),
    ),
    reading(
        Counter,
        "PoisonCount",
        "events",
        "Events that went where `on-error` says.",
        |r| Number::Whole(r.totals.poison),
    ),
    reading(
        Counter,
        "ReplacementCount",
        "instances",
        "Instances that replaced another one of the same version.",
        |r| Number::Whole(r.totals.replacements),
    ),
    reading(
        Counter,
        "SwapCount",
        "swaps",
        "Swaps to another version.",
        |r| Number::Whole(r.totals.swaps),
    ),
    reading(
        Counter,
        "RollBackCount",
        "swaps",
        "Returns to the version before, by hand or by the error budget.",
        |r| Number::Whole(r.totals.roll_backs),
    ),
    reading(
        Counter,
        "LogLineDroppedCount",
        "lines",
        "Log lines of the policy beyond `log-lines` a second.",
        |r| Number::Whole(r.totals.log_lines_dropped),
    ),
    reading(
        Counter,
        "LoadRefusedCount",
        "versions",
        "New versions of the file, or over the admin port, that were not loaded.",
        |r| Number::Whole(r.refusals),
    ),
    reading(
        Gauge,
        "LastLoadTaken",
        "1 or 0",
        "0 if the last new version was not loaded, or was rolled back for its errors.",
        |r| Number::Whole(u64::from(r.last_error.is_none())),
    ),
    reading(
        Gauge,
        "LastLoadTime",
        "ms since 1970",
        "When the last new version was loaded or not, or one was rolled back; 0 if there was none.",
        |r| Number::Whole(r.last_time),
    ),
    reading(
        Gauge,
        "Generation",
        "versions",
        "Versions so far, the one that runs included.",
        |r| Number::Whole(r.generation),
    ),
    reading(
        Gauge,
        "MemoryBytes",
        "bytes",
        "Linear memory of all instances, those kept for a roll-back included.",
        |r| Number::Whole(r.totals.memory),
    ),
    reading(
        Gauge,
        "MostMemoryBytes",
        "bytes",
        "The most linear memory so far.",
        |r| Number::Whole(r.totals.most_memory),
    ),
    reading(
        Gauge,
        "CallP99Nanos",
        "ns",
        "The time that 99 of 100 calls do not exceed; up to a quarter too high.",
        |r| Number::Whole(nanos(r.totals.usual_call)),
    ),
    reading(Gauge, "LongestCallNanos", "ns", "The longest call.", |r| {
        Number::Whole(nanos(r.totals.longest_call))
    }),
    reading(
        Gauge,
        "LongestSwapNanos",
        "ns",
        "The longest time that a batch waited for a swap.",
        |r| Number::Whole(nanos(r.totals.longest_swap)),
    ),
    reading(
        Gauge,
        "RunningSeats",
        "places",
        "Places in which the policy is asked.",
        |r| Number::Whole(seats(r, |state| matches!(state, SeatState::Running))),
    ),
    reading(
        Gauge,
        "RestingSeats",
        "places",
        "Places in which a new instance is awaited: a group's fallback stands in, an interceptor refuses unless `on-error = pass`.",
        |r| {
            Number::Whole(seats(r, |state| {
                matches!(state, SeatState::Resting { .. } | SeatState::Starting)
            }))
        },
    ),
    reading(
        Gauge,
        "QuarantinedSeats",
        "places",
        "Places in which the policy broke too many rules, until another version comes; what stands in is the same.",
        |r| Number::Whole(seats(r, |state| matches!(state, SeatState::Quarantined))),
    ),
    reading(
        Gauge,
        "VacantSeats",
        "places",
        "Places for which no version could be loaded so far; what stands in is the same.",
        |r| Number::Whole(seats(r, |state| matches!(state, SeatState::Vacant))),
    ),
];

fn seats(report: &PolicyFileReport, wanted: fn(&SeatState) -> bool) -> u64 {
    report
        .seats
        .iter()
        .filter(|seat| wanted(&seat.state))
        .count() as u64
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
