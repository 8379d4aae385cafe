//! The netcat UDP source: each datagram is an event.
//!
//! Flume takes the first line of a datagram and silently drops the rest; so does
//! this source, unless `lines = all` is set. UDP has no answers, so what a channel refuses
//! is lost; it is counted and logged.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use flume_core::{
    ComponentError, Context, Event, Outcomes, ProcessError, Recipe, Source, SourceContext,
};
use memchr::memchr;
use tokio::net::UdpSocket;

use crate::net::complaint::Refusals;
use crate::net::passed::{OpenPort, PassedSockets};
use crate::services::{Resolver, Services};

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["netcatudp", "org.apache.flume.source.NetcatUdpSource"];

/// The most bytes of a datagram.
const MOST_BYTES: usize = 1 << 16;

/// The most datagrams that are put together.
const MOST_DATAGRAMS: usize = 128;

/// Listens for datagrams.
#[derive(Debug)]
pub struct NetcatUdpSource {
    name: String,
    bind: String,
    port: u16,
    resolver: Resolver,
    sockets: PassedSockets,
    settings: DatagramSettings,
    open: Option<OpenPort<UdpSocket>>,
    /// Events lost so far.
    lost: u64,
    /// Log lines about lost events.
    losses: Refusals,
}

/// How a datagram becomes events.
#[derive(Debug, Clone, PartialEq)]
struct DatagramSettings {
    /// The header for the sender's address, if it is wanted.
    address_header: Option<String>,
    /// Whether lines after the first are events, too.
    all_lines: bool,
}

/// Reads Flume's keys `bind` (all interfaces if it is not there), `port` and
/// `remoteAddressHeader` (the code of Flume says `remoteAddress`), and our own `lines`
/// (`first` as in Flume, or `all`).
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Source>> {
    let bind = context.string("bind", "0.0.0.0");
    let port = context.required_number("port", 0..=u16::MAX);
    let spelling = context.spelling(&["remoteAddressHeader", "remoteAddress"]);
    let address_header = context.optional(spelling);
    let all_lines = context.one_of("lines", "first", &[("first", false), ("all", true)]);
    let settings = DatagramSettings {
        address_header,
        all_lines: all_lines?,
    };
    let keys = (context.name().to_owned(), bind, port?, settings);
    let (resolver, sockets) = (services.resolver.clone(), services.sockets.clone());
    Some(Recipe::<dyn Source>::new(keys, move |keys| {
        let (name, bind, port, settings) = keys.clone();
        Box::new(NetcatUdpSource {
            name,
            bind,
            port,
            resolver: resolver.clone(),
            sockets: sockets.clone(),
            settings,
            open: None,
            lost: 0,
            losses: Refusals::default(),
        })
    }))
}

#[async_trait]
impl Source for NetcatUdpSource {
    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        let bound = match self.resolver.resolve(&self.bind, self.port).await {
            Ok(addresses) => self.sockets.receive(&addresses).await,
            Err(error) => Err(error),
        };
        let open = bound.map_err(|cause| {
            let place = format!("{}:{}", self.bind, self.port);
            ComponentError::caused_by(format!("unable to bind to socket {place}"), cause)
        })?;
        let address = open.socket.local_addr().ok();
        self.open = Some(open);
        Ok(address)
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        let not_started = || ComponentError::new("the source is not started");
        let open = self.open.take().ok_or_else(not_started)?;
        let mut buffer = vec![0; MOST_BYTES];
        loop {
            let outcomes = tokio::select! {
                biased;
                () = context.stop.cancelled() => return Ok(()),
                outcomes = self.receive(&open.socket, &mut buffer, &context) => outcomes,
            };
            let outcomes = outcomes
                .map_err(|cause| ComponentError::caused_by("unable to receive datagrams", cause))?;
            for (_, error) in outcomes.refused() {
                self.lose(error, &context);
            }
        }
    }
}

impl NetcatUdpSource {
    /// Waits for datagrams and puts those that are there. Dropped, it loses the events that wait
    /// for room, which is what a full channel means for them anyway.
    async fn receive(
        &self,
        socket: &UdpSocket,
        buffer: &mut [u8],
        context: &SourceContext,
    ) -> io::Result<Outcomes> {
        let mut events = Vec::new();
        let (size, peer) = socket.recv_from(buffer).await?;
        self.settings
            .add_events(buffer.get(..size).unwrap_or_default(), peer, &mut events);
        for _ in 1..MOST_DATAGRAMS {
            match socket.try_recv_from(buffer) {
                Ok((size, peer)) => {
                    let datagram = buffer.get(..size).unwrap_or_default();
                    self.settings.add_events(datagram, peer, &mut events);
                }
                Err(_) => break,
            }
        }
        let received = events.len();
        context.counters.event_received.add(received);
        let outcomes = context.channels.process_each(events).await;
        context
            .counters
            .event_accepted
            .add(received - outcomes.refused().len());
        Ok(outcomes)
    }

