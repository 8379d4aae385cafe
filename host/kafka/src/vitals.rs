//! Whose client it is, and where its numbers go.

use flume_core::ClientCounter;

/// A component's client, for the log and for metrics.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// The component.
    pub name: String,
    /// Its numbers.
    pub numbers: ClientCounter,
}

impl Vitals {
    /// Those of a component's client.
    pub fn of(component: &str, numbers: &ClientCounter) -> Self {
        Self {
            name: component.to_owned(),
            numbers: numbers.clone(),
        }
    }
}
