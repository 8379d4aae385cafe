//! The avro source: takes batches from the agents before this one.
//!
//! One task serves one connection (`avro/peer.rs`). It answers a request only when the channels have
//! taken its events, and answers the requests of a connection in their order.
//!
//! Keys limit what peers can cost; how much is logged never depends on them:
//!
//! | key | default | limits |
//! |---|---|---|
//! | `max-connections` | 1024 | connections; each has buffers of 4 KiB, or 320 KiB while busy |
//! | `max-frame-size` | 64 MiB | bytes of a request |
//! | `idle-timeout` | never | how long a client may be silent, or not read its answers |
//! | `max-pending-bytes` | 256 MiB | bytes of all requests that are not in the channels (`avro/budget.rs`) |
//!
//! A buffer grows by doubling, so the memory for pending requests may be twice their bytes. The
//! connection whose bytes exceed `max-pending-bytes` is closed; its client sends them again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flume_avro::{FrameLimits, KnownClients, RpcLimits};
use flume_core::{ComponentError, Context, Recipe, Source, SourceContext};

use self::budget::Budget;
use self::peer::{Complaints, PeerContext};
use crate::net::idle;
use crate::net::ip_filter::IpFilter;
use crate::net::listener::{Listener, Port, PortServices};
use crate::net::tls::ServerTls;
use crate::rpc::{is_deflate, max_frame_size};
use crate::services::Services;

mod budget;
mod peer;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["avro", "org.apache.flume.source.AvroSource"];

/// Default of `max-pending-bytes`, if `max-frame-size` is not larger.
const MAX_PENDING: usize = 256 << 20;

/// Compression level of answers, as Flume's.
const ANSWER_LEVEL: u32 = 6;

/// Listens for avro clients.
#[derive(Debug)]
pub struct AvroSource {
    name: String,
    port: Port,
    limits: RpcLimits,
    max_pending: usize,
    idle_timeout: Option<Duration>,
    services: PortServices,
    /// Protocols of clients, remembered while the process lives.
    known: KnownClients,
    /// What `start` has made for `run`.
    listener: Option<Listener>,
}

/// Reads the keys of a `Port`, `compression-type` (none), the keys of TLS and of the ip filter,
/// `idle-timeout` (seconds without input or room for answers; 0 = never), and the limits
/// `max-frame-size` (64 MiB) and `max-pending-bytes` (256 MiB, not below
/// `max-frame-size`).
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Source>> {
    let port = Port::configure(context);
    let max_frame = max_frame_size(context);
    let least = max_frame.unwrap_or_default();
    let max_pending = context.number(
        "max-pending-bytes",
        MAX_PENDING.max(least),
        least..=usize::MAX,
    );
    let idle_timeout = idle::configure(context);
    let deflate = is_deflate(context);
    let tls = ServerTls::configure(context);
    let filter = IpFilter::configure(context);
    context.without_effect("threads", "a connection costs no thread");
    let frame = FrameLimits {
        max_frame: max_frame?,
        ..FrameLimits::default()
    };
    let port = port?.with(tls?, deflate?.then_some(ANSWER_LEVEL), filter?);
    let limits = RpcLimits {
        frame,
        ..RpcLimits::default()
    };
    let keys = (
        context.name().to_owned(),
        port,
        limits,
        max_pending?,
        idle_timeout?,
    );
    let services = PortServices::from(services);
    Some(Recipe::<dyn Source>::new(keys, move |keys| {
        let (name, port, limits, max_pending, idle_timeout) = keys.clone();
        Box::new(AvroSource {
            name,
            port,
            limits,
            max_pending,
            idle_timeout,
            services: services.clone(),
            known: KnownClients::default(),
            listener: None,
        })
    }))
}

#[async_trait]
impl Source for AvroSource {
    fn max_connections(&self) -> usize {
        self.port.max_connections()
    }

    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        let failure = "Failed to set up server socket on";
        let listener = self.port.open(&self.services, failure).await?;
        let address = listener.address();
        self.listener = Some(listener);
        Ok(Some(address))
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let not_started = || ComponentError::new("the avro source is not started");
        let listener = self.listener.take().ok_or_else(not_started)?;
        let shared = Arc::new(PeerContext {
            name: self.name.clone(),
            context: context.clone(),
            limits: self.limits,
            budget: Budget::new(self.max_pending),
            idle_timeout: self.idle_timeout,
            known: self.known.clone(),
            complaints: Complaints::default(),
        });
        let converse = move |stream, peer| {
            let shared = Arc::clone(&shared);
            async move { peer::serve(&shared, stream, peer).await }
        };
        listener.run(&self.name, &context, converse).await;
        Ok(())
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
