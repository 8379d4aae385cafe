//! The native interceptors, one file each.
//!
//! None of them sets a header without a value.

use bytestring::ByteString;
use flume_core::{Batch, Interceptor, Recipe, Registry, Type};

use crate::component::Configure;

mod java_regex;

pub mod host;
pub mod regex_extractor;
pub mod regex_filter;
pub mod remove_header;
pub mod search_replace;
pub mod static_header;
pub mod timestamp;
pub mod uuid;

/// The types of interceptors.
pub static TYPES: Registry<Configure<Recipe<dyn Interceptor>>> = Registry {
    kind: "interceptor",
    types: &[
        Type::new(timestamp::NAMES, timestamp::configure),
        Type::new(host::NAMES, host::configure),
        Type::new(static_header::NAMES, static_header::configure),
        Type::new(uuid::NAMES, uuid::configure),
        Type::new(regex_filter::NAMES, regex_filter::configure),
        Type::new(regex_extractor::NAMES, regex_extractor::configure),
        Type::new(search_replace::NAMES, search_replace::configure),
        Type::new(remove_header::NAMES, remove_header::configure),
    ],
    elsewhere: &["morphline"],
    left_out: &[],
};

/// Sets a header of every event, or of those without it.
fn set_header(batch: &mut Batch, name: &ByteString, value: &ByteString, preserve: bool) {
    for event in batch.events_mut() {
        if !(preserve && event.headers.contains(name)) {
            event.headers.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    //! What the tests of all interceptors share: from keys to an edited event.

    use flume_core::clock::WallClock;
    use flume_core::{Context, Event, InterceptorError, Severity};

    use super::*;
    use crate::services::{Resolver, Services};

    fn configure(kind: &str, context: &mut Context) -> Option<Recipe<dyn Interceptor>> {
        let mut services = Services::system(Resolver::default());
        services.wall = WallClock::fixed(1_700_000_000_123);
        (TYPES.find(kind).unwrap().configure)(context, &services)
    }

    /// What an interceptor makes of an event; `None` if it drops it.
    pub(super) fn try_intercept(
        kind: &str,
        keys: &[(&str, &str)],
        event: Event,
    ) -> Result<Option<Event>, InterceptorError> {
        let mut context = Context::of("a1.sources.r1.interceptors.i1", keys);
        let interceptor = configure(kind, &mut context);
        let found = context.finish();
        assert!(found.is_empty(), "{found:?}");
        let mut batch = Batch::new(vec![event]);
        interceptor.unwrap().make().intercept(&mut batch)?;
        match batch.refused() {
            [] => Ok(batch.into_events().pop()),
            [(_, error), ..] => Err(error.clone()),
        }
    }

    /// The same for one that does not fail.
    pub(super) fn intercept(kind: &str, keys: &[(&str, &str)], event: Event) -> Option<Event> {
        try_intercept(kind, keys, event).unwrap()
    }

    /// Whether these keys give no interceptor and one error, which contains these words.
    pub(super) fn finds(kind: &str, keys: &[(&str, &str)], words: &str) -> bool {
        let mut context = Context::of("a1.sources.r1.interceptors.i1", keys);
        assert!(configure(kind, &mut context).is_none());
        let found = context.finish();
        assert!(
            found
                .iter()
                .all(|finding| finding.severity == Severity::Error),
            "{found:?}"
        );
        found.len() == 1 && found.iter().all(|finding| finding.message.contains(words))
    }

    pub(super) fn header<'e>(event: &'e Event, name: &str) -> Option<&'e str> {
        event.headers.get(name).map(|value| &**value)
    }

    #[test]
    fn every_interceptor_has_its_class_name() {
        for kind in TYPES.types {
            let [alias, class] = kind.names else {
                panic!("{:?}", kind.names)
            };
            assert!(
                class.starts_with("org.apache.flume.") && class.ends_with("Interceptor$Builder")
            );
            assert!(TYPES.find(&alias.to_uppercase()).is_some());
        }
        assert_eq!(TYPES.types.len(), 8);
    }
}
