//! The timestamp interceptor: the time at which a batch came in, in ms since the epoch.

use bytestring::ByteString;
use flume_core::clock::WallClock;
use flume_core::{Batch, Context, Interceptor, InterceptorError, Recipe};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "timestamp",
    "org.apache.flume.interceptor.TimestampInterceptor$Builder",
];

/// Sets one header to the present time.
#[derive(Debug)]
pub struct TimestampInterceptor {
    name: String,
    header: ByteString,
    preserve: bool,
    wall: WallClock,
}

/// Reads `preserveExisting` (false) and `headerName` (`timestamp`), which Flume's guide calls
/// `header`.
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Interceptor>> {
    let key = context.spelling(&["headerName", "header"]);
    let settings = (
        context.name().to_owned(),
        ByteString::from(context.string(key, "timestamp")),
        context.flag("preserveExisting", false),
    );
    let wall = services.wall.clone();
    Some(Recipe::<dyn Interceptor>::new(settings, move |settings| {
        let (name, header, preserve) = settings.clone();
        Box::new(TimestampInterceptor {
            name,
            header,
            preserve,
            wall: wall.clone(),
        })
    }))
}

impl Interceptor for TimestampInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let now = ByteString::from(self.wall.millis().to_string());
        super::set_header(batch, &self.header, &now, self.preserve);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use crate::interceptor::tests::{header, intercept};

    /// Flume: TimestampInterceptorTest.testBasic, testPreserve, testClobber, testCustomHeader (I1).
    #[test]
    fn the_time_is_set() {
        let old = || Event::new("x").with_header("timestamp", "1");
        for (keys, event, name, value) in [
            (&[][..], Event::new("x"), "timestamp", "1700000000123"),
            (&[("preserveExisting", "true")], old(), "timestamp", "1"),
            (
                &[("preserveExisting", "true")],
                Event::new("x"),
                "timestamp",
                "1700000000123",
            ),
            (
                &[("preserveExisting", "false")],
                old(),
                "timestamp",
                "1700000000123",
            ),
            (&[("headerName", "at")], old(), "at", "1700000000123"),
            (&[("headerName", "at")], old(), "timestamp", "1"),
            (&[("header", "at")], old(), "at", "1700000000123"),
        ] {
            let event = intercept("timestamp", keys, event).unwrap();
            assert_eq!(header(&event, name), Some(value), "{keys:?}");
        }
    }
}
