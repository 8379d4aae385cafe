//! The avro sink: batches to the next agent, over one connection that is kept.
//!
//! | state | `send` | `settle` |
//! |---|---|---|
//! | no connection | connects, sends | nothing is under way |
//! | idle | looks whether the peer hung up; connects anew if it did, or if it is time to | |
//! | batches under way | sends, as long as the window has room | reports answers in order |
//! | after a failure | closes: everything unanswered is undelivered | the same |
//! | the peer hung up on a batch | connects, shakes hands, sends: if it hangs up again, the batch may be to blame | |
//! | the peer answered `FAILED` for a batch | if it does so again, an event may be to blame (`refusals`) | |
//!
//! The law: a batch is delivered when the collector answered `OK` for it, and not before. One
//! that was stored and whose answer was lost is sent again; duplicates are the price, as in Flume.
//!
//! With a window above 1 (`max-in-flight`) requests follow each other without waiting; collectors
//! answer in order. The first request of a connection is sent alone, since it carries the
//! handshake.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flume_core::clock::{self, Instant};
use flume_core::{
    Blame, Code, ComponentError, Context, Event, EventDeliveryError, Pipeline, Recipe, Sink,
    SinkCounter, SinkMode,
};

use self::refusals::Refusals;
use crate::net::address::{self, Address};
use crate::rpc::{Connection, Dialer, Link, RpcError};
use crate::services::Services;

mod refusals;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["avro", "org.apache.flume.sink.AvroSink"];

/// What the log and the processors see, in Flume's wording.
const FAILED: &str = "Failed to send events";

/// Sends batches to an avro source.
#[derive(Debug)]
pub struct AvroSink {
    name: String,
    batch_size: usize,
    /// `reset-connection-interval`, if there is one.
    renew_every: Option<Duration>,
    dialer: Dialer,
    connection: Option<Connection>,
    /// When the connection is to be replaced by a new one.
    renew_at: Option<Instant>,
    /// Batches delivered over a connection that was replaced, not reported yet.
    delivered: usize,
    /// A failure that waits until those are reported.
    failure: Option<RpcError>,
    /// Whether the peer hung up on the last batch, so that the next one is sent only after a
    /// handshake: then the peer is there, whatever becomes of the batch.
    doubts: bool,
    /// Whether the connection was made in doubt, and the peer shook hands.
    greeted: bool,
    /// Whether batches were refused of late.
    refusals: Refusals,
    counters: Arc<SinkCounter>,
}

/// Reads the keys of the connection ([`Link`]), `hostname`, `port`, `batch-size` (100) and
/// `reset-connection-interval` (0 s: never).
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Sink>> {
    let host = address::host(context, "hostname");
    let port = context.required_number("port", 1..=u16::MAX);
    let batch_size = context.number_or_default("batch-size", 100, 1..=usize::MAX);
    let interval = context.number("reset-connection-interval", 0, 0..=u64::MAX / 2000);
    let link = Link::configure(context);
    let single = refuse_other_clients(context);
    let interval = interval?;
    let (address, link) = (
        Address {
            host: host?,
            port: port?,
        },
        link?,
    );
    single.then_some(())?;
    let renew_every = (interval > 0).then(|| Duration::from_secs(interval));
    let name = context.name().to_owned();
    let keys = (name, batch_size, renew_every, address, link);
    let resolver = services.resolver.clone();
    Some(Recipe::<dyn Sink>::new(keys, move |keys| {
        let (name, batch_size, renew_every, address, link) = keys.clone();
        Box::new(AvroSink {
            name,
            batch_size,
            renew_every,
            dialer: Dialer::new(address, link, resolver.clone()),
            connection: None,
            renew_at: None,
            delivered: 0,
            failure: None,
            doubts: false,
            greeted: false,
            refusals: Refusals::default(),
            counters: Arc::default(),
        })
    }))
}

