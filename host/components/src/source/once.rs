//! Goal: whatever room a channel has, an event passes the interceptors of its source once. Method: a
//! witness in the chain of each source, channels of several sizes behind selectors that look at each
//! event or need not, and a taker that lags behind.

use std::time::Duration;

use flume_core::testing::{Balky, Witness};
use flume_core::{Event, Interceptor, InterceptorChain};
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

/// A channel of this capacity, behind a witness and a selector that looks at each event, or need not.
fn behind(is_uniform: bool, capacity: usize, keep_alive: u64) -> (Behind, Witness) {
    let witness = Witness::default();
    let chain: Vec<Box<dyn Interceptor>> = vec![Box::new(witness.clone())];
    let behind = Behind::selecting(is_uniform, capacity, keep_alive, chain);
    (behind, witness)
}

/// Both kinds of selector with each capacity.
fn cases() -> impl Iterator<Item = (bool, usize)> {
    let kinds = [true, false].into_iter();
    kinds.flat_map(|is_uniform| CAPACITIES.map(|capacity| (is_uniform, capacity)))
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
    for (is_uniform, capacity) in cases() {
        let (behind, witness) = behind(is_uniform, capacity, 30);
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
    for (is_uniform, capacity) in [(true, 7), (true, 50), (false, 7), (false, 50)] {
        let (behind, witness) = behind(is_uniform, capacity, 0);
        let (address, _) = started(configured(netcat::configure, &netcat), &behind).await;
        let mut client = TcpStream::connect(address.unwrap()).await.unwrap();
        client.write_all(lines().as_bytes()).await.unwrap();
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();

        let (behind, witness) = self::behind(is_uniform, capacity, 0);
        let source = configured(exec::configure, &[("command", &command)]);
        started(source, &behind).await;
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();
    }
}

#[tokio::test]
async fn of_netcatudp() {
    for (is_uniform, capacity) in cases() {
        let (behind, witness) = behind(is_uniform, capacity, 30);
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
    for (is_uniform, capacity) in cases() {
        // Without a wait for room events are refused and offered again; that takes a while for each.
        let keep_alive = if capacity == 1 { 30 } else { 0 };
        let (behind, witness) = behind(is_uniform, capacity, keep_alive);
        let batch = capacity.min(7).to_string();
        let keys = [("totalEvents", total.as_str()), ("batchSize", &batch)];
        started(configured(seq::configure, &keys), &behind).await;
        assert_once(&behind, &witness, capacity).await;
        behind.context.stop.cancel();
    }
}

/// Each of its events has the same body, so they are counted together.
#[tokio::test(start_paused = true)]
async fn of_stress() {
    let total = EVENTS.to_string();
    for (is_uniform, capacity) in cases() {
        let (behind, witness) = behind(is_uniform, capacity, 0);
        let batch = capacity.min(4).to_string();
        let keys = [
            ("maxSuccessfulEvents", total.as_str()),
            ("batchSize", &batch),
        ];
        let (_, task) = started(configured(stress::configure, &keys), &behind).await;
        let mut taken = 0;
        while taken < EVENTS {
            sleep(LAG).await;
            taken += behind.take().len();
        }
        task.await.unwrap();
        let refused = behind.context.counters.channel_write_fail.get();
        assert_eq!(refused > 0, capacity < EVENTS, "capacity {capacity}");
        assert_eq!(
            (taken, witness.most()),
            (EVENTS, EVENTS),
            "capacity {capacity}"
        );
    }
}

/// What a source offers to interceptors of which one rests in the middle of a batch, now and then,
/// passes those before it once, and arrives in order.
#[tokio::test(start_paused = true)]
async fn of_sources_whose_interceptor_rests() {
    let total = EVENTS.to_string();
    let command = format!("seq 0 {}", EVENTS - 1);
    let seq_keys = [("totalEvents", total.as_str()), ("batchSize", "7")];
    for (is_uniform, capacity) in cases() {
        let sources = [
            configured(seq::configure, &seq_keys),
            configured(exec::configure, &[("command", &command)]),
        ];
        for source in sources {
            let (first, balky, last) = (Witness::default(), Balky::default(), Witness::default());
            let chain: Vec<Box<dyn Interceptor>> = vec![
                Box::new(first.clone()),
                Box::new(balky.clone()),
                Box::new(last.clone()),
            ];
            let behind = Behind::selecting(is_uniform, capacity, 30, chain);
            balky.rest_from(Some(1));
            started(source, &behind).await;
            let moody = tokio::spawn(async move {
                for place in (0..5).cycle() {
                    balky.rest_from(Some(place));
                    sleep(Duration::from_millis(70)).await;
                }
            });
            assert_once(&behind, &first, capacity).await;
            moody.abort();
            assert_eq!(
                (last.seen(), last.most()),
                (EVENTS, 1),
                "capacity {capacity}"
            );
            assert!(behind.context.counters.generic_processing_fail.get() > 0);
            behind.context.stop.cancel();
        }
    }
}

/// A batch that the channel refuses is sent again by its client.
#[tokio::test(start_paused = true)]
async fn of_avro() {
    for capacity in CAPACITIES {
        let witness = Witness::default();
        let chain = InterceptorChain::new(vec![Box::new(witness.clone())]);
        let channel = avro::testing::channel(capacity, capacity);
        let collector = avro::testing::Collector::with(channel, 0, &[], chain).await;
        let (port, size) = (collector.port().to_string(), capacity.min(7));
        let batch_size = size.to_string();
        let keys = [
            ("hostname", "127.0.0.1"),
            ("port", port.as_str()),
            ("batch-size", &batch_size),
        ];
        let mut context = flume_core::Context::of("a1.sinks.k1", &keys);
        let services = avro::testing::services();
        let mut sink = crate::sink::avro::configure(&mut context, &services)
            .unwrap()
            .make();
        sink.start(&std::sync::Arc::default()).await.unwrap();
        let body = |number: usize| Event::new(number.to_string());
        let events: Vec<Event> = (0..EVENTS).map(body).collect();
        let (mut taken, mut refused) = (Vec::new(), 0);
        for batch in events.chunks(size) {
            while sink.deliver(batch).await.is_err() {
                refused += 1;
                assert!(refused <= EVENTS, "capacity {capacity}");
                taken.extend(collector.taken());
            }
        }
        taken.extend(collector.taken());
        assert_eq!(taken, events, "capacity {capacity}");
        assert_eq!(refused > 0, capacity < EVENTS, "capacity {capacity}");
        let seen = (witness.seen(), witness.most());
        assert_eq!(seen, (EVENTS, 1), "capacity {capacity}");
        sink.stop().await;
    }
}
