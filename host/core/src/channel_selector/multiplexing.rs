//! The multiplexing selector: the value of one header decides.
//!
//! | header | required | optional |
//! |---|---|---|
//! | mapped value | its mapping | its optional channels, less those of the mapping |
//! | other value | `default` | its optional channels, less those of `default` |
//! | absent or blank | `default` | none |
//!
//! Values are compared exactly. As in Flume, without `default` an event that is not mapped goes
//! nowhere and is still acknowledged; here `check` warns about that.

use std::collections::HashMap;

use super::{ChannelIndex, ChannelSelector, Selection, channel_list};
use crate::context::Context;
use crate::diagnostic::Code;
use crate::event::Event;
use crate::recipe::Recipe;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "multiplexing",
    "org.apache.flume.channel.MultiplexingChannelSelector",
];

/// Channels by the value of a header.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiplexingSelector {
    header: String,
    routes: HashMap<String, Route>,
    /// The required channels of events that have no route.
    default: Vec<ChannelIndex>,
}

#[derive(Debug, Clone, PartialEq)]
struct Route {
    required: Vec<ChannelIndex>,
    optional: Vec<ChannelIndex>,
}

/// Reads `header` (`flume.selector.header`), and the lists of channels `mapping.<value>`,
/// `optional.<value>` and `default`.
pub fn configure(
    context: &mut Context,
    channels: &[String],
) -> Option<Recipe<dyn ChannelSelector>> {
    let header = context.string("header", "flume.selector.header");
    let default = channel_list(context, "default", channels);
    let mapping = lists(context, "mapping.", channels);
    let optional = lists(context, "optional.", channels);
    for value in mapping.iter().flatten().filter(|(_, list)| list.is_empty()) {
        let key = format!("mapping.{}", value.0);
        let message = format!("`{}.{key}` lists no channel", context.path());
        context.error(
            &key,
            Code::BadValue,
            message,
            "name a channel, or remove the key",
        );
    }
    let (default, mapping, optional) = (default?, mapping?, optional?);
    if mapping.iter().any(|(_, list)| list.is_empty()) {
        return None;
    }
    if default.is_empty() {
        let path = context.path();
        let message = format!("`{path}` discards events whose header `{header}` it does not map");
        let help = format!("name channels for them: `{path}.default = …`");
        context.error("header", Code::EventsDiscarded, message, &help);
    }
    let mut routes: HashMap<String, Route> = HashMap::new();
    for (value, required) in mapping {
        routes.insert(
            value,
            Route {
                required,
                optional: Vec::new(),
            },
        );
    }
    for (value, optional) in optional {
        let route = routes.entry(value).or_insert_with(|| Route {
            required: default.clone(),
            optional: Vec::new(),
        });
        route.optional = optional;
        route
            .optional
            .retain(|channel| !route.required.contains(channel));
    }
    let selector = MultiplexingSelector {
        header,
        routes,
        default,
    };
    Some(Recipe::<dyn ChannelSelector>::new(selector, |selector| {
        Box::new(selector.clone())
    }))
}

impl ChannelSelector for MultiplexingSelector {
    fn select(&self, event: &Event) -> Selection<'_> {
        let value = event.headers.get(&self.header);
        let value = value.filter(|value| !value.trim().is_empty());
        match value.and_then(|value| self.routes.get(&**value)) {
            Some(route) => Selection {
                required: &route.required,
                optional: &route.optional,
            },
            None => Selection {
                required: &self.default,
                optional: &[],
            },
        }
    }

    fn is_uniform(&self) -> bool {
        self.routes.is_empty()
    }

    fn requires(&self, channel: ChannelIndex) -> bool {
        let routes = self.routes.values().map(|route| &route.required);
        let mut all = routes.chain([&self.default]);
        all.any(|required| required.contains(&channel))
    }
}

