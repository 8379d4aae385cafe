//! The static interceptor: one header with one value.

use bytestring::ByteString;
use flume_core::{Batch, Context, Interceptor, InterceptorError, Recipe};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "static",
    "org.apache.flume.interceptor.StaticInterceptor$Builder",
];

/// Sets one header to what the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticInterceptor {
    name: String,
    header: ByteString,
    value: ByteString,
    preserve: bool,
}

/// Reads `key` (`key`), `value` (`value`) and `preserveExisting` (true).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Interceptor>> {
    let interceptor = StaticInterceptor {
        name: context.name().to_owned(),
        header: context.string("key", "key").into(),
        value: context.string("value", "value").into(),
        preserve: context.flag("preserveExisting", true),
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

impl Interceptor for StaticInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        super::set_header(batch, &self.header, &self.value, self.preserve);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use crate::interceptor::tests::{header, intercept};

    /// Flume: TestStaticInterceptor.testDefaultKeyValue, testCustomKeyValue, testReplace,
    /// testPreserve (I3).
    #[test]
    fn the_value_is_set() {
        let old = || Event::new("x").with_header("myKey", "old");
        let mine = [("key", "myKey"), ("value", "myVal")];
        let with = |preserve| [mine[0], mine[1], ("preserveExisting", preserve)];
        for (keys, event, name, value) in [
            (&[][..], Event::new("x"), "key", "value"),
            (&mine, Event::new("x"), "myKey", "myVal"),
            (&with("false"), old(), "myKey", "myVal"),
            (&with("true"), old(), "myKey", "old"),
            (&mine, old(), "myKey", "old"),
        ] {
            let event = intercept("static", keys, event).unwrap();
            assert_eq!(header(&event, name), Some(value), "{keys:?}");
        }
    }
}
