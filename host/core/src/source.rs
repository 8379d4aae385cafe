//! The source contract: what brings events into an agent.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::channel_processor::ChannelProcessor;
use crate::counters::SourceCounter;

/// What a source is given to work with.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// Interceptors, channel selector and channels behind the source. An event counts as accepted,
    /// and may be acknowledged, only after this took it.
    pub channels: Arc<ChannelProcessor>,
    /// The source's counters.
    pub counters: Arc<SourceCounter>,
    /// Cancelled when the source has to end: accept nothing more, finish what was begun.
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

    /// Acquires what it listens on, so that a port in use is known early; says where it listens.
    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError>;

    /// Works until `stop` is cancelled or there is nothing more to read.
    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError>;
}

/// Why a component cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ComponentError {
    /// A failure told in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// A failure with its cause, which is kept apart from the message.
    pub fn caused_by(
        message: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            source: Some(cause.into()),
        }
    }
}
