//! Hostile: panics at bodies that contain `poison`.

use flume_policy_sdk::{
    Batch, Bodies, Interceptor, InterceptorSetup, Moment, Projection, export_interceptor,
};

/// Handles all other events.
#[derive(Debug)]
pub struct Trap;

impl Interceptor for Trap {
    fn configure(_: &mut InterceptorSetup) -> Self {
        Self
    }

    fn projection(&self) -> Projection {
        Projection::default().with(Bodies::Whole)
    }

    fn intercept(&mut self, _: Moment, batch: &Batch) {
        for event in batch {
            let is_poison = event.body().windows(6).any(|word| word == b"poison");
            assert!(!is_poison, "event {} is poison", event.place());
            event.set_header("seen", "yes");
        }
    }
}

export_interceptor!(Trap);
