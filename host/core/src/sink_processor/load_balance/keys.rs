//! The keys of the load-balancing processor.

use super::{ABILITIES, LoadBalancingProcessor};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::recipe::Recipe;
use crate::sink_processor::{Group, ProcessorKeys, ProcessorRecipe, RecordPlan, SinkProcessor};
use crate::sink_selector::NativeSelector;

/// The most batches that a group may have in flight: few enough to fit into memory.
const MOST_PARALLEL: usize = 64;

/// Reads `parallelism` (1), `shadow`, the keys of a record, and `selector` (`round_robin`; or
/// `random`), `backoff` (false) and `selector.maxTimeOut` (ms, 30000). With a policy as selector,
/// `fallback` is read in its place. Returns no recipe for an unknown selector, a bad number, or
/// fewer than two sinks.
pub fn configure(context: &mut Context, group: &Group) -> ProcessorKeys {
    let sinks = group.sinks.len();
    let parallelism = parallelism(context, sinks);
    let shadow = context.value("shadow");
    let record = record(context);
    if !group.has_policy {
        without_policy(context);
    }
    let key = if group.has_policy {
        "fallback"
    } else {
        "selector"
    };
    let selector = NativeSelector::configure(context, key, sinks, group.seed);
    let selector = selector.filter(|_| has_enough(context, sinks));
    let recipe = selector.map(|selector| ProcessorRecipe {
        processor: Recipe::<dyn SinkProcessor>::new(
            (sinks, selector.clone()),
            |(sinks, selector)| Box::new(LoadBalancingProcessor::new(*sinks, selector.make())),
        ),
        selector: Some(selector),
        parallelism,
        pipelined: ABILITIES.pipelines,
        mirrored: false,
    });
    ProcessorKeys {
        recipe: recipe.filter(|_| record.is_some()),
        shadow,
        record: record.flatten(),
    }
}

fn parallelism(context: &mut Context, sinks: usize) -> usize {
    const KEY: &str = "parallelism";
    let parallelism = context.number_or_default(KEY, 1, 1..=MOST_PARALLEL);
    if parallelism > sinks.max(1)
        && let Some(value) = context.value(KEY)
    {
        let path = context.path();
        let message = format!("`{path}.{KEY}` is {parallelism}, and the group has {sinks} sinks");
        let found = Diagnostic::new(Code::OutOfRange, message);
        let mut found = found
            .at(&value.span, "more than the number of sinks")
            .help(format!(
                "each sink delivers one batch at a time: write {sinks}"
            ));
        found.severity = Severity::Warning;
        context.push(found);
    }
    parallelism
}

/// Reads `record`, `record.max-mib` (64), `record.files` (2) and `record.headers`. The inner `None`
/// means that the group is not recorded. On the outer one, the context has an error.
fn record(context: &mut Context) -> Option<Option<RecordPlan>> {
    let path = context.optional("record");
    let most = context.number("record.max-mib", 64_u64, 1..=1 << 20);
    let files = context.number("record.files", 2_usize, 1..=100);
    let headers = context.list("record.headers");
    let Some(path) = path else {
        for key in ["record.max-mib", "record.files", "record.headers"] {
            context.without_effect(key, "there is no `record`");
        }
        return Some(None);
    };
    Some(Some(RecordPlan {
        path: path.into(),
        most_bytes: most?.saturating_mul(1 << 20),
        files: files?,
        headers,
    }))
}

/// Leaves a note for keys about a policy that the group does not have: they have no effect.
fn without_policy(context: &mut Context) {
    let given: Vec<String> = context.iter().map(|(key, _)| key.to_owned()).collect();
    for key in given {
        if key.starts_with("policy.") {
            context.without_effect(&key, "only a policy as `selector` has limits");
        } else if key == "fallback" {
            context.without_effect(&key, "only a policy as `selector` needs one");
        }
    }
}

/// Whether there are at least two sinks. If not, the context has an error.
fn has_enough(context: &mut Context, sinks: usize) -> bool {
    if sinks >= 2 {
        return true;
    }
    let message = format!(
        "`{}` of type `load_balance` needs at least two sinks, its group has {sinks}",
        context.path(),
    );
    context.error(
        "type",
        Code::GroupSize,
        message,
        "add sinks to the group's `sinks`",
    );
    false
}
