//! The trial of an instance before it is used: made-up calls, under the limits of real ones.
//!
//! What goes wrong here goes wrong while the previous version is still at work. The instance is
//! thrown away afterwards, since what it has learnt never happened.

use flume_core::{Event, clock};

use crate::artifact::Artifact;
use crate::bindings::{sink_selector, types};
use crate::columns::Columns;
use crate::contract;
use crate::edits::Edits;
use crate::engine::PolicyEngine;
use crate::error::{PolicyError, Violation};
use crate::instance::{Instance, Needs};
use crate::setup::{SelectorSetup, Setup};
use crate::terms::Terms;

/// Orders that a selector is asked for.
const ORDERS: u32 = 1000;

/// Time between them: together they cover a quarter of an hour.
const STEP: u64 = 900_000_000;

/// A day, so that earlier times are not a special case.
const START: u64 = 86_400_000_000_000;

/// An instance whose twin has passed the trial, so that nothing of the trial is left in it.
///
/// # Errors
/// It is of another kind, does not accept its properties, or breaks the contract.
pub(crate) fn tried_out(
    engine: &PolicyEngine,
    artifact: &Artifact,
    terms: &Terms,
) -> Result<Instance, PolicyError> {
    let deadline = terms.limits.start_deadline;
    let start = || Instance::start(engine, artifact, terms, deadline);
    run(&mut start()?, &terms.setup)?;
    start()
}

/// Makes the calls up.
fn run(instance: &mut Instance, setup: &Setup) -> Result<(), Violation> {
    match setup {
        Setup::Selector(setup) => selector(instance, setup),
        Setup::Interceptor(_) => interceptor(instance),
    }
}

/// First all sinks are well, then one alone, then none, then all again. An empty order is not judged
/// here: only in real use is it known how long the sinks stay idle.
fn selector(instance: &mut Instance, setup: &SelectorSetup) -> Result<(), Violation> {
    let sinks = setup.sinks.len();
    let events = sample();
    let needs = instance.needs().clone();
    let mut columns = Columns::default();
    let began = clock::now();
    for round in 0..ORDERS {
        let shown = if instance.sees_events() {
            &events[..]
        } else {
            &[]
        };
        columns.fill(shown, &needs);
        let now = START + u64::from(round) * STEP;
        let moment = types::Moment {
            now,
            unix_ms: now / 1_000_000,
        };
        let feedback = feedback(round, sinks, now);
        let headers = columns.headers();
        let load = || sink_selector::Load {
            depth: u64::from(round),
            events: columns.events(),
            headers: &headers,
        };
        let answer = instance.order(moment, &feedback, load())?;
        contract::order(&answer, sinks)?;
        if let Some(route) = instance.route(moment, &[], load())? {
            contract::route(&route, shown.len(), sinks)?;
        }
        // A policy may be slow, and each call has had its deadline.
        if clock::now() > began + instance.start_deadline() {
            break;
        }
    }
    Ok(())
}

/// What happened before an order.
fn feedback(round: u32, sinks: usize, now: u64) -> Vec<sink_selector::Feedback> {
    let quarter = round / (ORDERS / 4);
    let entry = |sink: u32| {
        let is_well = match quarter {
            1 => sink == 0,
            2 => false,
            _ => true,
        };
        let at = now - STEP / 2;
        sink_selector::Feedback {
            sink,
            in_flight: round % 3,
            batches: u32::from(is_well),
            events: if is_well { 100 } else { 0 },
            latency: if is_well {
                1_000_000 * u64::from(sink + 1)
            } else {
                0
            },
            delivered_at: if is_well { at } else { 0 },
            failures: u32::from(!is_well),
            failed_at: if is_well { 0 } else { at },
        }
    };
    // Not every sink has news every time.
    let sinks = u32::try_from(sinks).unwrap_or(u32::MAX);
    (0..sinks)
        .filter(|sink| (round + sink).is_multiple_of(2))
        .map(entry)
        .collect()
}

/// No event, one, and some, with and without what the policy asks for.
fn interceptor(instance: &mut Instance) -> Result<(), Violation> {
    let needs: Needs = instance.needs().clone();
    let mut events = sample();
    for (at, name) in needs.headers.iter().enumerate() {
        if let Some(event) = events.get_mut(at % 4) {
            event.headers.insert(name.as_str(), "value");
        }
    }
    let mut columns = Columns::default();
    for count in [0, 1, events.len()] {
        let batch = events.get(..count).unwrap_or_default();
        columns.fill(batch, &needs);
        let headers = columns.headers();
        let moment = types::Moment {
            now: START,
            unix_ms: START / 1_000_000,
        };
        let answer = instance.intercept(moment, columns.batch(&headers), instance.deadline())?;
        Edits::checked(answer, batch.len(), instance.result_bytes())?;
    }
    Ok(())
}

fn sample() -> Vec<Event> {
    let binary: &[u8] = &[0, 255, 254, 10];
    let bodies: [&[u8]; 6] = [
        b"",
        b"one line",
        b"{\"a\": 1}",
        binary,
        "é€😀".as_bytes(),
        &[b'x'; 300],
    ];
    bodies
        .iter()
        .map(|body| Event::new(body.to_vec()))
        .collect()
}
