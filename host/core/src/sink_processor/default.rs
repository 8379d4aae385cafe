//! The default processor: one sink, passed through.
//!
//! It exists so that a sink without a group and a group of one run through the same runner.

use std::collections::VecDeque;

use super::{Call, Outcome, SinkIndex, SinkProcessor, SinkState, Verdict};
use crate::clock::Instant;
use crate::context::Context;
use crate::diagnostic::Code;

/// Tries its only sink, whatever happened before.
#[derive(Debug, Default)]
pub struct DefaultProcessor {
    calls: u64,
}

impl DefaultProcessor {
    /// Reads no keys. `None` if the group does not have exactly one sink.
    pub fn configure(context: &mut Context, sinks: &[String]) -> Option<Self> {
        if sinks.len() == 1 {
            return Some(Self::default());
        }
        let message = format!(
            "`{}` of type `default` needs exactly one sink, its group has {}",
            context.path(),
            sinks.len()
        );
        let help = "with several sinks use the type `failover` or `load_balance`";
        context.error("type", Code::GroupSize, message, help);
        None
    }
}

impl SinkProcessor for DefaultProcessor {
    fn begin(&mut self, now: Instant) -> Call {
        self.calls += 1;
        Call::new(now, self.calls, VecDeque::from([0]))
    }

    fn next(&mut self, call: &mut Call) -> Option<SinkIndex> {
        let sink = call.order.pop_front()?;
        call.tried.push(sink);
        Some(sink)
    }

    fn report(&mut self, _: &mut Call, _: SinkIndex, outcome: Outcome, _: Instant) -> Verdict {
        match outcome {
            Outcome::Returned(status) => Verdict::Return(status),
            Outcome::Failed => Verdict::Continue,
        }
    }

    fn exhausted(&self) -> &'static str {
        "The sink failed to process"
    }

    fn states(&self, _: Instant) -> Vec<SinkState> {
        vec![SinkState::Live]
    }
}
