//! The kafka source; the work is done by the crate `flume-kafka`.

use flume_core::{Context, Recipe, Source};
pub use flume_kafka::source::NAMES;

use crate::services::Services;

/// Reads the keys of a kafka source.
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Source>> {
    flume_kafka::source::configure(context, &crate::kafka::surroundings())
}
