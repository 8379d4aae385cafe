//! Flume's tests of its RPC clients.

use std::collections::HashSet;

use super::*;
use flume_components::rpc::testing::{Act, Scripted};
use flume_components::source::avro::testing::{Collector, services};

/// A client over these ports, with the findings about its properties.
fn configured(
    ports: &[u16],
    keys: &[(&str, &str)],
) -> (Option<RpcClient>, Vec<flume_core::Diagnostic>) {
    let names: Vec<String> = (1..=ports.len()).map(|n| format!("h{n}")).collect();
    let list = names.join(" ");
    let hosts: Vec<(String, String)> = names
        .iter()
        .zip(ports)
        .map(|(name, port)| (format!("hosts.{name}"), format!("127.0.0.1:{port}")))
        .collect();
    let mut all = vec![("hosts", list.as_str())];
    all.extend(
        hosts
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    all.extend(keys);
    let mut context = Context::of("rpc", &all);
    let settings = ClientSettings::configure(&mut context, &services());
    (settings.map(RpcClient::new), context.finish())
}

fn client(ports: &[u16], keys: &[(&str, &str)]) -> RpcClient {
    let (client, findings) = configured(ports, keys);
    assert_eq!(findings, []);
    client.unwrap()
}

async fn collectors<const N: usize>() -> [Collector; N] {
    let mut started = Vec::new();
    for _ in 0..N {
        started.push(Collector::start(&[]).await);
    }
    started
        .try_into()
        .unwrap_or_else(|_| unreachable!("as many as requested"))
}

fn events(count: usize) -> Vec<Event> {
    (0..count).map(|n| Event::new(n.to_string())).collect()
}

/// Flume: TestNettyAvroRpcClient.testOKServerSimple, testOKServerBatch (R1), testBatchOverrun and
/// testTwoParamBatchAppendOverflow (R4), testThreeParamDeprecatedAppend (R9),
/// testPropertiesBatchAppend (R10).
#[tokio::test]
async fn one_host_takes_batches_in_parts() {
    let [collector] = collectors().await;
    let mut client = client(&[collector.port()], &[("batch-size", "7")]);
    assert_eq!(client.batch_size(), 7);
    client.connect().await.unwrap();
    for size in [1, 7, 8] {
        client.send(&events(size)).await.unwrap();
        assert_eq!(collector.taken(), events(size));
    }
    assert_eq!(collector.counters.append_batch_received.get(), 4);
    client.close().await;
}

/// Flume: TestNettyAvroRpcClient.testServerDisconnect (R5); the next send finds it again.
#[tokio::test]
async fn an_unreachable_host_fails_the_send() {
    let [collector] = collectors().await;
    let port = collector.port();
    let mut client = client(&[port], &[]);
    client.connect().await.unwrap();
    collector.stop().await;
    client.send(&events(1)).await.unwrap_err();
    let _collector = Collector::start_on(port, &[]).await;
    client.send(&events(1)).await.unwrap();
}

/// Flume: FailoverRpcClient's testFailover (R11) and testFailedServers (R12).
#[tokio::test]
async fn failover_sticks_to_a_host_until_it_fails() {
    let [h1, h2, h3] = collectors().await;
    let ports = [h1.port(), h2.port(), h3.port()];
    let mut client = client(&ports, &[("client.type", "default_failover")]);
    client.connect().await.unwrap();
    let mut send = async |to: &Collector| {
        client.send(&events(2)).await.unwrap();
        assert_eq!(to.taken(), events(2));
    };
    let start = |n: usize| Collector::start_on(ports[n - 1], &[]);
    send(&h1).await;
    h1.stop().await;
    send(&h2).await;
    h2.stop().await;
    send(&h3).await;
    let h2 = start(2).await;
    send(&h3).await;
    h3.stop().await;
    send(&h2).await;
    let h1 = start(1).await;
    send(&h2).await;
    h2.stop().await;
    send(&h1).await;
    h1.stop().await;
    let h1 = start(1).await;
    send(&h1).await;
    h1.stop().await;
    let h3 = start(3).await;
    send(&h3).await;
    h3.stop().await;
    let error = client.send(&events(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "Failed to send the event!");
}

/// After FAILED, the client moves on to the next host, `max-attempts` times.
#[tokio::test]
async fn failover_gives_up_after_max_attempts() {
    let good = Collector::start(&[]).await;
    for (attempts, delivered) in [("1", false), ("2", true)] {
        let bad = Scripted::start([Act::FAILED]).await;
        let keys = [
            ("client.type", "default_failover"),
            ("max-attempts", attempts),
        ];
        let mut client = client(&[bad.address.port(), good.port()], &keys);
        client.connect().await.unwrap();
        assert_eq!(client.send(&events(1)).await.is_ok(), delivered);
    }
}

const BALANCE: (&str, &str) = ("client.type", "default_loadbalance");

/// Flume: TestLoadBalancingRpcClient.testCreatingLbClientSingleHost (R13).
#[test]
fn balancing_needs_two_hosts() {
    let (client, findings) = configured(&[1], &[BALANCE]);
    assert!(client.is_none());
    assert_eq!(findings[0].code, Code::MissingKey);
}

/// Flume: TestLoadBalancingRpcClient.testTwoHostFailover and …Batch (R14).
#[tokio::test]
async fn a_failing_hosts_share_goes_to_the_other() {
    let h1 = Collector::start(&[]).await;
    let script = [vec![Act::OK; 10], vec![Act::FAILED; 10]].concat();
    let h2 = Scripted::start(script).await;
    let mut client = client(&[h1.port(), h2.address.port()], &[BALANCE]);
    for _ in 0..100 {
        client.send(&events(2)).await.unwrap();
    }
    assert_eq!(h1.counters.append_batch_accepted.get(), 60);
}

/// Flume: TestLoadBalancingRpcClient.testTwoHostsOneDead (R16); the first host is at port 0.
#[tokio::test]
async fn an_unreachable_host_is_passed_over() {
    let [h2] = collectors().await;
    let mut client = client(&[0, h2.port()], &[BALANCE]);
    for _ in 0..10 {
        client.send(&events(1)).await.unwrap();
    }
    assert_eq!(h2.counters.append_batch_accepted.get(), 10);
    h2.stop().await;
    let error = client.send(&events(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "Unable to send batch to any host");
}

/// Flume: TestLoadBalancingRpcClient.testLbDefaultClientTwoHosts(Batch) (R17), and of R18 the ten
/// hosts with round robin and random.
#[tokio::test]
async fn hosts_share_the_load() {
    let [h1, h2] = collectors().await;
    let mut two = client(&[h1.port(), h2.port()], &[BALANCE]);
    for _ in 0..100 {
        two.send(&events(1)).await.unwrap();
    }
    assert_eq!((h1.taken().len(), h2.taken().len()), (50, 50));

    let hosts = collectors::<10>().await;
    let ports = hosts.each_ref().map(Collector::port);
    for (selector, equal) in [("round_robin", true), ("RANDOM", false)] {
        let mut ten = client(&ports, &[BALANCE, ("host-selector", selector)]);
        for _ in 0..1000 {
            ten.send(&events(1)).await.unwrap();
        }
        let counts = hosts.each_ref().map(|host| host.taken().len());
        assert_eq!(counts.iter().sum::<usize>(), 1000);
        let distinct: HashSet<_> = counts.into_iter().collect();
        assert_eq!(distinct.len() == 1, equal, "{selector}: {counts:?}");
        assert!(equal || distinct.len() > 2, "{counts:?}");
    }
}

/// Flume: TestLoadBalancingRpcClient.testRoundRobinBackoffInitialFailure (R19): a host that failed
/// once stays excluded although it has recovered.
#[tokio::test]
async fn a_failed_host_is_left_alone_for_a_while() {
    let [h1, h3] = collectors().await;
    let h2 = Scripted::start([Act::OK, Act::FAILED]).await;
    let ports = [h1.port(), h2.address.port(), h3.port()];
    let mut client = client(&ports, &[BALANCE, ("backoff", "true")]);
    for _ in 0..9 {
        client.send(&events(1)).await.unwrap();
    }
    assert_eq!((h1.taken().len(), h3.taken().len()), (4, 4));
}

/// Flume: TestLoadBalancingRpcClient.testRoundRobinBackoffFailureRecovery (R19): after two seconds
/// the host is used again.
#[tokio::test(start_paused = true)]
async fn a_failed_host_is_used_again() {
    let [h1] = collectors().await;
    let h2 = Scripted::start([Act::FAILED]).await;
    let ports = [h1.port(), h2.address.port()];
    let mut client = client(&ports, &[BALANCE, ("backoff", "true")]);
    for _ in 0..10 {
        client.send(&events(1)).await.unwrap();
    }
    assert_eq!(h1.taken().len(), 10);
    tokio::time::advance(Duration::from_millis(2001)).await;
    for _ in 0..10 {
        client.send(&events(1)).await.unwrap();
    }
    assert_eq!(h1.taken().len(), 5);
}

#[test]
fn mistakes_in_properties_are_found() {
    let refused = |ports: &[u16], keys: &[(&str, &str)], key: &str| {
        let (client, findings) = configured(ports, keys);
        assert!(client.is_none(), "{key}");
        assert!(findings[0].message.contains(key), "{findings:?}");
    };
    refused(&[], &[], "hosts");
    refused(&[1], &[("client.type", "thrift")], "client.type");
    refused(
        &[1, 2],
        &[BALANCE, ("host-selector", "best")],
        "host-selector",
    );
    refused(&[1, 2], &[BALANCE, ("maxBackoff", "0")], "maxBackoff");
    refused(&[1], &[("hosts.h1", "a:b:1")], "hosts.h1");
}
