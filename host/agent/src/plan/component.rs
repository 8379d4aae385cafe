//! A component of the plan: its recipe, and its keys for people.

use std::fmt;

use flume_core::context::{Disclosure, Value};
use flume_core::{Context, Recipe};

use crate::config::tree::Node;

/// A component by its type, with what it is made from.
pub(crate) struct ComponentPlan<T: ?Sized + 'static> {
    /// The name in the file.
    pub name: String,
    /// The first name of its type.
    pub kind: &'static str,
    /// What it is made from, as often as it is needed.
    pub recipe: Recipe<T>,
    /// Its keys.
    pub keys: Written,
}

impl<T: ?Sized> ComponentPlan<T> {
    /// The component of a node, with its own keys: those that are not `common` to its kind. What it
    /// said about them when it was configured decides how they are shown.
    pub(super) fn new(
        node: &Node,
        kind: &'static str,
        recipe: Recipe<T>,
        (common, disclosure): (fn(&str) -> bool, Disclosure),
    ) -> Self {
        Self {
            name: node.name.clone(),
            kind,
            recipe,
            keys: Written::new(node.context.without(common), disclosure),
        }
    }
}

impl<T: ?Sized> Clone for ComponentPlan<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            kind: self.kind,
            recipe: self.recipe.clone(),
            keys: self.keys.clone(),
        }
    }
}

impl<T: ?Sized> PartialEq for ComponentPlan<T> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.recipe == other.recipe
    }
}

impl<T: ?Sized> fmt::Debug for ComponentPlan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentPlan")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("recipe", &self.recipe)
            .finish_non_exhaustive()
    }
}

/// Keys as they were written, for people and their tools. Nothing is made from them, so any two are
/// equal: how a setting is written makes no difference to what runs.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    keys: Box<Context>,
    disclosure: Disclosure,
}

impl Written {
    /// These keys, of which so much may be shown.
    pub(super) fn new(keys: Context, disclosure: Disclosure) -> Self {
        let keys = Box::new(keys);
        Self { keys, disclosure }
    }

    /// The keys with their values, as far as these may be shown.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&str, String)> {
        let keys = self.iter();
        keys.map(|(key, value)| (key, self.disclosure.shown(key, &value.text)))
    }

    /// The names of the keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// The component that they belong to, `a1.sources.r1`.
    pub(crate) fn path(&self) -> &str {
        self.keys.path()
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.keys.iter()
    }

    /// The value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        let mut keys = self.iter();
        let found = keys.find(|(known, _)| *known == key);
        found.map(|(_, value)| value)
    }

    /// The text of a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).map(|value| value.text.as_str())
    }
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