/// Flume hands its keys to any kind of client, so that one sink can serve several hosts.
fn refuse_other_clients(context: &mut Context) -> bool {
    let hosts = context.value("hosts").is_some();
    // Their addresses are not reported one by one.
    let listed = context.below("hosts").iter().next().is_some();
    let client = context.optional("client.type");
    let key = match client {
        Some(client) if !client.eq_ignore_ascii_case("default") => "client.type",
        _ if hosts || listed => "hosts",
        _ => return true,
    };
    let message = format!("`{}.{key}`: an avro sink has one host here", context.path());
    let help = "use `hostname` and `port`, one sink a host, and put the sinks in a group with a \
                `failover` or `load_balance` processor";
    context.error(key, Code::Unsupported, message, help);
    false
}

impl AvroSink {
    /// Makes sure that there is a connection that can take another batch.
    async fn connected(&mut self) -> Result<&mut Connection, RpcError> {
        if self.renew_at.is_some_and(|due| clock::now() >= due)
            && let Some(connection) = &mut self.connection
        {
            // No batch may be under way when the connection is closed.
            connection.drain().await?;
            self.delivered += connection.take_delivered();
            if connection.is_idle() {
                self.close().await;
            }
        }
        if let Some(connection) = &mut self.connection
            && connection.is_idle()
            && !connection.is_alive().await
        {
            tracing::info!(sink = self.name, "collector closed the idle connection");
            self.close().await;
        }
        if self.connection.is_none() {
            match self.dialer.dial().await {
                Ok(connection) => {
                    self.counters.connection_created.increment();
                    self.renew_at = self.renew_every.map(|every| clock::now() + jittered(every));
                    self.connection = Some(connection);
                }
                Err(error) => {
                    self.counters.connection_failed.increment();
                    return Err(error);
                }
            }
        }
        self.connection.as_mut().ok_or(RpcError::Closed)
    }

    async fn close(&mut self) {
        self.renew_at = None;
        self.greeted = false;
        if let Some(connection) = self.connection.take() {
            self.counters.connection_closed.increment();
            connection.close().await;
        }
    }

    /// Closes after a failure: every unanswered batch is forgotten.
    fn failed(&mut self, error: RpcError) -> EventDeliveryError {
        if let RpcError::TooLarge { places, .. } = &error {
            let blame = Blame::Events(places.clone());
            return EventDeliveryError::caused_by(FAILED, error).blaming(blame);
        }
        let blame = match &error {
            RpcError::Failed if self.refusals.refuse(self.batch_size) => Blame::Batch,
            error if self.greeted && is_silent(error) => Blame::Batch,
            _ => Blame::Place,
        };
        self.give_up(error, blame)
    }

    fn give_up(&mut self, error: RpcError, blame: Blame) -> EventDeliveryError {
        self.doubts = is_silent(&error);
        self.hang_up();
        EventDeliveryError::caused_by(FAILED, error).blaming(blame)
    }

    /// Closes without a farewell.
    fn hang_up(&mut self) {
        (self.greeted, self.renew_at) = (false, None);
        if self.connection.take().is_some() {
            self.counters.connection_closed.increment();
        }
    }

    /// Delivers an event, and not as a batch: then a collector has one answer for an event that it
    /// cannot take, and another if it has no room.
    async fn deliver_single(&mut self, event: &Event) -> Result<(), EventDeliveryError> {
        let error = match self.try_single(event).await {
            Ok(()) => {
                self.refusals.note_single(true);
                return Ok(());
            }
            Err(error) => error,
        };
        match error {
            RpcError::Failed => Err(self.give_up(error, Blame::Place)),
            RpcError::Remote(_) => {
                let refused = self.give_up(error, Blame::Batch);
                // Peers that are not Flume may take batches and nothing else.
                if self.refusals.takes_single() {
                    return Err(refused);
                }
                match self.try_deliver(std::slice::from_ref(event)).await {
                    Ok(()) => {
                        self.refusals.note_single(false);
                        Ok(())
                    }
                    Err(RpcError::Failed) => {
                        self.hang_up();
                        Err(refused)
                    }
                    Err(error) => Err(self.failed(error)),
                }
            }
            error => Err(self.failed(error)),
        }
    }

