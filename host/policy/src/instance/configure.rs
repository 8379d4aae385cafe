//! The first call of a policy: its setup goes in, its needs or its problems come out.

use wasmtime::Store;

use super::{Bodies, Needs};
use crate::bindings::{interceptor, sink_selector, types};
use crate::error::{Problem, cut};
use crate::host::Host;
use crate::setup::{InterceptorSetup, Properties, SelectorSetup};

/// The most problems that are shown.
const MOST_PROBLEMS: usize = 100;

/// Configures a selector; the inner error is the policy's own message.
pub(super) fn selector(
    guest: &sink_selector::Guest,
    store: &mut Store<Host>,
    setup: &SelectorSetup,
) -> wasmtime::Result<Result<Needs, Vec<Problem>>> {
    let carried: Vec<_> = setup
        .sinks
        .iter()
        .map(|sink| borrowed(&sink.properties))
        .collect();
    let sinks: Vec<_> = setup
        .sinks
        .iter()
        .zip(&carried)
        .map(|(sink, properties)| sink_selector::Sink {
            name: &sink.name,
            kind: &sink.kind,
            properties,
        })
        .collect();
    let properties = borrowed(&setup.properties);
    let setup = sink_selector::Setup {
        properties: &properties,
        sinks: &sinks,
        seed: setup.seed,
    };
    let answer = guest.call_configure(store, setup)?;
    let needs = |needs: sink_selector::Needs| Needs {
        headers: needs.headers,
        bodies: Bodies::None,
    };
    Ok(answer.map(needs).map_err(problems))
}

/// Configures an interceptor; the inner error is the policy's own message.
pub(super) fn interceptor(
    guest: &interceptor::Guest,
    store: &mut Store<Host>,
    setup: &InterceptorSetup,
) -> wasmtime::Result<Result<Needs, Vec<Problem>>> {
    let properties = borrowed(&setup.properties);
    let setup = interceptor::Setup {
        properties: &properties,
        seed: setup.seed,
    };
    let answer = guest.call_configure(store, setup)?;
    let needs = |projection: interceptor::Projection| Needs {
        headers: projection.headers,
        bodies: match projection.bodies {
            types::BodyProjection::None => Bodies::None,
            types::BodyProjection::Length => Bodies::Length,
            types::BodyProjection::Prefix(most) => {
                Bodies::Prefix(usize::try_from(most).unwrap_or(usize::MAX))
            }
            types::BodyProjection::Whole => Bodies::Whole,
        },
    };
    Ok(answer.map(needs).map_err(problems))
}

fn borrowed(properties: &Properties) -> Vec<types::Property<'_>> {
    properties
        .iter()
        .map(|(key, value)| types::Property { key, value })
        .collect()
}

fn problems(errors: Vec<types::ConfigError>) -> Vec<Problem> {
    let problem = |error| match error {
        types::ConfigError::MissingKey(key) => Problem::MissingKey(key),
        types::ConfigError::UnknownKey(key) => Problem::UnknownKey(key),
        types::ConfigError::Other(words) => Problem::Other(words),
        types::ConfigError::BadValue(types::BadValue { key, expected }) => {
            Problem::BadValue { key, expected }
        }
    };
    let short = |problem| match problem {
        Problem::MissingKey(key) => Problem::MissingKey(cut(&key).into_owned()),
        Problem::UnknownKey(key) => Problem::UnknownKey(cut(&key).into_owned()),
        Problem::Other(words) => Problem::Other(cut(&words).into_owned()),
        Problem::BadValue { key, expected } => Problem::BadValue {
            key: cut(&key).into_owned(),
            expected: cut(&expected).into_owned(),
        },
    };
    let more = errors.len().saturating_sub(MOST_PROBLEMS);
    let shown = errors.into_iter().take(MOST_PROBLEMS).map(problem);
    let more = (more > 0).then(|| Problem::Other(format!("and {more} more problems")));
    shown.map(short).chain(more).collect()
}
