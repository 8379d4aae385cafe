//! The regex_filter interceptor: keeps or drops events by their body.
//!
//! The pattern is searched for anywhere in the body, which is read as UTF-8 with replacement
//! characters for what is malformed (Flume: in whatever charset the JVM has).

use flume_core::{Batch, Context, Interceptor, InterceptorError, Recipe};

use super::java_regex::JavaRegex;
use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "regex_filter",
    "org.apache.flume.interceptor.RegexFilteringInterceptor$Builder",
];

/// Drops the events in which a pattern is not found, or is.
#[derive(Debug, Clone, PartialEq)]
pub struct RegexFilteringInterceptor {
    name: String,
    regex: JavaRegex,
    exclude: bool,
}

/// Reads `regex` (`.*`) and `excludeEvents` (false).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Interceptor>> {
    let exclude = context.flag("excludeEvents", false);
    let pattern = context.string("regex", ".*");
    let regex = JavaRegex::or_report(JavaRegex::new(&pattern), context, "regex")?;
    let name = context.name().to_owned();
    let interceptor = RegexFilteringInterceptor {
        name,
        regex,
        exclude,
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

impl Interceptor for RegexFilteringInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        batch.try_retain(|event| {
            let found = self.regex.is_found(&String::from_utf8_lossy(&event.body));
            found
                .map(|found| found != self.exclude)
                .map_err(|error| error.of(&self.name))
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use crate::interceptor::tests::{finds, intercept};

    fn passes(keys: &[(&str, &str)], body: &'static str) -> bool {
        intercept("regex_filter", keys, Event::new(body)).is_some()
    }

    /// Flume: TestRegexFilteringInterceptor.testDefaultBehavior, testInclusion, testExclusion (I5).
    #[test]
    fn events_pass_by_their_body() {
        for body in ["INFO: x", "", "\r\n"] {
            assert!(passes(&[], body), "{body:?}");
        }
        let include = [
            ("regex", "(INFO.*)|(WARNING.*)"),
            ("excludeEvents", "false"),
        ];
        let exclude = [("regex", ".*DEBUG.*"), ("excludeEvents", "true")];
        for (body, included, not_excluded) in [
            ("INFO: started", true, true),
            ("at 12:00 WARNING: late", true, true),
            ("DEBUG: here", false, false),
            ("this is DEBUG", false, false),
            ("", false, true),
        ] {
            assert_eq!(passes(&include, body), included, "{body}");
            assert_eq!(passes(&exclude, body), not_excluded, "{body}");
        }
    }

    #[test]
    fn a_bad_pattern_is_a_finding() {
        assert!(finds(
            "regex_filter",
            &[("regex", "(INFO")],
            "is not a valid regular expression"
        ));
    }
}