/// The lists of all keys with this prefix, by the rest of the key. `None` if one of them names an
/// unknown channel.
fn lists(
    context: &mut Context,
    prefix: &str,
    channels: &[String],
) -> Option<Vec<(String, Vec<ChannelIndex>)>> {
    let values: Vec<String> = context
        .iter()
        .filter_map(|(key, _)| key.strip_prefix(prefix))
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect();
    // All lists are read before returning, so that every unknown name is reported.
    let lists: Vec<_> = values
        .into_iter()
        .map(|value| {
            let list = channel_list(context, &format!("{prefix}{value}"), channels);
            Some((value, list?))
        })
        .collect();
    lists.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels() -> Vec<String> {
        ["ch1", "ch2", "ch3"].map(str::to_owned).to_vec()
    }

    /// The selection for a header `myHeader` with each of these values; `None` is no header.
    fn check(keys: &[(&str, &str)], cases: &[(Option<&str>, &[usize], &[usize])]) {
        let mut context = Context::of("r1.selector", keys);
        let selector = configure(&mut context, &channels()).unwrap().make();
        assert!(!context.has_errors());
        for (value, required, optional) in cases {
            let mut event = Event::new("x").with_header("other", "foo");
            if let Some(value) = *value {
                event = event.with_header("myHeader", value);
            }
            let expected = Selection { required, optional };
            assert_eq!(selector.select(&event), expected, "{value:?}");
        }
    }

    /// Flume: TestMultiplexingChannelSelector.testSelection (C2).
    #[test]
    fn mapped_values_give_their_channels_in_order() {
        check(
            &[
                ("header", "myHeader"),
                ("mapping.foo", "ch1 ch2"),
                ("mapping.bar", "ch2\t ch3"),
                ("mapping.xyz", "ch1 ch2 ch3 ch1"),
                ("optional.foo", "ch1 ch3"),
                ("optional.zebra", "ch1 ch2"),
                ("default", "ch1 ch3"),
            ],
            &[
                (Some("foo"), &[0, 1], &[2]),
                (Some("bar"), &[1, 2], &[]),
                (Some("xyz"), &[0, 1, 2], &[]),
                (Some("zebra"), &[0, 2], &[1]),
            ],
        );
    }

    /// Flume: TestMultiplexingChannelSelector.testNoSelection (C2).
    #[test]
    fn what_is_not_mapped_goes_to_the_default() {
        check(
            &[
                ("header", "myHeader"),
                ("mapping.foo", "ch1"),
                ("default", "ch3 ch2"),
            ],
            &[
                (None, &[2, 1], &[]),
                (Some(""), &[2, 1], &[]),
                (Some(" \t"), &[2, 1], &[]),
                (Some("Foo"), &[2, 1], &[]),
                (Some("foo "), &[2, 1], &[]),
            ],
        );
    }

    /// Flume: TestMultiplexingChannelSelector.testNoDefault (C2).
    #[test]
    fn without_a_default_other_events_go_nowhere_with_a_warning() {
        let keys = [
            ("header", "myHeader"),
            ("mapping.foo", "ch1"),
            ("optional.bar", "ch2 ch3"),
        ];
        check(
            &keys,
            &[
                (None, &[], &[]),
                (Some("zebra"), &[], &[]),
                (Some("bar"), &[], &[1, 2]),
            ],
        );
        let mut context = Context::of("r1.selector", &keys);
        configure(&mut context, &channels()).unwrap();
        let codes: Vec<Code> = context.finish().into_iter().map(|d| d.code).collect();
        assert_eq!(codes, [Code::EventsDiscarded]);
    }

    /// Flume: TestMultiplexingChannelSelector.testNoMandatory (C2).
    #[test]
    fn optional_channels_of_unmapped_values_are_less_the_default() {
        check(
            &[
                ("header", "myHeader"),
                ("default", "ch3"),
                ("optional.foo", "ch2 ch3"),
                ("optional.bar", "ch1"),
            ],
            &[
                (Some("foo"), &[2], &[1]),
                (Some("bar"), &[2], &[0]),
                (None, &[2], &[]),
            ],
        );
    }

    /// Flume: TestMultiplexingChannelSelector.testOnlyOptional (C2).
    #[test]
    fn only_optional_channels() {
        check(
            &[
                ("header", "myHeader"),
                ("optional.foo", "ch2 ch3"),
                ("optional.bar", "ch1"),
            ],
            &[
                (Some("foo"), &[], &[1, 2]),
                (Some("bar"), &[], &[0]),
                (Some("x"), &[], &[]),
            ],
        );
    }

    #[test]
    fn the_header_has_a_default_name() {
        let keys = [("mapping.a.b", "ch2"), ("default", "ch1")];
        let mut context = Context::of("r1.selector", &keys);
        let selector = configure(&mut context, &channels()).unwrap().make();
        let event = Event::new("x").with_header("flume.selector.header", "a.b");
        assert_eq!(selector.select(&event).required, [1]);
    }

    #[test]
    fn every_unknown_channel_is_reported() {
        let keys = [
            ("default", "no1"),
            ("mapping.a", "ch1 no2"),
            ("mapping.b", "no3"),
            ("mapping.c", ""),
            ("optional.a", "no4"),
        ];
        let mut context = Context::of("r1.selector", &keys);
        assert!(configure(&mut context, &channels()).is_none());
        let found = context.finish();
        let unknown = found
            .iter()
            .filter(|d| d.code == Code::UnknownChannel)
            .count();
        assert_eq!(unknown, 4, "{found:?}");
    }

    #[test]
    fn an_empty_mapping_is_refused() {
        let keys = [("default", "ch1"), ("mapping.a", "")];
        let mut context = Context::of("r1.selector", &keys);
        assert!(configure(&mut context, &channels()).is_none());
        let codes: Vec<Code> = context.finish().into_iter().map(|d| d.code).collect();
        assert_eq!(codes, [Code::BadValue]);
    }
}
