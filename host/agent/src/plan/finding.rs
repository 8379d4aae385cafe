//! What a stage finds on its way to its value, and what each finding costs.

use flume_core::{Diagnostic, Span};

/// What a stage gives: its value, and all that it found.
pub(super) struct Found<T> {
    /// Always there: a stage does not stop at a problem.
    pub(super) value: T,
    /// In the order in which they were found.
    pub(super) findings: Vec<Finding>,
}

/// One finding. It says what it costs in Flume; [`lenient`](super::lenient) decides what is made
/// of that.
pub(super) enum Finding {
    /// Something about the file, which costs what its severity says.
    Problem(Diagnostic),
    /// Flume runs the agent without this component.
    Dropped {
        /// The component, `a1.sinks.k1`.
        path: String,
        /// Where it is named.
        span: Span,
        /// Why, in a few words.
        why: &'static str,
    },
    /// Flume runs nothing of the agent.
    Fatal {
        /// Why, in a sentence.
        reason: String,
    },
}

impl<T> Found<T> {
    /// Hands out the value, and adds the findings to those of earlier stages.
    pub(super) fn note(self, earlier: &mut Vec<Finding>) -> T {
        earlier.extend(self.findings);
        self.value
    }
}

impl Finding {
    /// Flume takes a type that it does not know for the name of a class, and gives up on the whole
    /// file when there is no such class.
    pub(super) fn unknown_class(path: &str, kind: &str) -> Self {
        Self::Fatal {
            reason: format!("Flume gives up on a file with an unknown class: `{path}` is `{kind}`"),
        }
    }
}

/// Problems as findings.
pub(super) fn problems(found: Vec<Diagnostic>) -> impl Iterator<Item = Finding> {
    found.into_iter().map(Finding::Problem)
}
