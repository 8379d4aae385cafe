//! An interceptor that counts how often each event passes it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::interceptor::{Batch, Interceptor, InterceptorError};

/// Counts events by their bodies, and leaves them as they are. Copies count together.
#[derive(Debug, Clone, Default)]
pub struct Witness(Arc<Mutex<HashMap<Bytes, usize>>>);

impl Witness {
    /// How many different bodies it has seen.
    pub fn seen(&self) -> usize {
        self.0.lock().len()
    }

    /// How often it has seen the body that it saw most often.
    pub fn most(&self) -> usize {
        self.0.lock().values().copied().max().unwrap_or(0)
    }
}

impl Interceptor for Witness {
    fn name(&self) -> &str {
        "witness"
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let mut seen = self.0.lock();
        for event in batch.events() {
            *seen.entry(event.body.clone()).or_default() += 1;
        }
        Ok(())
    }
}
