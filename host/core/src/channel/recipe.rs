//! What a channel is made from. Plans, reloads and the admin port know channels only by this trait,
//! so a new type of channel changes none of them.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Channel;
use crate::recipe::DynEq;

/// The limits of a channel of some type.
pub trait ChannelRecipe: DynEq + fmt::Debug + Send + Sync {
    /// An empty channel of this name.
    fn make(&self, name: &str) -> Arc<dyn Channel>;

    /// The most events that the channel holds.
    fn capacity(&self) -> usize;

    /// The most events in one transaction.
    fn transaction_capacity(&self) -> usize;

    /// One channel in place of two that hold the same events, with the narrower of each limit and
    /// the longer wait. `None` if channels of these types cannot be merged.
    fn merged(&self, other: &dyn ChannelRecipe) -> Option<Arc<dyn ChannelRecipe>>;

    /// Whether other agents may fill and drain it, too, so that one end is enough here.
    fn is_shared(&self) -> bool {
        false
    }

    /// Folders that the channel needs for itself.
    fn folders(&self) -> &[PathBuf] {
        &[]
    }

    /// Settings that operators may see, by key.
    fn shown(&self) -> Vec<(&'static str, u64)>;
}

impl dyn ChannelRecipe {
    /// The recipe as `Any`, to get back its concrete type.
    pub fn downcast_ref<R: ChannelRecipe>(&self) -> Option<&R> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}

impl PartialEq for dyn ChannelRecipe {
    fn eq(&self, other: &Self) -> bool {
        self.dyn_eq(other)
    }
}
