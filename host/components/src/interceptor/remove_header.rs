//! The remove_header interceptor: by name, by list, and by pattern, all at once if wanted.

use std::collections::BTreeSet;

use flume_core::{Batch, Context, Event, Interceptor, InterceptorError, Recipe};

use super::java_regex::JavaRegex;
use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "remove_header",
    "org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder",
];

/// Removes headers by their names.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoveHeaderInterceptor {
    name: String,
    names: BTreeSet<String>,
    matching: Option<JavaRegex>,
}

/// Reads `withName`, `fromList` with `fromListSeparator` (a pattern, `\s*,\s*`), and `matching` (a
/// pattern for the whole name). Without any of them nothing is removed.
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Interceptor>> {
    let mut names: BTreeSet<String> = context.optional("withName").into_iter().collect();
    let list = context.optional("fromList");
    let separator = context.string("fromListSeparator", r"\s*,\s*");
    let separator = JavaRegex::or_report(JavaRegex::new(&separator), context, "fromListSeparator");
    let matching = context.optional("matching");
    let matching = match matching {
        None => None,
        Some(pattern) => Some(JavaRegex::or_report(
            JavaRegex::whole(&pattern),
            context,
            "matching",
        )?),
    };
    let separator = separator?;
    if let Some(list) = list {
        names.extend(separator.split(&list).ok()?.into_iter().map(str::to_owned));
    }
    let name = context.name().to_owned();
    let interceptor = RemoveHeaderInterceptor {
        name,
        names,
        matching,
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

impl Interceptor for RemoveHeaderInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        batch.try_edit(|event| self.strip(event));
        Ok(())
    }
}

impl RemoveHeaderInterceptor {
    fn strip(&self, event: &mut Event) -> Result<(), InterceptorError> {
        let mut failed = None;
        event.headers.retain(|name, _| {
            if self.names.contains(name) {
                return false;
            }
            let Some(matching) = &self.matching else {
                return true;
            };
            matching.is_found(name).map_or_else(
                |error| {
                    failed = Some(error);
                    true
                },
                |matches| !matches,
            )
        });
        failed.map_or(Ok(()), |error| Err(error.of(&self.name)))
    }
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use crate::interceptor::tests::{finds, intercept};

    /// The names of the headers that are left of these.
    fn left<'n>(keys: &[(&str, &str)], names: &[&'n str]) -> Vec<&'n str> {
        let mut event = Event::new("x");
        for name in names {
            event.headers.insert(*name, "value");
        }
        let event = intercept("remove_header", keys, event).unwrap();
        names
            .iter()
            .filter(|name| event.headers.contains(name))
            .copied()
            .collect()
    }

    /// Flume: RemoveHeaderInterceptorTest.testWithName, testFromListWithDefaultSeparator1 and 2,
    /// testFromListWithCustomSeparator1 and 2, testMatchRegex, testAll (I9).
    #[test]
    fn headers_are_removed() {
        let names = [
            "my-header10",
            "my-header11",
            "my-header12",
            "my-header2",
            "other",
        ];
        let expect = |keys: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(left(keys, &names), expected, "{keys:?}");
        };
        expect(&[], &names);
        expect(&[("withName", "my-header10")], &names[1..]);
        expect(&[("fromList", "my-header10;my-header11")], &names);
        expect(
            &[("fromList", "my-header10, my-header11 ,none")],
            &names[2..],
        );
        let semicolons = ("fromListSeparator", ";");
        expect(
            &[("fromList", "my-header10;my-header11"), semicolons],
            &names[2..],
        );
        expect(
            &[("fromList", "my-header10, my-header11"), semicolons],
            &names,
        );
        expect(&[("matching", "my-header1.*")], &names[3..]);
        expect(&[("matching", "header")], &names);
        let all = [
            ("withName", "other"),
            ("fromList", "my-header2"),
            ("matching", "my-header1."),
        ];
        expect(&all, &[]);
        assert_eq!(left(&all, &[]), [""; 0], "an event without headers");
    }

    /// Flume: RemoveHeaderInterceptorTest.testBadConfig (I9).
    #[test]
    fn bad_patterns_are_findings() {
        let separator = [("fromList", "a"), ("fromListSeparator", "(")];
        assert!(finds(
            "remove_header",
            &separator,
            "`a1.sources.r1.interceptors.i1.fromListSeparator`"
        ));
        assert!(finds(
            "remove_header",
            &[("matching", "[")],
            "is not a valid regular expression"
        ));
    }
}
