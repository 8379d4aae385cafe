//! Dead letters of sinks, compared with where they would go.

use std::collections::BTreeSet;

use flume_core::{Code, Diagnostic};

use super::parts::Parts;

/// Dead letters that would come back to the sink that gave them up.
pub(super) fn circles(parts: Parts<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for sink in parts.counted_sinks() {
        let (Some(own), Some(first)) = (&sink.channel, sink.dead_letters()) else {
            continue;
        };
        let mut seen = BTreeSet::new();
        let mut next = vec![first];
        while let Some(channel) = next.pop() {
            if !seen.insert(channel) {
                continue;
            }
            let behind = parts.counted_sinks().filter(|other| other.drains(channel));
            next.extend(behind.filter_map(|other| other.dead_letters()));
        }
        if own.text != first && seen.contains(own.text.as_str()) {
            let path = format!("{}.sinks.{}", parts.agent, sink.name);
            let message = format!("dead letters of `{path}` come back to its channel");
            let finding = Diagnostic::new(Code::BadValue, message);
            let finding = finding.at(&sink.span, "would get them again, for ever");
            let help = "let one of the sinks on the way have another `on-error`";
            found.push(finding.help(help));
        }
    }
    found
}
