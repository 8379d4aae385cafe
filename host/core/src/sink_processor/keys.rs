//! The keys of a group's processor, and the abilities of a type of processor.
//!
//! A processor owns its keys. The rest of the program asks for its abilities, never for its name.

use std::path::PathBuf;

use super::{SinkProcessor, TYPES};
use crate::context::{Context, Value};
use crate::recipe::Recipe;
use crate::registry::Type;
use crate::sink_selector::NativeSelector;

/// Reads the keys below `processor.`.
pub type ConfigureProcessor = fn(&mut Context, &Group) -> ProcessorKeys;

/// One type of processor.
pub type ProcessorType = Type<ConfigureProcessor, Abilities>;

/// The group that a processor is for.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its sinks, in the order of the file.
    pub sinks: Vec<String>,
    /// All sinks that the file lists: keys of a removed member are accepted.
    pub listed: Vec<String>,
    /// The seed for random choices.
    pub seed: u64,
    /// Whether a policy orders its sinks. The selector read is then the fallback.
    pub has_policy: bool,
    /// The sink that takes events only while all others are in penalty.
    pub spare: Option<String>,
}

/// The abilities of a type of processor, regardless of its keys.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// It uses one sink at a time, and another continues where that one stopped. So channels that
    /// hold the same events may be treated as one.
    pub mirrors: bool,
    /// A selector orders its sinks. It may be a policy, and it can be recorded and shadowed.
    pub selects: bool,
    /// A sink may have several batches in flight.
    pub pipelines: bool,
    /// A sink may be the spare: it takes events only while all others are in penalty.
    pub spares: bool,
    /// The keys that only this type has, each with why it has no effect elsewhere.
    pub own_keys: &'static [(&'static str, &'static str)],
}

/// The result of reading the keys.
#[derive(Debug, Clone, Default)]
pub struct ProcessorKeys {
    /// What the processor is made from. On `None`, the context has an error.
    pub recipe: Option<ProcessorRecipe>,
    /// The candidate policy that runs in shadow of its selector.
    pub shadow: Option<Value>,
    /// The record of its selector's input and answers.
    pub record: Option<RecordPlan>,
}

/// What a processor is made from, and how its group works.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessorRecipe {
    /// The processor, with its native selector if it has one.
    pub processor: Recipe<dyn SinkProcessor>,
    /// Its native selector, or the fallback of a policy.
    pub selector: Option<NativeSelector>,
    /// Batches that may be in flight at once, on different sinks.
    pub parallelism: usize,
    /// Whether a sink may have several batches in flight.
    pub pipelined: bool,
    /// Whether mirrored channels are treated as one.
    pub mirrored: bool,
}

/// What is to be recorded, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlan {
    /// The file to write.
    pub path: PathBuf,
    /// The most bytes in one file; a single write may be longer.
    pub most_bytes: u64,
    /// The most files, including the current one; at least 1.
    pub files: usize,
    /// Headers that are recorded. If empty, those that the policy asks for.
    pub headers: Vec<String>,
}

impl Group {
    /// A group of these sinks, for tests and listings.
    pub fn of(sinks: &[String], seed: u64) -> Self {
        Self {
            sinks: sinks.to_vec(),
            seed,
            ..Self::default()
        }
    }
}

impl ProcessorKeys {
    /// A processor whose selector, if any, is neither shadowed nor recorded.
    pub(super) fn of(recipe: ProcessorRecipe) -> Self {
        Self {
            recipe: Some(recipe),
            ..Self::default()
        }
    }
}

impl ProcessorRecipe {
    /// A processor that has no selector.
    pub(super) fn plain(processor: Recipe<dyn SinkProcessor>, can: &Abilities) -> Self {
        Self {
            processor,
            selector: None,
            parallelism: 1,
            pipelined: can.pipelines,
            mirrored: false,
        }
    }
}

/// Leaves a note for each key of another type: it has no effect in a group of this type.
pub fn foreign_keys(context: &mut Context, kind: &ProcessorType) {
    let others = TYPES
        .types
        .iter()
        .filter(|other| other.name() != kind.name());
    for (key, why) in others.flat_map(|other| other.can.own_keys) {
        context.without_effect(key, why);
    }
}
