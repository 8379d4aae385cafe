//! How much a component moves at once.

use flume_core::{Context, Span};

/// The most events that a component moves in one transaction, with the key that says so.
pub(super) struct BatchSize {
    pub(super) size: usize,
    pub(super) key: Option<String>,
    pub(super) span: Span,
}

impl BatchSize {
    /// The size that a configured component has; its key is found among those it asked for.
    pub(super) fn new(size: usize, context: &mut Context, span: Span) -> Self {
        let is_batch = |key: &str| {
            let last = key.rsplit('.').next().unwrap_or(key);
            last.replace('-', "").eq_ignore_ascii_case("batchsize")
        };
        let asked = context.questions().iter().map(|question| &question.key);
        let keys: Vec<String> = asked.filter(|key| is_batch(key)).cloned().collect();
        let written = keys.iter().find_map(|key| Some((key, context.value(key)?)));
        match written {
            Some((key, value)) => Self {
                size,
                key: Some(key.clone()),
                span: value.span,
            },
            None => Self {
                size,
                key: keys.into_iter().next(),
                span,
            },
        }
    }
}
