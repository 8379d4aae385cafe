//! A collector in the test's own process: an avro source over a memory channel.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its peer has failed"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::channel_selector::ChannelIndex;
use flume_core::{
    Channel, ChannelProcessor, ChannelSelector, ComponentError, Context, Event, InterceptorChain,
    Selection, Source, SourceContext, SourceCounter, TakeTransaction,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::net::own_port::own_port;
use crate::services::{Resolver, Services};

/// The machine's own services.
pub fn services() -> Services {
    Services::system(Resolver::default())
}

/// A configured source. Its keys must not leave a finding.
pub fn source(keys: &[(&str, &str)]) -> Box<dyn Source> {
    let mut context = Context::of("a1.sources.r1", keys);
    let source = super::configure(&mut context, &services());
    assert_eq!(context.finish(), []);
    source.unwrap().make()
}

/// Everything goes into the one channel.
struct OneChannel;

impl ChannelSelector for OneChannel {
    fn select(&self, _: &Event) -> Selection<'_> {
        const FIRST: &[ChannelIndex] = &[0];
        Selection {
            required: FIRST,
            optional: &[],
        }
    }

    fn is_uniform(&self) -> bool {
        true
    }
}

/// A memory channel with room for many events.
pub fn channel(capacity: usize, transaction_capacity: usize) -> Arc<dyn Channel> {
    let defaults = MemoryConfig::defaults(1 << 30);
    let config = MemoryConfig {
        capacity,
        transaction_capacity,
        ..defaults
    };
    Arc::new(MemoryChannel::new("c1", &config))
}

/// A running avro source.
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it puts events into.
    pub channel: Arc<dyn Channel>,
    /// Its counters.
    pub counters: Arc<SourceCounter>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ComponentError>>,
}

impl Collector {
    /// On a port of its own, also after it has stopped.
    pub async fn start(keys: &[(&str, &str)]) -> Self {
        Self::start_on(own_port(), keys).await
    }

    /// On the port of another one that has stopped.
    pub async fn start_on(port: u16, keys: &[(&str, &str)]) -> Self {
        Self::with(
            channel(200_000, 10_000),
            port,
            keys,
            InterceptorChain::default(),
        )
        .await
    }

    /// One over this channel, with these interceptors.
    pub async fn with(
        channel: Arc<dyn Channel>,
        port: u16,
        keys: &[(&str, &str)],
        interceptors: InterceptorChain,
    ) -> Self {
        let port = port.to_string();
        let mut all = vec![("bind", "127.0.0.1"), ("port", port.as_str())];
        all.extend(keys);
        let mut source = source(&all);
        let address = source.start().await.unwrap().unwrap();
        let stop = CancellationToken::new();
        let counters = Arc::<SourceCounter>::default();
        let channels = vec![Arc::clone(&channel)];
        let context = SourceContext {
            channels: Arc::new(ChannelProcessor::new(
                interceptors,
                Box::new(OneChannel),
                channels,
            )),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };
        let task = tokio::spawn(async move { source.run(context).await });
        Self {
            address,
            channel,
            counters,
            stop,
            task,
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything that came in, in order; it stays out of the channel.
    pub fn taken(&self) -> Vec<Event> {
        let mut transaction = TakeTransaction::begin(&self.channel);
        while transaction.take_batch(usize::MAX) > 0 {}
        let events = transaction.events().to_vec();
        assert!(transaction.commit().is_done());
        events
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}
