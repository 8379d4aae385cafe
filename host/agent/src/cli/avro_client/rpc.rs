//! Flume's RPC clients: one host, the next live host, or all hosts in turn.
//!
//! | `client.type` | a batch goes to | it fails if |
//! |---|---|---|
//! | `default` | the host | the host fails |
//! | `default_failover` | the host that worked last, then the next ones | `max-attempts` failed |
//! | `default_loadbalance` | the hosts in the selector's order | all of them failed |
//!
//! Connections are made on demand and kept. After a failure, the next send makes a new one.

use std::collections::VecDeque;
use std::time::Duration;

use flume_core::sink_selector::{self, Backoff, Order};
use flume_core::{Code, Context, Event, EventDeliveryError, SinkSelector, clock};

use flume_components::Services;
use flume_components::net::address::Address;
use flume_components::rpc::{Connection, Dialer, Link, RpcError};

/// Events in one request (`batch-size`).
const BATCH_SIZE: usize = 100;

/// Longest exclusion of a failed host in ms (`maxBackoff`).
const MAX_BACKOFF: u64 = 30_000;

/// How the host of a batch is chosen.
enum HostChoice {
    Single,
    Failover {
        attempts: usize,
        /// The host of the last successful connection.
        current: usize,
    },
    Balance(Box<dyn SinkSelector>),
}

/// The settings of a client.
pub(super) struct ClientSettings {
    dialers: Vec<Dialer>,
    policy: HostChoice,
    batch_size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Single,
    Failover,
    Balance,
}

impl ClientSettings {
    /// A client of one host. On `None`, the context has a diagnostic.
    pub(super) fn single(
        context: &mut Context,
        services: &Services,
        address: Address,
        batch_size: usize,
    ) -> Option<Self> {
        let link = Link::configure(context)?;
        let dialer = Dialer::new(address, link, services.resolver.clone());
        Some(Self {
            dialers: vec![dialer],
            policy: HostChoice::Single,
            batch_size,
        })
    }

    /// Reads an RPC client's properties. On `None`, the context has a diagnostic.
    pub(super) fn configure(context: &mut Context, services: &Services) -> Option<Self> {
        let kinds = [
            ("default", ClientType::Single),
            ("default_failover", ClientType::Failover),
            ("default_loadbalance", ClientType::Balance),
            (
                "org.apache.flume.api.NettyAvroRpcClient",
                ClientType::Single,
            ),
            (
                "org.apache.flume.api.FailoverRpcClient",
                ClientType::Failover,
            ),
            (
                "org.apache.flume.api.LoadBalancingRpcClient",
                ClientType::Balance,
            ),
        ];
        let kind = context.one_of("client.type", "default", &kinds);
        let names = context.list("hosts");
        let hosts: Option<Vec<Address>> = names
            .iter()
            .map(|name| Address::read(context, &format!("hosts.{name}")))
            .collect();
        let link = Link::configure(context);
        let batch_size = context.number_or_default("batch-size", BATCH_SIZE, 1..=usize::MAX);
        let (kind, mut hosts, link) = (kind?, hosts?, link?);
        let least = if kind == ClientType::Balance { 2 } else { 1 };
        if hosts.len() < least {
            let message = format!("`{}.hosts` needs {least} names or more", context.path());
            let help = "for example `hosts = h1 h2`, with `hosts.h1 = collector1:4141`";
            context.error("hosts", Code::MissingKey, message, help);
            return None;
        }
        let policy = match kind {
            ClientType::Single => {
                if hosts.len() > 1 {
                    context.without_effect("hosts", "a default client uses the first host only");
                }
                hosts.truncate(1);
                HostChoice::Single
            }
            ClientType::Failover => HostChoice::Failover {
                attempts: context.number("max-attempts", hosts.len(), 1..=usize::MAX)?,
                current: hosts.len() - 1,
            },
            ClientType::Balance => HostChoice::Balance(selector(context, hosts.len())?),
        };
        let dial = |address| Dialer::new(address, link.clone(), services.resolver.clone());
        Some(Self {
            dialers: hosts.into_iter().map(dial).collect(),
            policy,
            batch_size,
        })
    }
}

fn selector(context: &mut Context, hosts: usize) -> Option<Box<dyn SinkSelector>> {
    let wanted = context.flag("backoff", false);
    let cap = context.number("maxBackoff", MAX_BACKOFF, 1..=u64::MAX / 2000)?;
    let backoff = match wanted {
        true => Backoff::capped(hosts, Duration::from_millis(cap)),
        false => Backoff::none(hosts),
    };
    let names = sink_selector::TYPES.names().into_iter();
    let names: Vec<(&str, &str)> = names.map(|name| (name, name)).collect();
    let name = context.one_of("host-selector", "round_robin", &names)?;
    Some((sink_selector::TYPES.find(name)?.configure)(
        backoff,
        fastrand::u64(..),
    ))
}

/// A running client.
pub(super) struct RpcClient {
    hosts: Vec<HostConnection>,
    policy: HostChoice,
    batch_size: usize,
}

impl RpcClient {
    pub(super) fn new(settings: ClientSettings) -> Self {
        let host = |dialer| HostConnection {
            dialer,
            connection: None,
        };
        Self {
            hosts: settings.dialers.into_iter().map(host).collect(),
            policy: settings.policy,
            batch_size: settings.batch_size,
        }
    }

