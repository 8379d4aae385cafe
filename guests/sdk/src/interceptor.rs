//! The trait of interceptors.

use crate::Moment;
use crate::batch::Batch;
use crate::properties::Properties;

/// Edits or drops events, a batch at a time.
///
/// ```
/// use flume_policy_sdk::{Batch, Interceptor, InterceptorSetup, Moment, Projection, testing};
///
/// /// Drops the events of one host.
/// struct Without(String);
///
/// impl Interceptor for Without {
///     fn configure(setup: &mut InterceptorSetup) -> Self {
///         Self(setup.properties.required("host"))
///     }
///     fn projection(&self) -> Projection {
///         Projection::headers(["host"])
///     }
///     fn intercept(&mut self, _: Moment, batch: &Batch) {
///         for event in batch {
///             if event.header("host") == Some(&self.0) {
///                 event.drop();
///             }
///         }
///     }
/// }
///
/// let mut without = testing::interceptor::<Without>(&[("host", "a")]).unwrap();
/// let events = [testing::event(&[("host", "a")], ""), testing::event(&[("host", "b")], "")];
/// assert_eq!(testing::intercept(&mut without, &events), events[1..]);
/// ```
///
/// In a policy's own crate, `export_interceptor!(Without);` follows.
pub trait Interceptor: Sized {
    /// Makes the interceptor. Problems are noted in the properties of the setup.
    fn configure(setup: &mut InterceptorSetup) -> Self;

    /// What it wants to see of each event. Nothing else is passed in.
    fn projection(&self) -> Projection;

    /// Handles a batch. The same event may come more than once: after a violation, the host tries
    /// halves of the batch.
    fn intercept(&mut self, at: Moment, batch: &Batch);
}

/// What an interceptor is made from.
#[derive(Debug, Default)]
pub struct InterceptorSetup {
    /// The interceptor's properties.
    pub properties: Properties,
    /// A seed for random numbers.
    pub seed: u64,
}

/// What an interceptor wants to see of each event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Headers, 64 at most.
    pub headers: Vec<String>,
    /// How much of the body.
    pub bodies: Bodies,
}

/// How much of a body is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bodies {
    /// Nothing.
    #[default]
    None,
    /// Its length.
    Length,
    /// At most this many of its first bytes, and its length.
    Prefix(u32),
    /// All of it.
    Whole,
}

impl Projection {
    /// These headers and no bodies.
    pub fn headers<H: Into<String>>(names: impl IntoIterator<Item = H>) -> Self {
        Self {
            headers: names.into_iter().map(Into::into).collect(),
            bodies: Bodies::None,
        }
    }

    /// The same, with bodies.
    #[must_use]
    pub fn with(mut self, bodies: Bodies) -> Self {
        self.bodies = bodies;
        self
    }
}
