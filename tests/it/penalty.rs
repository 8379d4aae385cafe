//! Goal: a group whose sinks are all in penalty delivers soon after a collector has returned, and not
//! only when a penalty is over. Method: netcat → memory → two avro sinks whose collectors are
//! missing, until both have long penalties; then one collector is started.

use std::time::Duration;

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, landing, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

/// The longest pause between two attempts, and some seconds for a busy machine.
const SOON: Duration = Duration::from_secs(10);

const EVENTS: u64 = 100;

/// The penalty that each sink of the group still has, in milliseconds.
fn penalties(host: &Host) -> Vec<u64> {
    let (_, text) = host.page("/groups").expect("an answer");
    let groups: Value = serde_json::from_str(&text).expect("JSON");
    let sinks = groups["a1"]["g1"]["sinks"].as_array().expect("sinks");
    let left = sinks.iter().map(|sink| sink["penalty-ms"].as_u64());
    left.map(Option::unwrap_or_default).collect()
}

fn returns(processor: &str) {
    let scratch = Scratch::new();
    let [input, one, two] = std::array::from_fn(|_| ports::free());
    let file = AgentFile::new("a1")
        .memory("c1", 1_000, 100)
        .netcat("r1", input)
        .avro_sink("k1", one, 100)
        .avro_sink("k2", two, 100)
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", processor);
    let file = match processor {
        "load_balance" => file.set("sinkgroups.g1.processor.backoff", true),
        _ => file,
    };
    let host = Host::start(&scratch, "sender", &file.text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    let longer = u64::try_from(SOON.as_millis()).expect("few") + 5_000;
    eventually("both penalties are long", PATIENCE, || {
        let left = penalties(&host);
        left.iter().all(|left| *left > longer).then_some(())
    });
    let folder = scratch.folder("landed");
    let collector = AgentFile::new("a2")
        .memory("c1", 1_000, 100)
        .avro_source("r1", two)
        .file_roll("k1", &folder, 100);
    let _collector = Host::start(&scratch, "collector", &collector.text());
    let landed = Landing::Folder(folder);
    landing::await_count(&[&landed], "n", EVENTS, SOON).assert_exact("soon after the return");
}

mod full {
    #[test]
    fn a_balanced_group_notices_a_collector_that_returns() {
        super::returns("load_balance");
    }

    #[test]
    fn a_failover_group_notices_a_collector_that_returns() {
        super::returns("failover");
    }
}
