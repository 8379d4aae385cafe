//! Goal: whatever room a channel has, an event passes the interceptors of its source once. Method: a
//! witness in the chain of each source, channels of several sizes, and a taker that lags behind.

use std::time::Duration;

use flume_core::testing::Witness;
use flume_core::{Event, InterceptorChain, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::sleep;

use super::harness::{Behind, configured, started};
use super::{avro, exec, netcat, netcatudp, seq, stress};

/// Events of a source, and the room in its channel.
const EVENTS: usize = 200;
const CAPACITIES: [usize; 4] = [1, 7, 100, 1000];

/// How far the taker lags behind.
const LAG: Duration = Duration::from_millis(2);

/// A channel of this capacity, behind a witness.
fn behind(capacity: usize, keep_alive: u64) -> (Behind, Witness) {
    let witness = Witness::default();
    let behind = Behind::new(capacity, keep_alive, vec![Box::new(witness.clone())]);
    (behind, witness)
}

/// Takes all events, slowly, and compares them with the numbers in order.
async fn assert_once(behind: &Behind, witness: &Witness, capacity: usize) {
    let mut bodies = Vec::new();
    while bodies.len() < EVENTS {
        sleep(LAG).await;
        bodies.extend(behind.wait_for(1).await);
    }
    let expected: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(bodies, expected, "capacity {capacity}");
    let seen = (witness.seen(), witness.most());
    assert_eq!(seen, (EVENTS, 1), "capacity {capacity}");
}

fn lines() -> String {
    (0..EVENTS).map(|number| format!("{number}\n")).collect()
}

#[tokio::test]
async fn of_netcat() {
    for capacity in CAPACITIES {
        let (behind, witness) = behind(capacity, 30);
        let source = configured(netcat::configure, &[("bind", "127.0.0.1"), ("port", "0")]);
        let (address, _) = started(source, &behind).await;
        let mut client = TcpStream::connect(address.unwrap()).await.unwrap();
        client.write_all(lines().as_bytes()).await.unwrap();
        assert_once(&behind, &witness, capacity).await;
        let mut replies = vec![0; 3 * EVENTS];
        client.read_exact(&mut replies).await.unwrap();
        assert_eq!(replies, "OK\n".repeat(EVENTS).as_bytes());
        behind.context.stop.cancel();
    }
}

/// A channel that is full for longer than a put waits: the line is offered again and again.
#[tokio::test]
async fn of_netcat_that_blocks_and_of_exec() {
    let command = format!("seq 0 {}", EVENTS - 1);
    let netcat = [("bind", "127.0.0.1"), ("port", "0"), ("on-full", "block")];
    for capacity in [7, 50] {
        let (behind, witness) = behind(capacity, 0);
        let (address, _) = started(configured(netcat::configure, &netcat), &behind).await;
        let mut client = TcpStream::connect(address.unwrap()).await.unwrap();
        client.write_all(lines().as_bytes()).await.unwrap();
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();

        let (behind, witness) = self::behind(capacity, 0);
        let source = configured(exec::configure, &[("command", &command)]);
        started(source, &behind).await;
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();
    }
}

#[tokio::test]
async fn of_netcatudp() {
    for capacity in CAPACITIES {
        let (behind, witness) = behind(capacity, 30);
        let keys = [("bind", "127.0.0.1"), ("port", "0")];
        let (address, _) = started(configured(netcatudp::configure, &keys), &behind).await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for number in 0..EVENTS {
            let datagram = number.to_string();
            client
                .send_to(datagram.as_bytes(), address.unwrap())
                .await
                .unwrap();
        }
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();
    }
}

#[tokio::test]
async fn of_seq() {
    let total = EVENTS.to_string();
    // Without a wait for room a batch is refused and put again; that takes a while for each event.
    for (capacity, keep_alive) in [(1, 30), (7, 0), (100, 0), (1000, 0)] {
        let (behind, witness) = behind(capacity, keep_alive);
        let batch = capacity.min(7).to_string();
        let keys = [("totalEvents", total.as_str()), ("batchSize", &batch)];
        started(configured(seq::configure, &keys), &behind).await;
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();
    }
}

/// Each of its events has the same body, so they are counted together.
#[tokio::test]
async fn of_stress() {
    let (behind, witness) = behind(10, 0);
    let keys = [("maxTotalEvents", "100"), ("batchSize", "4")];
    let mut source: Box<dyn Source> = configured(stress::configure, &keys);
    source.run(behind.context.clone()).await.unwrap();
    assert_eq!((behind.take().len(), witness.most()), (8, 8));
}

/// A batch that the channel refuses is sent again by its client.
#[tokio::test]
async fn of_avro() {
    let witness = Witness::default();
    let chain = InterceptorChain::new(vec![Box::new(witness.clone())]);
    let channel = avro::testing::channel(1, 1);
    let collector = avro::testing::Collector::with(channel, 0, &[], chain).await;
    let port = collector.port().to_string();
    let keys = [("hostname", "127.0.0.1"), ("port", port.as_str())];
    let mut context = flume_core::Context::of("a1.sinks.k1", &keys);
    let services = avro::testing::services();
    let mut sink = crate::sink::avro::configure(&mut context, &services)
        .unwrap()
        .make();
    sink.start(&std::sync::Arc::default()).await.unwrap();
    sink.deliver(&[Event::new("1")]).await.unwrap();
    sink.deliver(&[Event::new("2")]).await.unwrap_err();
    assert_eq!(collector.taken(), [Event::new("1")]);
    sink.deliver(&[Event::new("2")]).await.unwrap();
    assert_eq!(collector.taken(), [Event::new("2")]);
    sink.stop().await;
    assert_eq!((witness.seen(), witness.most()), (2, 1));
}
