//! The channel sink: puts its events into another channel of the agent. It is the spare of a failover
//! group: what it takes while all others are in penalty comes home through them.
//!
//! The law: a batch is delivered when that channel has committed it; without room there, or with a
//! failure of its place, nothing of it is, and the sink has failed. It waits for nothing.

use std::sync::Arc;

use async_trait::async_trait;
use flume_core::{
    Channel, Context, DrainShare, Event, EventDeliveryError, Outlet, PutTransaction, Recipe, Sink,
};

use crate::services::Services;

/// The name to write.
pub const NAMES: &[&str] = &["channel"];

/// Puts batches into a channel.
#[derive(Debug, Clone)]
struct ChannelSink {
    keys: Keys,
    channel: Option<Arc<dyn Channel>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Keys {
    outlet: Outlet,
    batch_size: usize,
}

/// Reads `to`, which is required, `batchSize` (100) and `drain.share` (0.25).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Sink>> {
    let to = context.required("to");
    let batch_size = context.number("batchSize", 100, 1..=usize::MAX);
    let [least, most] = DrainShare::BOUNDS;
    let share = context.number("drain.share", DrainShare::DEFAULT, least..=most);
    let keys = Keys {
        outlet: Outlet {
            to: to?,
            share: DrainShare::new(share?),
        },
        batch_size: batch_size?,
    };
    Some(Recipe::<dyn Sink>::new(keys, |keys| {
        Box::new(ChannelSink {
            keys: keys.clone(),
            channel: None,
        })
    }))
}

#[async_trait]
impl Sink for ChannelSink {
    fn batch_size(&self) -> usize {
        let most = self.channel.as_ref().map(|to| to.transaction_capacity());
        self.keys.batch_size.min(most.unwrap_or(usize::MAX))
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let to = &self.keys.outlet.to;
        let Some(channel) = &self.channel else {
            return Err(EventDeliveryError::new(format!("no channel `{to}`")));
        };
        let refused =
            |error| EventDeliveryError::caused_by(format!("channel `{to}` refuses"), error);
        let put = PutTransaction::of(channel, batch.to_vec()).map_err(refused)?;
        let Ok(reserved) = put.try_reserve() else {
            return Err(EventDeliveryError::new(format!(
                "channel `{to}` has no room"
            )));
        };
        reserved.commit().await.map_err(refused)
    }

    fn outlet(&self) -> Option<&Outlet> {
        Some(&self.keys.outlet)
    }

    fn set_outlet(&mut self, channel: &Arc<dyn Channel>) {
        self.channel = Some(Arc::clone(channel));
    }
}

#[cfg(test)]
mod tests {
    use flume_core::TakeTransaction;
    use flume_core::channel::memory::{MemoryChannel, MemoryConfig};

    use super::*;
    use crate::services::Resolver;

    fn sink(keys: &[(&str, &str)]) -> Option<Box<dyn Sink>> {
        let mut context = Context::of("a1.sinks.k9", keys);
        configure(&mut context, &Services::system(Resolver::default())).map(|recipe| recipe.make())
    }

    fn room(capacity: usize) -> Arc<dyn Channel> {
        let config = MemoryConfig {
            capacity,
            transaction_capacity: capacity,
            ..MemoryConfig::defaults(1 << 30)
        };
        Arc::new(MemoryChannel::new("spill", &config))
    }

    #[test]
    fn a_share_has_bounds() {
        for good in ["0.001", "0.25", "1"] {
            assert!(sink(&[("to", "spill"), ("drain.share", good)]).is_some());
        }
        for bad in ["0", "0.0009", "1.001", "NaN", "a quarter", "-1"] {
            assert!(
                sink(&[("to", "spill"), ("drain.share", bad)]).is_none(),
                "{bad}"
            );
        }
        assert!(sink(&[]).is_none(), "`to` is required");
    }

    #[tokio::test]
    async fn a_batch_is_in_the_channel_as_a_whole_or_not_at_all() {
        let mut sink = sink(&[("to", "spill")]).unwrap();
        let batch = ["1", "2"].map(Event::new);
        assert!(sink.deliver(&batch).await.is_err(), "it has no channel yet");
        let spill = room(3);
        sink.set_outlet(&spill);
        assert_eq!(
            sink.batch_size(),
            3,
            "not more than the channel takes at once"
        );
        sink.deliver(&batch).await.unwrap();
        let error = sink.deliver(&batch).await.unwrap_err();
        assert_eq!(error.to_string(), "channel `spill` has no room");
        let mut taken = TakeTransaction::begin(&spill);
        assert_eq!(taken.take_batch(9), 2);
        assert_eq!(taken.events(), batch);
    }
}
