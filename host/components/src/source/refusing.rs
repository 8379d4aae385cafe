//! Goal: the log names each channel and each interceptor that refuses, however many refuse at once and
//! however often. Method: channels without room, an interceptor that refuses, and lines counted.

use std::sync::Arc;

use flume_core::channel::memory::{MemoryChannel, MemoryConfig};
use flume_core::channel_selector::{ChannelSelector, Selection};
use flume_core::testing::Balky;
use flume_core::{
    Channel, ChannelProcessor, Event, InterceptorChain, PutTransaction, SourceContext,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::harness::{Behind, configured, started};
use super::{netcat, netcatudp};
use crate::said::Said;

/// Sends an event to the channel that its body names.
struct ByBody;

impl ChannelSelector for ByBody {
    fn select(&self, event: &Event) -> Selection<'_> {
        Selection {
            required: if event.body.starts_with(b"1") {
                &[0]
            } else {
                &[1]
            },
            optional: &[],
        }
    }
}

/// One required channel, and two optional ones.
struct TwoOptional;

impl ChannelSelector for TwoOptional {
    fn select(&self, _: &Event) -> Selection<'_> {
        Selection {
            required: &[0],
            optional: &[1, 2],
        }
    }
}

/// A memory channel without room.
fn full(name: &str) -> Arc<dyn Channel> {
    let config = MemoryConfig {
        capacity: 1,
        transaction_capacity: 1,
        keep_alive: std::time::Duration::ZERO,
        ..MemoryConfig::defaults(1 << 30)
    };
    let channel: Arc<dyn Channel> = Arc::new(MemoryChannel::new(name, &config));
    let put = PutTransaction::of(&channel, vec![Event::new("x")]).unwrap();
    assert!(put.try_reserve().unwrap().commit().is_done());
    channel
}

/// Two channels without room, and an interceptor that refuses `never`.
fn refusing() -> Behind {
    let chain = InterceptorChain::new(vec![Box::new(Balky::never(&["never"]))]);
    let channels = vec![full("c1"), full("c2")];
    let channel = Arc::clone(&channels[0]);
    let behind = Behind::with_capacity(1);
    let channels = Arc::new(ChannelProcessor::new(chain, Box::new(ByBody), channels));
    let context = SourceContext {
        channels,
        ..behind.context
    };
    Behind { channel, context }
}

/// Whether each of the three that refuse has one line.
fn assert_each_is_named(log: &Said, text: &str) {
    let lines = log.lines(text);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for by in ["by=\"c1\"", "by=\"c2\"", "by=\"balky\""] {
        let named = lines.iter().filter(|line| line.contains(by));
        assert_eq!(named.count(), 1, "{by}: {lines:#?}");
    }
}

const EACH: [&str; 3] = ["1", "2", "never"];

#[tokio::test]
async fn what_refuses_lines_of_netcat_is_named() {
    let (log, behind) = (Said::listen(), refusing());
    let source = configured(netcat::configure, &[("bind", "127.0.0.1"), ("port", "0")]);
    let (address, _) = started(source, &behind).await;
    let mut client = TcpStream::connect(address.unwrap()).await.unwrap();
    let lines = EACH.map(|body| format!("{body}\n")).concat().repeat(20);
    client.write_all(lines.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).await.unwrap();
    assert_eq!(replies.matches("FAILED").count(), 60);
    assert_each_is_named(&log, "a line of a netcat client is refused");
    behind.context.stop.cancel();
}

#[tokio::test]
async fn what_refuses_datagrams_is_named() {
    let (log, behind) = (Said::listen(), refusing());
    let keys = [("bind", "127.0.0.1"), ("port", "0")];
    let (address, _) = started(configured(netcatudp::configure, &keys), &behind).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for body in EACH.repeat(5) {
        let sent = client.send_to(body.as_bytes(), address.unwrap()).await;
        assert_eq!(sent.unwrap(), body.len());
    }
    let counters = &behind.context.counters;
    while counters.channel_write_fail.get() + counters.generic_processing_fail.get() < 15 {
        tokio::task::yield_now().await;
    }
    assert_each_is_named(&log, "event dropped");
    behind.context.stop.cancel();
}

/// One limit for both would name the first alone.
#[tokio::test]
async fn each_optional_channel_without_room_is_named() {
    let log = Said::listen();
    let behind = Behind::with_capacity(1000);
    let channels = vec![Arc::clone(&behind.channel), full("c2"), full("c3")];
    let chain = InterceptorChain::default();
    let processor = ChannelProcessor::new(chain, Box::new(TwoOptional), channels);
    for _ in 0..20 {
        let batch = vec![Event::new("a"), Event::new("b")];
        processor.process_batch(batch).await.unwrap();
    }
    let lines = log.lines("events missed an optional channel");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for channel in ["channel=\"c2\"", "channel=\"c3\""] {
        assert!(
            lines.iter().any(|line| line.contains(channel)),
            "{lines:#?}"
        );
    }
}
