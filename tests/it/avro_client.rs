//! Goal: the RPC client reports correctly when its agent dies. Method: `flume-host avro-client`
//! with lines typed one after the other, and an agent that is killed.

use std::time::Duration;

use flume_tests::{AgentFile, Host, Process, Scratch, eventually, host, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// Events in a request of the client.
const BATCH: u64 = 5;

/// Flume: TestRpcClientCommunicationFailure.testFailure (G12): four appends to a running agent
/// succeed, the agent is killed, the next append fails, and the client closes without an exception.
#[test]
fn an_agent_that_dies_fails_the_next_append() {
    let scratch = Scratch::new();
    let port = ports::free();
    let file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .avro_source("r1", port)
        .file_roll("k1", &scratch.folder("landed"), 100);
    let mut agent = Host::start(&scratch, "a1", &file.text());
    let mut command = host::program();
    command.args(["avro-client", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let mut client = Process::start("client", &mut command, scratch.path("client.log"));
    for append in 1..=4 {
        for line in 0..BATCH {
            client.order(&format!("append {append}, line {line}"));
        }
        let accepted = || agent.counter("SOURCE.r1", "EventAcceptedCount");
        let arrived = || (accepted() == append * BATCH).then_some(());
        eventually("the append is accepted", PATIENCE, arrived);
    }
    agent.kill();
    for line in 0..BATCH {
        client.order(&format!("append 5, line {line}"));
    }
    let status = client.wait(PATIENCE);
    let log = client.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("25 events read, 20 acknowledged"), "{log}");
    assert!(log.contains("Failed to send events"), "{log}");
}
