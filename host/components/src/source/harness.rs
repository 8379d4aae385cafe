//! What a source puts its events into, for the tests of sources.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its peer has failed"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::channel_selector::{ChannelSelector, Selection};
use flume_core::clock::WallClock;
use flume_core::interceptor::{Interceptor, InterceptorChain};
use flume_core::{
    Channel, ChannelProcessor, Context, Event, Recipe, Source, SourceContext, SourceCounter,
    TakeTransaction,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::component::Configure;
use crate::memory_limit::MemoryLimit;
use crate::net::files::ConnectionFiles;
use crate::services::{Resolver, Services};

/// Everything into one channel.
struct OnlyChannel {
    /// Whether it says so before it has seen the events.
    is_uniform: bool,
}

impl ChannelSelector for OnlyChannel {
    fn select(&self, _: &Event) -> Selection<'_> {
        Selection {
            required: &[0],
            optional: &[],
        }
    }

    fn is_uniform(&self) -> bool {
        self.is_uniform
    }
}

/// Services with a fixed clock.
pub fn services() -> Services {
    Services {
        resolver: Resolver::new(BTreeMap::new()),
        files: ConnectionFiles::of_process(),
        wall: WallClock::fixed(0),
        memory: MemoryLimit {
            bytes: 1 << 30,
            from: "a test".to_owned(),
        },
        ..Services::system(Resolver::default())
    }
}

/// A memory channel and what else a source needs.
pub struct Behind {
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// What the source is given.
    pub context: SourceContext,
}

impl Behind {
    /// A channel with this capacity, where a put waits three seconds for room.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity, 3, Vec::new())
    }

    /// A channel with this capacity and `keep-alive` in seconds, and interceptors before it.
    pub fn new(capacity: usize, keep_alive: u64, interceptors: Vec<Box<dyn Interceptor>>) -> Self {
        Self::selecting(true, capacity, keep_alive, interceptors)
    }

    /// The same behind a selector that may look at each event (`is_uniform` is false), as
    /// `multiplexing` does.
    pub fn selecting(
        is_uniform: bool,
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
            Box::new(OnlyChannel { is_uniform }),
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
    pub fn take(&self) -> Vec<Event> {
        let mut transaction = TakeTransaction::begin(&self.channel);
        transaction.take_batch(usize::MAX);
        let events = transaction.events().to_vec();
        assert!(transaction.commit().is_done());
        events
    }

    /// Takes all events that are there, as text.
    pub fn bodies(&self) -> Vec<String> {
        let text = |event: Event| String::from_utf8(event.body.to_vec()).unwrap();
        self.take().into_iter().map(text).collect()
    }

    /// Takes `count` events, waiting for them.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            self.channel.ready().await;
            bodies.extend(self.bodies());
        }
        bodies
    }
}

/// Configures a source of a table, without a diagnostic.
pub fn configured(
    configure: Configure<Recipe<dyn Source>>,
    properties: &[(&str, &str)],
) -> Box<dyn Source> {
    let mut context = Context::of("a1.sources.r1", properties);
    let source = configure(&mut context, &services());
    assert_eq!(context.finish(), [], "configuration");
    source.unwrap().make()
}

/// The messages that a configuration draws.
pub fn complaints(
    configure: Configure<Recipe<dyn Source>>,
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
pub async fn started(
    mut source: Box<dyn Source>,
    behind: &Behind,
) -> (Option<SocketAddr>, JoinHandle<()>) {
    let address = source.start().await.unwrap();
    let context = behind.context.clone();
    let task = tokio::spawn(async move { source.run(context).await.unwrap() });
    (address, task)
}
