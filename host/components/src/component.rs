//! What the registries of this crate have in common.

use flume_core::Context;

use crate::services::Services;

/// Reads a component's keys, without touching a socket or a file, and gives a recipe. `None` leaves
/// at least one error in the context.
pub type Configure<T> = fn(&mut Context, &Services) -> Option<T>;
