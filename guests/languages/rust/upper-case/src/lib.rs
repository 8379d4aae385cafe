//! Writes the value of the header `header` in capital letters (A to Z).

use flume_policy_sdk::{
    Batch, Interceptor, InterceptorSetup, Moment, Projection, export_interceptor, log,
};

/// Edits one header.
#[derive(Debug)]
pub struct UpperCase {
    header: String,
}

impl Interceptor for UpperCase {
    fn configure(setup: &mut InterceptorSetup) -> Self {
        let header = setup.properties.required("header");
        log::info(&format!("upper-case edits the header {header}"));
        Self { header }
    }

    fn projection(&self) -> Projection {
        Projection::headers([&*self.header])
    }

    fn intercept(&mut self, _: Moment, batch: &Batch) {
        for event in batch {
            if let Some(value) = event.header(&self.header) {
                event.set_header(&self.header, &value.to_ascii_uppercase());
            }
        }
    }
}

export_interceptor!(UpperCase);

#[cfg(test)]
mod tests {
    use super::*;
    use flume_policy_sdk::testing::{event, intercept, interceptor};

    #[test]
    fn values_get_capital_letters() {
        let mut policy = interceptor::<UpperCase>(&[("header", "h")]).unwrap();
        let events = [event(&[("h", "Straße 1")], ""), event(&[], "")];
        let left = intercept(&mut policy, &events);
        assert_eq!(left, [event(&[("h", "STRAßE 1")], ""), event(&[], "")]);
    }

    #[test]
    fn the_header_must_be_named() {
        assert_eq!(interceptor::<UpperCase>(&[]).unwrap_err().len(), 1);
    }
}
