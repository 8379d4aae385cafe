//! The state of the sinks, appended to a policy's own state in a swap.
//!
//! The host sends only new reports to a successor that took over state. Without this, the successor
//! would not know which batches are in flight, nor that a sink without any report in the last hour
//! failed before that.

use crate::selector::Standing;
use crate::words;

/// Bytes of one sink.
const ROW: usize = 6 * 8;

pub(super) fn pack(standings: &[Standing]) -> Vec<u8> {
    let row = |standing: &Standing| {
        [
            u64::from(standing.in_flight),
            standing.batches,
            standing.events,
            u64::from(standing.failures),
            standing.failed_at,
            standing.latency,
        ]
    };
    words::pack(standings.iter().flat_map(row))
}

/// The policy's own state, followed by the standings.
pub(super) fn unpack(bytes: &[u8], sinks: usize) -> Result<(&[u8], Vec<Standing>), String> {
    let own = bytes.len().checked_sub(sinks * ROW);
    let own = own.ok_or_else(|| format!("the state is too short for {sinks} sinks"))?;
    let (own, rest) = bytes.split_at(own);
    let standing =
        |[in_flight, batches, events, failures, failed_at, latency]: &[u64; 6]| Standing {
            in_flight: *in_flight as u32,
            batches: *batches,
            events: *events,
            failures: *failures as u32,
            failed_at: *failed_at,
            latency: *latency,
        };
    let rows = words::rows::<6>(rest, sinks)?;
    Ok((own, rows.iter().map(standing).collect()))
}
