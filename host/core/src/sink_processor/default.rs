//! The default processor: one sink, passed through.
//!
//! It exists so that a sink without a group and a group of one use the same runner.

use std::collections::VecDeque;

use super::{
    Abilities, Call, Group, Outcome, ProcessorKeys, ProcessorRecipe, SinkProcessor, Verdict,
};
use crate::clock::Instant;
use crate::context::Context;
use crate::diagnostic::Code;
use crate::recipe::Recipe;
use crate::sink_group::{SinkIndex, SinkState};

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["default", "org.apache.flume.sink.DefaultSinkProcessor"];

/// It has no keys.
pub const ABILITIES: Abilities = Abilities {
    mirrors: false,
    selects: false,
    pipelines: true,
    spares: false,
    own_keys: &[],
};

/// Reads no keys. Returns no recipe unless the group has exactly one sink.
pub fn configure(context: &mut Context, group: &Group) -> ProcessorKeys {
    let sinks = group.sinks.len();
    if sinks == 1 {
        return ProcessorKeys::of(single());
    }
    let message = format!(
        "`{}` of type `default` needs exactly one sink, its group has {sinks}",
        context.path(),
    );
    let help = "with several sinks use the type `failover` or `load_balance`";
    context.error("type", Code::GroupSize, message, help);
    ProcessorKeys::default()
}

/// The processor of a sink that is in no group.
pub fn single() -> ProcessorRecipe {
    let processor = Recipe::<dyn SinkProcessor>::new((), |()| Box::<DefaultProcessor>::default());
    ProcessorRecipe::plain(processor, &ABILITIES)
}

/// Tries its only sink, even after failures.
#[derive(Debug, Default)]
pub struct DefaultProcessor {
    calls: u64,
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
