//! The timestamp interceptor: the time at which a batch came in, in ms since the epoch.

use bytestring::ByteString;
use flume_core::clock::WallClock;
use flume_core::{Batch, Context, Interceptor, InterceptorError};

use crate::services::Services;

/// Sets one header to the present.
#[derive(Debug)]
pub struct TimestampInterceptor {
    name: String,
    header: ByteString,
    preserve: bool,
    wall: WallClock,
}

/// Reads `preserveExisting` (false) and `headerName` (`timestamp`), which Flume's guide calls
/// `header`.
pub fn configure(context: &mut Context, services: &Services) -> Option<Box<dyn Interceptor>> {
    let key = context.spelling(&["headerName", "header"]);
    Some(Box::new(TimestampInterceptor {
        name: context.name().to_owned(),
        header: context.string(key, "timestamp").into(),
        preserve: context.flag("preserveExisting", false),
        wall: services.wall.clone(),
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
            (&[("preserveExisting", "true")], Event::new("x"), "timestamp", "1700000000123"),
            (&[("preserveExisting", "false")], old(), "timestamp", "1700000000123"),
            (&[("headerName", "at")], old(), "at", "1700000000123"),
            (&[("headerName", "at")], old(), "timestamp", "1"),
            (&[("header", "at")], old(), "at", "1700000000123"),
        ] {
            let event = intercept("timestamp", keys, event).unwrap();
            assert_eq!(header(&event, name), Some(value), "{keys:?}");
        }
    }
}
