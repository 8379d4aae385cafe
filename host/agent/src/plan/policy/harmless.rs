//! Which keys of policies are known to be harmless, so that their values are shown.
//!
//! What keys a policy has is its own business, and the host cannot tell which of them are secret. It
//! knows those of the policies that it ships with; all others are shown without their values.

/// The keys of the shipped policies. `salt` and `patterns` are left out: they may give away what they
/// are to hide.
const HARMLESS: &[&str] = &[
    "backoff",
    "capacity",
    "columns",
    "decay-ms",
    "default",
    "delimiter",
    "every",
    "factor",
    "field",
    "floor-ms",
    "format",
    "header",
    "mark",
    "mask",
    "maxpenalty",
    "maxTimeOut",
    "over-ms",
    "penalty-ms",
    "prefix",
    "primary",
    "priority",
    "probes",
    "rate",
    "standby",
    "table",
    "trickle-ms",
    "weight",
    "window-ms",
    "zone",
];

/// Whether the value of a policy's key may be shown.
pub(crate) fn is_harmless(key: &str) -> bool {
    let priority_of_sink = key
        .strip_prefix("priority.")
        .is_some_and(|sink| !sink.contains('.'));
    HARMLESS.contains(&key) || priority_of_sink
}
