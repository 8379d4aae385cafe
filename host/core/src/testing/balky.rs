//! An interceptor that refuses events: some for good, or all for now while it rests.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::interceptor::{Batch, Interceptor, InterceptorError};

/// Refuses certain bodies for good. While it rests it refuses for now what comes behind the first
/// events of a batch, as a policy does whose budget ends in the middle of one.
#[derive(Debug, Clone, Default)]
pub struct Balky {
    never: Vec<&'static str>,
    rests_from: Arc<Mutex<Option<usize>>>,
}

impl Balky {
    /// One that works, and never takes these bodies.
    pub fn never(bodies: &[&'static str]) -> Self {
        Self {
            never: bodies.to_vec(),
            ..Self::default()
        }
    }

    /// How many events of each batch it still takes; `None` if it works.
    pub fn rest_from(&self, place: Option<usize>) {
        *self.rests_from.lock() = place;
    }
}

impl Interceptor for Balky {
    fn name(&self) -> &str {
        "balky"
    }

    fn intercept(&self, batch: &mut Batch) -> Result<(), InterceptorError> {
        let rests_from = *self.rests_from.lock();
        let mut place = 0;
        batch.try_edit(|event| {
            place += 1;
            if rests_from.is_some_and(|from| place > from) {
                return Err(InterceptorError::later("balky", "it rests"));
            }
            match self.never.iter().any(|body| event.body == *body) {
                true => Err(InterceptorError::never("balky", "not this one")),
                false => Ok(()),
            }
        });
        Ok(())
    }
}
