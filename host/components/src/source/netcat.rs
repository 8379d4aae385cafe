//! The netcat source: lines over TCP, each answered with `OK` or `FAILED: …`.
//!
//! What Flume's clients see is kept to the byte. Some of what Flume loses is kept if keys say so: lines
//! that are too long (`on-long-line = skip`), malformed text (`on-malformed = replace`), the last
//! line without an end (`deliver-partial-at-eof`), and lines for which a channel has no room
//! (`on-full = block`). Two losses never happen here: lines before malformed input in the same read
//! are stored, and an interceptor's error is answered and does not hang the connection.
//!
//! A connection is a task with bounded memory (see [`lines`](super::lines)); Flume has a
//! thread for each client, which does not scale to idle clients, and no limit of connections.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use flume_core::counters::Counter;
use flume_core::{Code, ComponentError, Context, Recipe, Source, SourceContext};

use self::connection::{CloseReason, NetcatSettings};
use super::lines::LineSettings;
use super::lines::charset::Charset;
use crate::net::idle;
use crate::net::listener::{Listener, Port, PortServices};
use crate::services::Services;

mod connection;
#[cfg(test)]
mod tests;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["netcat", "org.apache.flume.source.NetcatSource"];

/// Listens for lines.
#[derive(Debug)]
pub struct NetcatSource {
    name: String,
    port: Port,
    services: PortServices,
    settings: NetcatSettings,
    listener: Option<Listener>,
}

/// Reads the keys of a `Port`, Flume's keys `ack-every-event` (true), `max-line-length` (512
/// characters with the line end) and `encoding` (utf-8), and our own `on-long-line` (close),
/// `on-malformed` (close), `deliver-partial-at-eof` (false), `on-full` (fail) and `idle-timeout`
/// (seconds without input or room for output; 0 = never).
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Source>> {
    let port = Port::configure(context);
    let ack = context.flag("ack-every-event", true);
    let max_length = context.number_up_to("max-line-length", 512, 1..=1 << 30);
    let charset = charset_of(context, "encoding");
    let skip_long = context.one_of("on-long-line", "close", &[("close", false), ("skip", true)]);
    let replace_malformed = context.one_of(
        "on-malformed",
        "close",
        &[("close", false), ("replace", true)],
    );
    let deliver_partial = context.flag("deliver-partial-at-eof", false);
    let block_when_full = context.one_of("on-full", "fail", &[("fail", false), ("block", true)]);
    let idle_timeout = idle::configure(context);
    let lines = LineSettings {
        max_length: max_length?,
        charset: charset?,
        skip_long: skip_long?,
        replace_malformed: replace_malformed?,
        deliver_partial,
    };
    let settings = NetcatSettings::new(lines, ack, block_when_full?, idle_timeout?);
    let keys = (context.name().to_owned(), port?, settings);
    let services = PortServices::from(services);
    Some(Recipe::<dyn Source>::new(keys, move |keys| {
        let (name, port, settings) = keys.clone();
        Box::new(NetcatSource {
            name,
            port,
            services: services.clone(),
            settings,
            listener: None,
        })
    }))
}

/// The character set that a key names, UTF-8 if it is not there.
fn charset_of(context: &mut Context, key: &str) -> Option<Charset> {
    let name = context.string(key, "utf-8");
    let charset = Charset::named(&name);
    if charset.is_none() {
        let message = format!(
            "`{}.{key}` names a character set that is not here: `{name}`",
            context.path()
        );
        context.error(
            key,
            Code::Unsupported,
            message,
            "for example `utf-8` or `iso-8859-1`",
        );
    }
    charset
}

#[async_trait]
impl Source for NetcatSource {
    fn max_connections(&self) -> usize {
        self.port.max_connections()
    }

    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        let failure = "unable to bind to socket";
        let listener = self.port.open(&self.services, failure).await?;
        let address = listener.address();
        self.listener = Some(listener);
        Ok(Some(address))
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let not_started = || ComponentError::new("the source is not started");
        let listener = self.listener.take().ok_or_else(not_started)?;
        let shared = Arc::new((self.name.clone(), self.settings.clone(), context.clone()));
        let unanswered = Arc::<Counter>::default();
        let left_in_all = Arc::clone(&unanswered);
        let converse = move |stream, peer| {
            let (shared, left_in_all) = (Arc::clone(&shared), Arc::clone(&left_in_all));
            async move {
                let (source, settings, context) = &*shared;
                let served = connection::serve(stream, peer, settings, context).await;
                if let Ok(CloseReason::Stopped { left }) = served {
                    left_in_all.add(left);
                }
                match served {
                    Ok(reason) => tracing::debug!(source, %peer, ?reason, "connection closed"),
                    Err(error) => tracing::debug!(source, %peer, %error, "connection broken"),
                }
            }
        };
        listener.run(&self.name, &context, converse).await;
        let (source, lines) = (&self.name, unanswered.get());
        if lines > 0 {
            tracing::warn!(
                source,
                lines,
                "lines had come that were not taken before the stop; they have no answer"
            );
        }
        Ok(())
    }
}
