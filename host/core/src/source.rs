//! The source contract: what brings events into an agent.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::by_header::ByHeader;
use crate::channel_processor::ChannelProcessor;
use crate::counters::SourceCounter;
use crate::dead_letter::DeadLetters;
use crate::error::ComponentError;

/// What a source works with.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// Interceptors, channel selector and channels of the source. An event counts as accepted, and
    /// may be acknowledged, only after this has taken it.
    pub channels: Arc<ChannelProcessor>,
    /// The source's counters.
    pub counters: Arc<SourceCounter>,
    /// Cancelled when the source has to end: accept nothing more, and finish what has begun.
    pub stop: CancellationToken,
}

/// Brings events into the agent.
///
/// Life: configured, [`start`](Self::start) (its port is open afterwards), [`run`](Self::run).
/// A source that fails or panics is started again with back-off.
#[async_trait]
pub trait Source: Send {
    /// The most events that it puts in one transaction; `None` if it puts one at a time.
    fn batch_size(&self) -> Option<usize> {
        None
    }

    /// The most connections that it has at once, each of which takes a file.
    fn max_connections(&self) -> usize {
        0
    }

    /// The header in which it notes where an event comes from.
    fn origin(&self) -> Option<ByHeader> {
        None
    }

    /// The channel of its agent for what it reads and that is no event, if it has one.
    fn letters(&self) -> Option<&str> {
        None
    }

    /// Gives it that channel, before it starts.
    fn set_letters(&mut self, _letters: DeadLetters) {}

    /// Opens the port, so that one in use is noticed early. Returns the address on which it
    /// listens.
    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError>;

    /// Works until `stop` is cancelled or there is nothing more to read.
    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError>;
}
