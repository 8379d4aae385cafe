//! The trait of sink selectors, and what the host reports to them.

use crate::Moment;
use crate::batch::Batch;
use crate::properties::Properties;

/// Orders the sinks of a group; asked once for each batch.
///
/// ```
/// use flume_policy_sdk::{Ask, SelectorSetup, SinkSelector, testing::Group};
///
/// /// The sink with the fewest batches in flight first.
/// struct LeastBusy;
///
/// impl SinkSelector for LeastBusy {
///     fn configure(_: &mut SelectorSetup) -> Self {
///         Self
///     }
///     fn order(&mut self, ask: &Ask<'_>) -> Vec<usize> {
///         let mut order: Vec<usize> = (0..ask.sinks.len()).collect();
///         order.sort_by_key(|sink| ask.sinks[*sink].in_flight);
///         order
///     }
/// }
///
/// let mut group = Group::<LeastBusy>::of(&["k1", "k2"], &[]);
/// group.begin(0);
/// assert_eq!(group.order(), [1, 0]);
/// ```
///
/// In a policy's own crate, `export_selector!(LeastBusy);` follows.
pub trait SinkSelector: Sized {
    /// Makes the selector. Problems are noted in the properties of the setup; see [`Properties`].
    fn configure(setup: &mut SelectorSetup) -> Self;

    /// Headers that it wants to see of the events about to be routed, at most 16.
    fn headers(&self) -> Vec<String> {
        Vec::new()
    }

    /// A sink failed since the last order. Called before `order`, oldest news first.
    fn failed(&mut self, _sink: usize, _at: u64) {}

    /// A sink delivered since the last order. Called before `order`, oldest news first.
    fn delivered(&mut self, _sink: usize, _news: &News) {}

    /// The sinks to try, best first: each at most once. Empty if none may be tried now.
    ///
    /// The contract allows that only while all sinks fail, and for a minute. So an empty order
    /// becomes an order of the sinks whose last outcome was a success, if there are any. After 50 s
    /// without a try it becomes an order of all sinks, those that failed first before the others.
    fn order(&mut self, ask: &Ask<'_>) -> Vec<usize>;
}

/// A selector that can also split a batch.
pub trait BatchRouter: SinkSelector {
    /// A sink for each event of [`Ask::events`], in their order.
    fn route(&mut self, ask: &Ask<'_>) -> Vec<usize>;
}

/// What a selector is made from.
#[derive(Debug, Default)]
pub struct SelectorSetup {
    /// The properties below `processor.selector.`.
    pub properties: Properties,
    /// The sinks of the group; a sink's place here is its number everywhere.
    pub sinks: Vec<Sink>,
    /// A seed for random numbers.
    pub seed: u64,
}

/// One sink of the group.
#[derive(Debug, Default)]
pub struct Sink {
    /// Its name in the configuration.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its properties for policies. They are ignored unless asked for.
    pub properties: Properties,
}

/// What happened at one sink between two orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct News {
    /// Batches delivered.
    pub batches: u32,
    /// Events in them.
    pub events: u64,
    /// Their total time, in nanoseconds.
    pub latency: u64,
    /// When the sink last delivered ([`Moment::now`]).
    pub at: u64,
}

impl News {
    /// The average time of one of these batches, in nanoseconds, if known.
    pub fn mean_latency(&self) -> Option<f64> {
        let is_known = self.batches > 0 && self.latency > 0;
        is_known.then(|| self.latency as f64 / f64::from(self.batches))
    }
}

/// The state of a sink: everything reported about it so far. Handed over in a hot swap if the
/// policy is [`State`](crate::State).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Batches in flight now.
    pub in_flight: u32,
    /// Batches delivered so far.
    pub batches: u64,
    /// Events in them.
    pub events: u64,
    /// Failures since the last delivery.
    pub failures: u32,
    /// When it last failed; meaningful if `failures` is not 0.
    pub failed_at: u64,
    /// Nanoseconds for a batch, the mean of the last news; 0 before the first delivery.
    pub latency: u64,
}

/// The question: in which order?
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// When it is asked.
    pub at: Moment,
    /// The states of the sinks, by number.
    pub sinks: &'a [Standing],
    /// Events in the channel.
    pub depth: u64,
    /// The events about to be routed, with the headers that [`SinkSelector::headers`] asked for.
    pub events: &'a Batch,
}
