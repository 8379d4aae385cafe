//! What a new version asks for that the old one did not, for the operator to read before the swap.

use crate::artifact::Artifact;
use crate::instance::{Bodies, Needs};

/// Compares the files.
pub(super) fn artifacts(old: &Artifact, new: &Artifact, differences: &mut Vec<String>) {
    if old.is_none() {
        differences.push(format!("the first version: {}", new.world().words()));
        return;
    }
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            differences.push(format!("{what}: {old} -> {new}"));
        }
    };
    differ(
        "kind",
        old.world().words().to_owned(),
        new.world().words().to_owned(),
    );
    differ(
        "contract",
        old.version().to_owned(),
        new.version().to_owned(),
    );
    differ("bytes", old.size().to_string(), new.size().to_string());
    differ(
        "hands over state",
        old.has_state().to_string(),
        new.has_state().to_string(),
    );
}

/// Compares what is shown in one place.
pub(super) fn needs(place: &str, old: &Needs, new: &Needs, differences: &mut Vec<String>) {
    let missing = |from: &Needs, of: &Needs| {
        let names = of
            .headers
            .iter()
            .filter(|name| !from.headers.contains(name));
        names.cloned().collect::<Vec<_>>()
    };
    for name in missing(old, new) {
        differences.push(format!("{place}: also reads header `{name}`"));
    }
    for name in missing(new, old) {
        differences.push(format!("{place}: no longer reads header `{name}`"));
    }
    if old.bodies != new.bodies {
        let words = |bodies| match bodies {
            Bodies::None => "no bodies".to_owned(),
            Bodies::Length => "the length of bodies".to_owned(),
            Bodies::Prefix(most) => format!("{most} bytes of bodies"),
            Bodies::Whole => "whole bodies".to_owned(),
        };
        differences.push(format!(
            "{place}: {} -> {}",
            words(old.bodies),
            words(new.bodies)
        ));
    }
}
