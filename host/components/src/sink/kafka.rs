//! The kafka sink; the work is done by the crate `flume-kafka`.

use flume_core::{Context, Recipe, Sink};
pub use flume_kafka::sink::NAMES;

use crate::services::Services;

/// Reads the keys of a kafka sink.
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Sink>> {
    flume_kafka::sink::configure(context, &crate::kafka::surroundings())
}