    /// Events in one request; larger batches are sent in parts.
    pub(super) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Reads the trust stores and, where one host is used at a time, connects.
    ///
    /// # Errors
    /// A trust store cannot be used, or no host can be reached.
    pub(super) async fn connect(&mut self) -> Result<(), EventDeliveryError> {
        for host in &mut self.hosts {
            host.dialer
                .prepare()
                .await
                .map_err(|error| EventDeliveryError::caused_by("cannot set up TLS", error))?;
        }
        let connected = match &mut self.policy {
            HostChoice::Single => match self.hosts.first_mut() {
                Some(host) => host.connected().await.map(|_| ()),
                None => Ok(()),
            },
            HostChoice::Failover { current, .. } => {
                next_alive(&mut self.hosts, current).await.map(|_| ())
            }
            HostChoice::Balance(_) => Ok(()),
        };
        connected.map_err(|error| EventDeliveryError::caused_by("Unable to connect", error))
    }

    /// Sends events, in parts of `batch-size`, and waits for the acknowledgement of each part.
    ///
    /// # Errors
    /// A part was not acknowledged; those before it were.
    pub(super) async fn send(&mut self, events: &[Event]) -> Result<(), EventDeliveryError> {
        for batch in events.chunks(self.batch_size) {
            match &mut self.policy {
                HostChoice::Single => send_to_one(&mut self.hosts, batch).await?,
                HostChoice::Failover { attempts, current } => {
                    send_to_next(&mut self.hosts, current, *attempts, batch).await?;
                }
                HostChoice::Balance(selector) => {
                    send_to_any(&mut self.hosts, selector.as_mut(), batch).await?;
                }
            }
        }
        Ok(())
    }

    /// Closes all connections. This consumes the client, so a send after a close, which Flume tests
    /// at run time (testClientClosedRequest, R6; testTwoHostFailoverThrowAfterClose, R15), does not
    /// compile.
    pub(super) async fn close(self) {
        for connection in self.hosts.into_iter().filter_map(|host| host.connection) {
            connection.close().await;
        }
    }
}

async fn send_to_one(
    hosts: &mut [HostConnection],
    batch: &[Event],
) -> Result<(), EventDeliveryError> {
    for host in hosts {
        host.send(batch)
            .await
            .map_err(|error| EventDeliveryError::caused_by("Failed to send events", error))?;
    }
    Ok(())
}

async fn send_to_next(
    hosts: &mut [HostConnection],
    current: &mut usize,
    attempts: usize,
    batch: &[Event],
) -> Result<(), EventDeliveryError> {
    let mut failed = RpcError::Closed;
    for _ in 0..attempts {
        let sent = match next_alive(hosts, current).await {
            Ok(host) => host.send(batch).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => return Ok(()),
            Err(error) => failed = error,
        }
    }
    Err(EventDeliveryError::caused_by(
        "Failed to send the event!",
        failed,
    ))
}

/// The current host if it is connected, else the next in the list that can be connected to; last of
/// all the current one again.
async fn next_alive<'h>(
    hosts: &'h mut [HostConnection],
    current: &mut usize,
) -> Result<&'h mut HostConnection, RpcError> {
    let count = hosts.len();
    let mut failed = RpcError::Closed;
    let stands = match hosts.get_mut(*current) {
        Some(host) => host.is_connected().await,
        None => false,
    };
    let steps = if stands { 0..1 } else { 1..count + 1 };
    let start = *current;
    for step in steps {
        let at = (start + step) % count.max(1);
        if let Some(host) = hosts.get_mut(at) {
            match host.connected().await {
                Ok(_) => *current = at,
                Err(error) => {
                    failed = error;
                    continue;
                }
            }
        }
        break;
    }
    match hosts.get_mut(*current) {
        Some(host) if host.connection.is_some() => Ok(host),
        _ => Err(failed),
    }
}

async fn send_to_any(
    hosts: &mut [HostConnection],
    selector: &mut dyn SinkSelector,
    batch: &[Event],
) -> Result<(), EventDeliveryError> {
    let mut failed = None;
    let order: VecDeque<_> = Order::checked(selector.order(clock::now()), hosts.len()).into();
    for at in order {
        let Some(host) = hosts.get_mut(at) else {
            continue;
        };
        match host.send(batch).await {
            Ok(()) => {
                selector.delivered(at, clock::now());
                return Ok(());
            }
            Err(error) => {
                selector.failed(at, clock::now());
                failed = Some(error);
            }
        }
    }
    const NONE: &str = "Unable to send batch to any host";
    Err(match failed {
        Some(error) => EventDeliveryError::caused_by(NONE, error),
        None => EventDeliveryError::caused_by(NONE, "all hosts failed recently (backoff)"),
    })
}

/// One host with its connection.
struct HostConnection {
    dialer: Dialer,
    connection: Option<Connection>,
}

impl HostConnection {
    async fn is_connected(&mut self) -> bool {
        let alive = match &mut self.connection {
            Some(connection) => connection.is_alive().await,
            None => false,
        };
        if !alive {
            self.connection = None;
        }
        alive
    }

    async fn connected(&mut self) -> Result<&mut Connection, RpcError> {
        if !self.is_connected().await {
            self.connection = Some(self.dialer.dial().await?);
        }
        self.connection.as_mut().ok_or(RpcError::Closed)
    }

    async fn send(&mut self, batch: &[Event]) -> Result<(), RpcError> {
        let connection = self.connected().await?;
        let sent = match connection.send(batch).await {
            Ok(()) => connection.settle().await.map(|_| ()),
            Err(error) => Err(error),
        };
        if sent.is_err() {
            self.connection = None;
        }
        sent
    }
}

#[cfg(test)]
mod tests;
