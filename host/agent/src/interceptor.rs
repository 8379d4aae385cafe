//! The native interceptors, one file each.
//!
//! None of them sets a header to nothing: what has no value is left out.

use bytestring::ByteString;
use flume_core::{Batch, Interceptor};

mod java_regex;

components! {
    Box<dyn Interceptor>:
    "timestamp" | "org.apache.flume.interceptor.TimestampInterceptor$Builder" => timestamp,
    "host" | "org.apache.flume.interceptor.HostInterceptor$Builder" => host,
    "static" | "org.apache.flume.interceptor.StaticInterceptor$Builder" => static_header,
    "uuid" | "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder" => uuid,
    "regex_filter" | "org.apache.flume.interceptor.RegexFilteringInterceptor$Builder" => regex_filter,
    "regex_extractor" | "org.apache.flume.interceptor.RegexExtractorInterceptor$Builder" => regex_extractor,
    "search_replace" | "org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder" => search_replace,
    "remove_header" | "org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder" => remove_header,
}

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
    use crate::component;
    use crate::services::{Resolver, Services};

    fn configure(kind: &str, context: &mut Context) -> Option<Box<dyn Interceptor>> {
        let mut services = Services::system(Resolver::default());
        services.wall = WallClock::fixed(1_700_000_000_123);
        (component::find(COMPONENTS, kind).unwrap().configure)(context, &services)
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
        interceptor.unwrap().intercept(&mut batch)?;
        Ok(batch.into_events().pop())
    }

    /// The same for one that does not fail.
    pub(super) fn intercept(kind: &str, keys: &[(&str, &str)], event: Event) -> Option<Event> {
        try_intercept(kind, keys, event).unwrap()
    }

    /// Whether these keys give no interceptor, and one error, with these words.
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
        for component in COMPONENTS {
            let [alias, class] = component.names else {
                panic!("{:?}", component.names)
            };
            assert!(
                class.starts_with("org.apache.flume.") && class.ends_with("Interceptor$Builder")
            );
            assert!(component::find(COMPONENTS, &alias.to_uppercase()).is_some());
        }
        assert_eq!(COMPONENTS.len(), 8);
    }
}