    fn lose(&mut self, error: &ProcessError, context: &SourceContext) {
        match error {
            ProcessError::Channel { .. } => context.counters.channel_write_fail.increment(),
            ProcessError::Interceptor(_) => context.counters.generic_processing_fail.increment(),
        }
        self.lost += 1;
        if let Some(left_out) = self.losses.admit(error) {
            let (_, by) = error.cause();
            let (source, lost) = (self.name.as_str(), self.lost);
            tracing::error!(source, by, %error, lost, left_out, "event dropped");
        }
    }
}

impl DatagramSettings {
    fn add_events(&self, datagram: &[u8], peer: SocketAddr, events: &mut Vec<Event>) {
        // Java writes the address of a datagram with a slash in front.
        let address = self.address_header.as_ref().map(|name| {
            // A socket of IPv6 that takes IPv4 has those senders under other addresses.
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            (name, format!("/{peer}"))
        });
        let mut rest = Bytes::copy_from_slice(datagram);
        loop {
            let end = memchr(b'\n', &rest);
            let line = rest.split_to(end.unwrap_or(rest.len()));
            let mut event = Event::new(line);
            if let Some((name, value)) = &address {
                event = event.with_header(name.as_str(), value.as_str());
            }
            events.push(event);
            if end.is_some() {
                rest = rest.slice(1..);
            }
            if rest.is_empty() || !self.all_lines {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::harness::{Behind, configured, started};

    fn bodies_of(all_lines: bool, datagram: &[u8]) -> Vec<Bytes> {
        let settings = DatagramSettings {
            address_header: None,
            all_lines,
        };
        let mut events = Vec::new();
        settings.add_events(datagram, ([127, 0, 0, 1], 9).into(), &mut events);
        assert!(events.iter().all(|event| event.headers.is_empty()));
        events.into_iter().map(|event| event.body).collect()
    }

    #[test]
    fn the_first_line_of_a_datagram_is_the_event() {
        assert_eq!(bodies_of(false, b"a\nb\n"), ["a"]);
        assert_eq!(bodies_of(false, b"no end\r"), ["no end\r"]);
        assert_eq!(bodies_of(false, b"\nb"), [""]);
        assert_eq!(
            bodies_of(false, b""),
            [""],
            "an empty datagram is an empty event"
        );
        assert_eq!(bodies_of(true, b"a\n\nb\n"), ["a", "", "b"]);
        assert_eq!(bodies_of(true, b"a\nb"), ["a", "b"]);
    }

    #[test]
    fn the_address_of_a_sender_is_the_one_that_it_has_itself() {
        let settings = DatagramSettings {
            address_header: Some("from".to_owned()),
            all_lines: false,
        };
        for (peer, expected) in [
            ("[::ffff:10.0.0.7]:9", "/10.0.0.7:9"),
            ("[fe80::7]:9", "/[fe80::7]:9"),
        ] {
            let mut events = Vec::new();
            settings.add_events(b"x", peer.parse().unwrap(), &mut events);
            assert_eq!(events, [Event::new("x").with_header("from", expected)]);
        }
    }

    #[tokio::test]
    async fn datagrams_become_events_with_the_address_of_the_sender() {
        for key in ["remoteAddressHeader", "remoteAddress"] {
            let behind = Behind::with_capacity(100);
            let properties = [("bind", "127.0.0.1"), ("port", "0"), (key, "from")];
            let source = configured(configure, &properties);
            let (address, running) = started(source, &behind).await;
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client
                .send_to(b"hello\nlost", address.unwrap())
                .await
                .unwrap();
            behind.channel.ready().await;
            let from = format!("/{}", client.local_addr().unwrap());
            assert_eq!(
                behind.take(),
                [Event::new("hello").with_header("from", from)]
            );
            behind.context.stop.cancel();
            running.await.unwrap();
            assert_eq!(behind.context.counters.event_accepted.get(), 1);
        }
    }

    #[tokio::test]
    async fn what_a_full_channel_refuses_is_counted() {
        let behind = Behind::new(1, 0, Vec::new());
        let source = configured(configure, &[("bind", "127.0.0.1"), ("port", "0")]);
        let (address, running) = started(source, &behind).await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for body in ["1", "2", "3"] {
            client
                .send_to(body.as_bytes(), address.unwrap())
                .await
                .unwrap();
        }
        while behind.context.counters.channel_write_fail.get() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(behind.bodies(), ["1"]);
        behind.context.stop.cancel();
        running.await.unwrap();
    }
}
