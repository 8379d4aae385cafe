//! What reads the bytes of policies, without an engine, for the fuzz targets.

use flume_core::Event;
use flume_core::sink_group::SinkIndex;

use crate::artifact::complete;
use crate::bindings::{interceptor, types};
use crate::compiler::stripped as strip;
use crate::contract;
use crate::edits::{Edits, EventVerdict, Room};
use crate::error::{LoadError, Violation};

/// A binary file without what is not code.
///
/// # Errors
/// It is damaged.
pub fn stripped(binary: &[u8]) -> Result<Vec<u8>, LoadError> {
    strip(binary).map(std::borrow::Cow::into_owned)
}

/// The component that a binary file is, or is made to.
///
/// # Errors
/// It is not a policy.
pub fn component(binary: &[u8]) -> Result<Vec<u8>, LoadError> {
    complete::component(&strip(binary)?)
}

/// What an interceptor answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// A byte for each event, or nothing.
    pub verdicts: Vec<u8>,
    /// Headers by name.
    pub headers: Vec<(String, Rows)>,
    /// Bodies.
    pub bodies: Option<Rows>,
}

/// Values for events.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Their places.
    pub events: Vec<u32>,
    /// The values in one piece.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub ends: Vec<u32>,
}

/// Carries an answer out, within limits: bytes that it may make, bytes of memory that the instance has,
/// and that it may have. Says which events are kept; nothing means all.
///
/// # Errors
/// The answer breaks the contract; the events are as they were.
pub fn edit(
    answer: Answer,
    events: &mut [Event],
    (result, used, memory): (usize, usize, usize),
) -> Result<Vec<bool>, Violation> {
    let column = |bytes, ends| types::ColumnResult { bytes, ends };
    let header = |(name, rows): (String, Rows)| interceptor::HeaderEdit {
        name,
        events: rows.events,
        values: column(rows.bytes, rows.ends),
    };
    let answer = interceptor::Edits {
        verdicts: answer.verdicts,
        headers: answer.headers.into_iter().map(header).collect(),
        bodies: answer.bodies.map(|rows| interceptor::BodyEdit {
            events: rows.events,
            bodies: column(rows.bytes, rows.ends),
        }),
    };
    let room = Room {
        result,
        used,
        memory,
    };
    let edits = Edits::checked(answer, events, room)?;
    let mut kept = Vec::new();
    edits.apply(events, |_, verdict| {
        kept.push(verdict == EventVerdict::Keep);
    });
    Ok(kept)
}

/// An order, checked.
///
/// # Errors
/// It breaks the contract.
pub fn order(answer: &[u32], sinks: usize) -> Result<Vec<SinkIndex>, Violation> {
    contract::order(answer, sinks).map(Vec::from)
}

/// A route, checked.
///
/// # Errors
/// It breaks the contract.
pub fn route(answer: &[u32], events: usize, sinks: usize) -> Result<Vec<SinkIndex>, Violation> {
    contract::route(answer, events, sinks)
}

/// A trace whose frames have these payloads.
pub fn trace(payloads: &[&[u8]]) -> Vec<u8> {
    crate::trace::framed(payloads)
}