    async fn try_send(&mut self, batch: &[Event]) -> Result<(), RpcError> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.greeted().await?.send(batch).await
    }

    /// A connection, over which the peer has shaken hands if there are doubts about it.
    async fn greeted(&mut self) -> Result<&mut Connection, RpcError> {
        if self.doubts {
            self.connected().await?.greet().await?;
            (self.greeted, self.doubts) = (true, false);
        }
        self.connected().await
    }

    async fn try_deliver(&mut self, batch: &[Event]) -> Result<(), RpcError> {
        self.try_send(batch).await?;
        self.try_settle().await?;
        Ok(())
    }

    async fn try_single(&mut self, event: &Event) -> Result<(), RpcError> {
        self.greeted().await?.deliver_single(event).await
    }

    async fn try_settle(&mut self) -> Result<usize, RpcError> {
        if self.delivered > 0 {
            return Ok(std::mem::take(&mut self.delivered));
        }
        match (self.failure.take(), &mut self.connection) {
            (None, Some(connection)) => connection.settle().await,
            (None, None) => Err(RpcError::Closed),
            (Some(error), _) => Err(error),
        }
    }
}

#[async_trait]
impl Sink for AvroSink {
    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn start(&mut self, counters: &Arc<SinkCounter>) -> Result<(), ComponentError> {
        self.counters = Arc::clone(counters);
        self.dialer
            .prepare()
            .await
            .map_err(|error| ComponentError::caused_by("cannot set up TLS", error))?;
        let address = self.dialer.address().clone();
        if let Err(error) = self.connected().await {
            tracing::warn!(
                sink = self.name,
                %error,
                "Unable to create Rpc client using hostname: {}, port: {}",
                address.host,
                address.port
            );
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), EventDeliveryError> {
        let greeted = match self.connected().await {
            Ok(connection) => connection.greet().await,
            Err(error) => Err(error),
        };
        greeted.map_err(|error| self.failed(error))
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        let delivered = match batch {
            [event] if self.refusals.ask_for_reasons() => self.deliver_single(event).await,
            _ => (self.try_deliver(batch).await).map_err(|error| self.failed(error)),
        };
        if delivered.is_ok() {
            self.refusals.deliver(batch.len());
        }
        delivered
    }

    fn into_mode(self: Box<Self>) -> SinkMode {
        SinkMode::Pipelined(self)
    }

    async fn stop(&mut self) {
        self.close().await;
    }
}

#[async_trait]
impl Pipeline for AvroSink {
    fn window(&self) -> usize {
        self.dialer.link().max_in_flight
    }

    async fn send(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        match self.try_send(batch).await {
            Ok(()) => Ok(()),
            // What was delivered is reported first; this batch then fails with the others.
            Err(error) if self.delivered > 0 && !matches!(error, RpcError::TooLarge { .. }) => {
                self.failure = Some(error);
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn settle(&mut self) -> Result<usize, EventDeliveryError> {
        let settled = self.try_settle().await;
        let batches = settled.map_err(|error| self.failed(error))?;
        self.refusals
            .deliver(batches.saturating_mul(self.batch_size));
        Ok(batches)
    }
}

/// Whether the peer hung up in place of an answer, or could not make one.
fn is_silent(error: &RpcError) -> bool {
    matches!(
        error,
        RpcError::Io(_) | RpcError::Closed | RpcError::ClosedUnanswered | RpcError::Remote(_)
    )
}

/// A little less than the interval, so that sinks that started together do not reconnect together.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - 0.1 * fastrand::f64())
}

#[cfg(test)]
mod tests;
