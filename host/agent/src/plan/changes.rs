//! What a changed file changes, in words for the log. Values are shown for channels alone: those of
//! other components may be secret.

use super::{AgentPlan, ChannelPlan, ComponentPlan, Written};

/// The differences between two plans of an agent, one each for a component.
pub(crate) fn between(old: &AgentPlan, new: &AgentPlan) -> Vec<String> {
    let mut changes = Vec::new();
    let channel = |plan: &ChannelPlan| plan.names.join("+");
    compare(
        "channel",
        (&old.channels, &new.channels),
        channel,
        limits,
        &mut changes,
    );
    compare(
        "source",
        (&old.sources, &new.sources),
        |plan| plan.component.name.clone(),
        |old, new| component(&old.component, &new.component),
        &mut changes,
    );
    let sinks = |plan: &AgentPlan| -> Vec<_> {
        let sinks = plan.groups.iter().flat_map(|group| &group.sinks);
        sinks.cloned().collect()
    };
    compare(
        "sink",
        (&sinks(old), &sinks(new)),
        |plan| plan.component.name.clone(),
        |old, new| component(&old.component, &new.component),
        &mut changes,
    );
    let groups = |plan: &AgentPlan| -> Vec<_> {
        let groups = plan.groups.iter().filter(|group| group.declared);
        groups.cloned().collect()
    };
    compare(
        "group",
        (&groups(old), &groups(new)),
        |plan| plan.name.clone(),
        |old, new| {
            // A change of its sinks alone is said of them.
            let same = old.processor == new.processor && old.policy == new.policy;
            (!same || keys(&old.keys, &new.keys).is_some())
                .then(|| keys(&old.keys, &new.keys).unwrap_or_default())
        },
        &mut changes,
    );
    changes
}

/// Says what came, went and changed among components of a kind. `difference` is given those of one
/// name that are not equal; `None` if the difference is said elsewhere.
fn compare<T: PartialEq>(
    kind: &str,
    (old, new): (&[T], &[T]),
    name: impl Fn(&T) -> String,
    difference: impl Fn(&T, &T) -> Option<String>,
    changes: &mut Vec<String>,
) {
    for plan in new {
        let called = name(plan);
        match old.iter().find(|old| name(old) == called) {
            None => changes.push(format!("{kind} {called} is new")),
            Some(old) if old != plan => match difference(old, plan) {
                Some(what) if what.is_empty() => changes.push(format!("{kind} {called} changed")),
                Some(what) => changes.push(format!("{kind} {called}: {what}")),
                None => {}
            },
            Some(_) => {}
        }
    }
    let gone = old
        .iter()
        .map(&name)
        .filter(|called| !new.iter().any(|plan| name(plan) == *called));
    changes.extend(gone.map(|called| format!("{kind} {called} is removed")));
}

/// The limits of a channel that changed.
fn limits(old: &ChannelPlan, new: &ChannelPlan) -> Option<String> {
    if old.kind != new.kind {
        return Some(format!("{} -> {}", old.kind, new.kind));
    }
    let before = old.recipe.shown();
    let changed = new.recipe.shown().into_iter().filter_map(|(key, value)| {
        let (_, before) = before.iter().find(|(known, _)| *known == key)?;
        (*before != value).then(|| format!("{key} {before} -> {value}"))
    });
    Some(changed.collect::<Vec<_>>().join(", "))
}

/// The keys of a component that changed.
fn component<T: ?Sized>(old: &ComponentPlan<T>, new: &ComponentPlan<T>) -> Option<String> {
    if old.kind != new.kind {
        return Some(format!("{} -> {}", old.kind, new.kind));
    }
    Some(keys(&old.keys, &new.keys).unwrap_or_default())
}

/// The names of keys whose values differ, or that one of them has alone.
fn keys(old: &Written, new: &Written) -> Option<String> {
    let differs = |one: &Written, other: &Written| -> Vec<String> {
        let own = one.names();
        let own = own.filter(|key| other.text(key) != one.text(key));
        own.map(str::to_owned).collect()
    };
    let mut all = differs(new, old);
    all.extend(differs(old, new));
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests;
