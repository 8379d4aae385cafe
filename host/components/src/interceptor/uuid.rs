//! The UUID interceptor: a random identifier for each event.

use bytestring::ByteString;
use flume_core::{Batch, Context, Interceptor, InterceptorError, Recipe};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &[
    "uuid",
    "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder",
];

/// Sets one header to a random UUID (version 4) after a prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct UuidInterceptor {
    name: String,
    header: ByteString,
    prefix: String,
    preserve: bool,
}

/// Reads `headerName` (`id`), `preserveExisting` (true) and `prefix` (empty).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Interceptor>> {
    let interceptor = UuidInterceptor {
        name: context.name().to_owned(),
        header: context.string("headerName", "id").into(),
        prefix: context.string("prefix", ""),
        preserve: context.flag("preserveExisting", true),
    };
    Some(Recipe::<dyn Interceptor>::new(interceptor, |interceptor| {
        Box::new(interceptor.clone())
    }))
}

impl Interceptor for UuidInterceptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        for event in batch.events_mut() {
            if !(self.preserve && event.headers.contains(&self.header)) {
                let id = format!("{}{}", self.prefix, ::uuid::Uuid::new_v4());
                event.headers.insert(self.header.clone(), id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flume_core::Event;

    use crate::interceptor::tests::{header, intercept};

    /// Flume: TestUUIDInterceptor.testBasic, testPreserveExisting, testPrefix (I4).
    #[test]
    fn an_identifier_is_set() {
        let class = "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder";
        let once = intercept(class, &[], Event::new("x")).unwrap();
        let id = header(&once, "id").unwrap();
        assert_eq!(::uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
        let other = intercept("uuid", &[], Event::new("x")).unwrap();
        assert_ne!(header(&other, "id"), Some(id));
        let again = intercept("uuid", &[], once.clone()).unwrap();
        assert_eq!(again, once);
        let keys = [
            ("prefix", "p-"),
            ("headerName", "id"),
            ("preserveExisting", "false"),
        ];
        let prefixed = intercept("uuid", &keys, once.clone()).unwrap();
        let id = header(&prefixed, "id").unwrap().strip_prefix("p-").unwrap();
        assert!(::uuid::Uuid::parse_str(id).is_ok());
    }
}
