//! A source with a memory channel behind it, for the tests of sources.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::channel_selector::{ChannelSelector, Selection};
use flume_core::clock::WallClock;
use flume_core::interceptor::{Interceptor, InterceptorChain};
use flume_core::{
    Channel, ChannelProcessor, Context, Event, Source, SourceContext, SourceCounter,
    TakeTransaction,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::policies::{CacheChoice, Policies};
use crate::services::{Resolver, Services};

/// Everything into one channel.
struct OnlyChannel;

impl ChannelSelector for OnlyChannel {
    fn select(&self, _: &Event) -> Selection<'_> {
        Selection {
            required: &[0],
            optional: &[],
        }
    }

    fn is_uniform(&self) -> bool {
        true
    }
}

/// Services with a fixed clock.
pub(crate) fn services() -> Services {
    Services {
        resolver: Resolver::new(BTreeMap::new()),
        wall: WallClock::fixed(0),
        available_memory: 1 << 30,
        policies: Policies::new(CacheChoice::None),
    }
}

/// What is behind a source.
pub(crate) struct Behind {
    /// The channel.
    pub(crate) channel: Arc<dyn Channel>,
    /// What the source is given.
    pub(crate) context: SourceContext,
}

impl Behind {
    /// A channel with room for so many events, and a wait of three seconds.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity, 3, Vec::new())
    }

    /// A channel with so much room, a wait of so many seconds, and interceptors before it.
    pub(crate) fn new(
        capacity: usize,
        keep_alive: u64,
        interceptors: Vec<Box<dyn Interceptor>>,
    ) -> Self {
        let config = MemoryConfig {
            capacity,
            transaction_capacity: capacity,
            keep_alive: Duration::from_secs(keep_alive),
            ..MemoryConfig::defaults(1 << 30)
        };
        let channel: Arc<dyn Channel> = Arc::new(MemoryChannel::new("c1", &config));
        let processor = ChannelProcessor::new(
            InterceptorChain::new(interceptors),
            Box::new(OnlyChannel),
            vec![Arc::clone(&channel)],
        );
        let context = SourceContext {
            channels: Arc::new(processor),
            counters: Arc::new(SourceCounter::default()),
            stop: CancellationToken::new(),
        };
        Self { channel, context }
    }

    /// Takes all events that are there, for good.
    pub(crate) fn take(&self) -> Vec<Event> {
        let mut transaction = TakeTransaction::begin(&self.channel);
        transaction.take_batch(usize::MAX);
        let events = transaction.events().to_vec();
        transaction.commit();
        events
    }

    /// Takes all events that are there, as text.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let text = |event: Event| String::from_utf8(event.body.to_vec()).unwrap();
        self.take().into_iter().map(text).collect()
    }

    /// Takes so many events, waiting for them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            self.channel.ready().await;
            bodies.extend(self.bodies());
        }
        bodies
    }
}

/// Configures a source of a table, without a diagnostic.
pub(crate) fn configured(
    configure: fn(&mut Context, &Services) -> Option<Box<dyn Source>>,
    properties: &[(&str, &str)],
) -> Box<dyn Source> {
    let mut context = Context::of("a1.sources.r1", properties);
    let source = configure(&mut context, &services());
    assert_eq!(context.finish(), [], "configuration");
    source.unwrap()
}

/// The messages that a configuration draws.
pub(crate) fn complaints(
    configure: fn(&mut Context, &Services) -> Option<Box<dyn Source>>,
    properties: &[(&str, &str)],
) -> Vec<String> {
    let mut context = Context::of("a1.sources.r1", properties);
    configure(&mut context, &services());
    context
        .finish()
        .into_iter()
        .map(|found| found.message)
        .collect()
}

/// Starts a source and runs it in a task; says where it listens.
pub(crate) async fn started(
    mut source: Box<dyn Source>,
    behind: &Behind,
) -> (Option<SocketAddr>, JoinHandle<()>) {
    let address = source.start().await.unwrap();
    let context = behind.context.clone();
    let task = tokio::spawn(async move { source.run(context).await.unwrap() });
    (address, task)
}
