//! How the sinks stand, behind a policy's own state in a swap.
//!
//! The host tells a successor with state only what is new. Without this it would not know what is
//! under way, nor that a sink that has been silent for an hour failed an hour ago.

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

/// The policy's own state, and the standings behind it.
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
